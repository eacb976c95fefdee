/** Bandwidth: totals and rates, and which way the bytes went. */
import type { LinkPath } from '../swarm/types.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { PathAdvice } from './path-advice.tsx';
import { strings } from './strings.ts';
import { Cell, HeadCell, PathBadge, Row, Table } from './table.tsx';

const t = strings.traffic;
const PATHS: readonly LinkPath[] = ['direct', 'relayed', 'host'];
const sum = (by: Readonly<Record<LinkPath, number>>) => PATHS.reduce((total, path) => total + by[path], 0);

export function TrafficPanel() {
  const traffic = useApp((s) => s.traffic);
  return (
    <section className="block" aria-labelledby="traffic-heading">
      <h2 id="traffic-heading">{t.heading}</h2>
      <Table
        caption={t.caption}
        hideCaption
        columns={[{ label: t.path }, { label: t.down, number: true }, { label: t.up, number: true }]}
      >
        {PATHS.map((path) => (
          <Row key={path}>
            <HeadCell>
              <PathBadge path={path} />
            </HeadCell>
            <Cell number>{format.bytes(traffic.bytesIn[path])}</Cell>
            <Cell number>{format.bytes(traffic.bytesOut[path])}</Cell>
          </Row>
        ))}
        <Row className="sum">
          <HeadCell>{t.total}</HeadCell>
          <Cell number data-testid="bytes-in" data-value={sum(traffic.bytesIn)}>
            {format.bytes(sum(traffic.bytesIn))}
          </Cell>
          <Cell number data-testid="bytes-out" data-value={sum(traffic.bytesOut)}>
            {format.bytes(sum(traffic.bytesOut))}
          </Cell>
        </Row>
        <Row>
          <HeadCell>{t.now}</HeadCell>
          <Cell number>{format.rate(traffic.rateIn)}</Cell>
          <Cell number>{format.rate(traffic.rateOut)}</Cell>
        </Row>
      </Table>
      <PathAdvice />
    </section>
  );
}
