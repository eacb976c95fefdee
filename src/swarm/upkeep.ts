/** Chores of a running swarm node: round-trip times, repair of silent gossip links, goodbye of a closing page. */
import { isUsable, pathOf } from './addresses.ts';
import {
  GOSSIP_CHECK_INTERVAL,
  GOSSIP_GRACE,
  PING_INTERVAL,
  PING_TIMEOUT,
  RELAYED_LINGER,
} from './limits.ts';
import type { PeerSwarm } from './peer-swarm.ts';

/** Measures round-trip times, one peer after the other, so that pings never pile up in a busy tab. */
export function keepRtt(swarm: PeerSwarm): void {
  let busy = false;
  const round = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (const peer of [...swarm.peers('direct'), ...swarm.peers('host')]) {
      if (swarm.stopped) break;
      const connection = swarm.node
        .getConnections()
        .find((c) => c.remotePeer.toString() === peer && isUsable(c));
      if (connection === undefined) continue;
      try {
        const signal = AbortSignal.timeout(PING_TIMEOUT);
        swarm.rtt.set(peer, await swarm.node.services.ping.ping(connection.remotePeer, { signal }));
        swarm.changed();
      } catch {
        // Unknown is an answer, too: the link may be gone or the peer busy.
      }
    }
    busy = false;
  };
  const timer = setInterval(() => void round(), PING_INTERVAL);
  const first = setTimeout(() => void round(), PING_INTERVAL / 10);
  swarm.onStop(() => {
    clearInterval(timer);
    clearTimeout(first);
  });
}

/**
 * A gossipsub stream that died (an oversized message, a full send buffer) is never opened again while its connection
 * lives, and publish() does not tell. Peers without open gossip streams both ways are dropped; whoever keeps the links
 * dials them again. Relayed connections beside a direct link are closed as well.
 */
export function keepGossip(swarm: PeerSwarm): void {
  const suspects = new Set<string>();
  const check = (): void => {
    const peers = new Map<string, { since: number; directions: Set<string> }>();
    for (const connection of swarm.node.getConnections()) {
      if (!isUsable(connection)) continue;
      const peer = connection.remotePeer.toString();
      const entry = peers.get(peer) ?? { since: connection.timeline.open, directions: new Set() };
      entry.since = Math.max(entry.since, connection.timeline.open);
      for (const stream of connection.streams)
        if (stream.protocol.startsWith('/meshsub/') && stream.status === 'open')
          entry.directions.add(stream.direction);
      peers.set(peer, entry);
    }
    for (const [peer, { since, directions }] of peers) {
      if (directions.size === 2 || Date.now() - since < GOSSIP_GRACE) suspects.delete(peer);
      else if (suspects.delete(peer)) hangUp(swarm, peer, 'gossip streams lost');
      else suspects.add(peer);
    }
    for (const peer of suspects) if (!peers.has(peer)) suspects.delete(peer);

    const direct = swarm.peers('direct');
    for (const connection of swarm.node.getConnections())
      if (
        pathOf(connection) === 'relayed' &&
        direct.has(connection.remotePeer.toString()) &&
        Date.now() - connection.timeline.open > RELAYED_LINGER
      )
        connection.close().catch(() => connection.abort(new Error('relayed connection no longer needed')));
  };
  const timer = setInterval(check, GOSSIP_CHECK_INTERVAL);
  swarm.onStop(() => clearInterval(timer));
}

/** Aborts every connection to a peer. */
export function hangUp(swarm: PeerSwarm, peer: string, reason: string): void {
  for (const connection of swarm.node.getConnections())
    if (connection.remotePeer.toString() === peer) connection.abort(new Error(reason));
}

/**
 * Browsers tell WebRTC peers nothing when a tab closes: they would notice after 10 to 16 s. Aborting the connections
 * by hand, which is synchronous, makes it 0.1 s. A page that comes back from the back-forward cache redials.
 */
export function sayGoodbye(swarm: PeerSwarm): void {
  if (typeof globalThis.window === 'undefined') return;
  const bye = (): void => {
    for (const connection of swarm.node.getConnections()) connection.abort(new Error('page closed'));
  };
  window.addEventListener('pagehide', bye);
  swarm.onStop(() => window.removeEventListener('pagehide', bye));
}
