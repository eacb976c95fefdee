/** Chores of a running swarm node: round-trip times, repair of silent gossip links, goodbye of a closing page. */
import { isUsable, pathOf } from './addresses.ts';
import {
  GOSSIP_CHECK_INTERVAL,
  GOSSIP_GRACE,
  GOSSIP_MUTE,
  MAX_MISSED_PINGS,
  PING_INTERVAL,
  PING_TIMEOUT,
  RELAYED_LINGER,
} from './limits.ts';
import type { PeerSwarm } from './peer-swarm.ts';

/**
 * Measures round-trip times, one peer after the other, so that pings never pile up in a busy tab, and drops a WebSocket
 * that no longer answers.
 */
export function keepRtt(swarm: PeerSwarm): void {
  let busy = false;
  const missed = new Map<string, number>();
  /** Gossip bytes that had come from a peer when it was last pinged. */
  const heard = new Map<string, number>();
  const round = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (const peer of [...swarm.peers('direct'), ...swarm.peers('host')]) {
      if (swarm.stopped) break;
      const connection = swarm.node
        .getConnections()
        .find((c) => c.remotePeer.toString() === peer && isUsable(c));
      if (connection === undefined) continue;
      const before = heard.get(peer) ?? 0;
      const now = swarm.meter.peer(peer, 'gossip').in;
      heard.set(peer, now);
      try {
        const signal = AbortSignal.timeout(PING_TIMEOUT);
        swarm.rtt.set(peer, await swarm.node.services.ping.ping(connection.remotePeer, { signal }));
        missed.delete(peer);
        swarm.changed();
      } catch {
        // The peer may just be busy, and a host that still sends is: hanging up on it costs it a handshake more. WebRTC
        // notices dead links by itself; a WebSocket can stay "open" for hours.
        const speaks = swarm.meter.peer(peer, 'gossip').in > now || now > before;
        const count = speaks ? 0 : (missed.get(peer) ?? 0) + 1;
        missed.set(peer, count);
        if (count >= MAX_MISSED_PINGS && pathOf(connection) === 'host')
          swarm.hangUp(peer, 'pings unanswered');
      }
    }
    for (const peer of heard.keys()) {
      if (swarm.peers('direct').has(peer) || swarm.peers('host').has(peer)) continue;
      missed.delete(peer);
      heard.delete(peer);
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
 * Looks after the links' gossip streams.
 *
 * A link that loses both at once is dead: that is how a closing page shows, seconds before WebRTC notices. One that
 * has lost one, or never got both, is mute: gossipsub never opens a stream again while the connection lives (after an
 * oversized message or a full send buffer), and publish() does not tell. Both are dropped, and whoever keeps the links
 * dials again. Relayed connections beside a direct link are closed as well: they were for signalling.
 */
export function keepGossip(swarm: PeerSwarm): void {
  const muteSince = new Map<string, number>();

  const check = (): void => {
    const now = Date.now();
    const peers = gossipStreams(swarm);
    for (const [peer, { since, directions }] of peers) {
      if (directions.size === 2) {
        muteSince.delete(peer);
      } else if (directions.size === 0 && swarm.meter.peer(peer, 'gossip').in > 0) {
        swarm.hangUp(peer, 'all gossip streams closed');
      } else {
        const start = muteSince.get(peer) ?? now;
        muteSince.set(peer, start);
        if (now - start > GOSSIP_MUTE && now - since > GOSSIP_GRACE)
          swarm.hangUp(peer, 'a gossip stream was lost');
      }
    }
    for (const peer of muteSince.keys()) if (!peers.has(peer)) muteSince.delete(peer);
    closeSpareRelayed(swarm, now);
  };
  const timer = setInterval(check, GOSSIP_CHECK_INTERVAL);
  swarm.onStop(() => clearInterval(timer));
}

/** Directions of the open gossip streams of each linked peer, and when its newest connection began. */
function gossipStreams(swarm: PeerSwarm): Map<string, { since: number; directions: Set<string> }> {
  const peers = new Map<string, { since: number; directions: Set<string> }>();
  for (const connection of swarm.node.getConnections()) {
    if (!isUsable(connection)) continue;
    const peer = connection.remotePeer.toString();
    const entry = peers.get(peer) ?? { since: 0, directions: new Set() };
    entry.since = Math.max(entry.since, connection.timeline.open);
    for (const stream of connection.streams)
      if (stream.protocol.startsWith('/meshsub/') && stream.status === 'open')
        entry.directions.add(stream.direction);
    peers.set(peer, entry);
  }
  return peers;
}

function closeSpareRelayed(swarm: PeerSwarm, now: number): void {
  const direct = swarm.peers('direct');
  for (const connection of swarm.node.getConnections()) {
    if (pathOf(connection) !== 'relayed' || !direct.has(connection.remotePeer.toString())) continue;
    if (now - connection.timeline.open < RELAYED_LINGER) continue;
    connection.close().catch(() => connection.abort(new Error('relayed connection no longer needed')));
  }
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
