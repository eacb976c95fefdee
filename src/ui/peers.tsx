/** Who this tab is connected to, by which path, and whether they hold the same model. */
import { useState } from 'react';
import type { PeerView } from '../app/state.ts';
import { useApp } from './context.tsx';
import * as format from './format.ts';
import { strings } from './strings.ts';
import { PathBadge, Table } from './table.tsx';

const t = strings.peers;
const SHORT = 10;

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
        <Table
          caption={t.caption}
          hideCaption
          className="peers"
          columns={[
            t.peer,
            t.path,
            t.role,
            t.adapter,
            t.state,
            { label: t.speed, number: true },
            { label: t.rtt, number: true },
            t.sync,
          ]}
        >
          {shown.map((peer) => (
            <Row key={peer.peer} peer={peer} />
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

function Row({ peer }: { readonly peer: PeerView }) {
  return (
    <tr data-testid="peer-row" data-peer={peer.peer} data-path={peer.path}>
      <th scope="row" className="mono" title={peer.peer}>
        {format.shortPeer(peer.peer)}
      </th>
      <td>
        <PathBadge path={peer.path} />
      </td>
      <td>{t.roles[peer.role]}</td>
      <td className="clip" title={peer.adapter}>
        {peer.adapter === '' ? format.UNKNOWN : peer.adapter}
      </td>
      <td className="clip" title={peer.state}>
        {peer.state === '' ? format.UNKNOWN : peer.state}
      </td>
      <td className="number">
        {peer.role === 'contributor' ? format.speed(peer.tokensPerSecond) : format.UNKNOWN}
      </td>
      <td className="number">{format.latency(peer.rttMs)}</td>
      <td>
        <span className={peer.inSync ? 'sync' : 'sync sync-no'}>{peer.inSync ? t.inSync : t.outOfSync}</span>
      </td>
    </tr>
  );
}
