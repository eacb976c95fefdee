/** Bandwidth: totals and rates, and which way the bytes went. */
import type { LinkPath } from '../swarm/types.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { PathBadge, Table } from './table.tsx';

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
        columns={[t.path, { label: t.down, number: true }, { label: t.up, number: true }]}
      >
        {PATHS.map((path) => (
          <tr key={path}>
            <th scope="row">
              <PathBadge path={path} />
            </th>
            <td className="number">{format.bytes(traffic.bytesIn[path])}</td>
            <td className="number">{format.bytes(traffic.bytesOut[path])}</td>
          </tr>
        ))}
        <tr className="sum">
          <th scope="row">{t.total}</th>
          <td className="number" data-testid="bytes-in" data-value={sum(traffic.bytesIn)}>
            {format.bytes(sum(traffic.bytesIn))}
          </td>
          <td className="number" data-testid="bytes-out" data-value={sum(traffic.bytesOut)}>
            {format.bytes(sum(traffic.bytesOut))}
          </td>
        </tr>
        <tr>
          <th scope="row">{t.now}</th>
          <td className="number">{format.rate(traffic.rateIn)}</td>
          <td className="number">{format.rate(traffic.rateOut)}</td>
        </tr>
      </Table>
      <Advice />
    </section>
  );
}

function Advice() {
  const relayed = useApp((s) => s.peers.filter((p) => p.path === 'relayed').length);
  const others = useApp((s) => s.peers.filter((p) => p.path !== 'host').length);
  return (
    <p className="hint">{others === 0 ? t.alone : relayed === 0 ? t.allDirect : t.relayedAdvice(relayed)}</p>
  );
}
