/** Who this tab is connected to, by which path, and whether they hold the same model. */
import { useState } from 'react';
import type { PeerView } from '../app/state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { Cell, HeadCell, PathBadge, Row, Table } from './table.tsx';

const t = strings.peers;
const SHORT = 10;
const COLUMNS = [
  { label: t.peer },
  { label: t.path },
  { label: t.role },
  { label: t.adapter },
  { label: t.state },
  { label: t.speed, number: true },
  { label: t.rtt, number: true },
  { label: strings.traffic.total, number: true },
  { label: t.sync },
];

export function Peers() {
  const peers = useApp((s) => s.peers);
  const [all, setAll] = useState(false);
  const shown = all ? peers : peers.slice(0, SHORT);
  return (
    <section className="block" aria-labelledby="peers-heading">
      <h2 id="peers-heading">
        {t.heading} <span className="tally">{format.count(peers.length)}</span>
      </h2>
      {peers.length === 0 ? (
        <p className="empty">{t.empty}</p>
      ) : (
        <Table caption={t.caption} hideCaption className="stack peers" columns={COLUMNS}>
          {shown.map((peer) => (
            <PeerRow key={peer.peer} peer={peer} />
          ))}
        </Table>
      )}
      {peers.length > SHORT && (
        <button type="button" className="button button-small" onClick={() => setAll(!all)}>
          {all ? t.less : t.more(peers.length)}
        </button>
      )}
    </section>
  );
}

function PeerRow({ peer }: { readonly peer: PeerView }) {
  const { role, adapter, state } = peer;
  return (
    <Row data-testid="peer-row" data-peer={peer.peer} data-path={peer.path}>
      <HeadCell label={t.peer} title={peer.peer}>
        {peer.name !== '' && <span className="who">{peer.name}</span>}
        <span className="mono">{format.shortPeer(peer.peer)}</span>
      </HeadCell>
      <Cell label={t.path}>
        <PathBadge path={peer.path} />
      </Cell>
      <Cell label={t.role}>{t.roles[role]}</Cell>
      <Cell label={t.adapter} className="clip" title={adapter}>
        {adapter === '' ? format.UNKNOWN : adapter}
      </Cell>
      <Cell label={t.state} className="clip" title={state}>
        {state === '' ? format.UNKNOWN : state}
      </Cell>
      <Cell label={t.speed} number>
        {role === 'contributor' ? format.speed(peer.tokensPerSecond) : format.UNKNOWN}
      </Cell>
      <Cell label={t.rtt} number>
        {format.latency(peer.rttMs)}
      </Cell>
      <Cell label={strings.traffic.total} number>
        {format.bytes(peer.bytesIn + peer.bytesOut)}
      </Cell>
      <Cell label={t.sync}>
        <span className={peer.inSync ? 'sync' : 'sync sync-no'}>{peer.inSync ? t.inSync : t.outOfSync}</span>
      </Cell>
    </Row>
  );
}
