/**
 * Keeps a tab's direct links at {@link TARGET_LINKS}: asks the host for peers while links are missing, dials them over
 * WebRTC with retries, and forgets the ones that left. libp2p announces a discovered peer only once, ever; this loop
 * is what makes links come back.
 */
import { multiaddr } from '@multiformats/multiaddr';
import { peerIdOf } from './addresses.ts';
import * as limits from './limits.ts';
import type { PeerSwarm } from './peer-swarm.ts';
import { askRendezvous, isPeerId } from './rendezvous.ts';

interface Known {
  readonly since: number;
  lastSeen: number;
  nextDial: number;
  fails: number;
  dialling: boolean;
}

export interface LinkOptions {
  readonly relays: readonly string[];
  /** Links to seek. */
  readonly target: number;
}

export function keepLinks(swarm: PeerSwarm, options: LinkOptions): void {
  const known = new Map<string, Known>();
  let dials = 0;
  let asking = false;
  let nextAsk = 0;
  let askInterval = limits.MIN_ASK_INTERVAL;

  /** A host we are connected to right now. */
  const liveHost = () => {
    for (const relay of options.relays) {
      const id = peerIdOf(relay);
      const connection = swarm.connections('host').find((c) => c.remotePeer.toString() === id);
      if (connection !== undefined) return { relay, connection };
    }
    return null;
  };

  const ask = async (now: number): Promise<void> => {
    const host = liveHost();
    if (asking || host === null || now < nextAsk) return;
    asking = true;
    const peers = await askRendezvous(host.connection);
    asking = false;
    const linked = swarm.peers('direct');
    let news = false;
    for (const peer of peers ?? []) {
      if (peer === swarm.peerId) continue;
      const entry = known.get(peer);
      if (entry !== undefined) entry.lastSeen = Date.now();
      else {
        const at = Date.now();
        known.set(peer, { since: at, lastSeen: at, nextDial: at, fails: 0, dialling: false });
        news = true;
      }
      if (!linked.has(peer)) news = true;
    }
    // Fast while there is somebody to link to, slow when the swarm is known.
    askInterval = news ? limits.MIN_ASK_INTERVAL : Math.min(limits.MAX_ASK_INTERVAL, askInterval * 1.5);
    nextAsk = Date.now() + askInterval * (0.7 + 0.6 * Math.random());
  };

  const dial = async (peer: string, entry: Known, relay: string): Promise<void> => {
    entry.dialling = true;
    dials++;
    try {
      await swarm.node.dial(multiaddr(`${relay}/p2p-circuit/webrtc/p2p/${peer}`), {
        signal: AbortSignal.timeout(limits.DIAL_TIMEOUT),
      });
    } catch {
      // A peer that cannot be reached is normal: it may have left, be full, or sit behind a bad network.
    }
    entry.dialling = false;
    dials--;
    if (swarm.peers('direct').has(peer)) {
      entry.fails = 0;
      return;
    }
    entry.fails++;
    const wait = Math.min(limits.MAX_DIAL_BACKOFF, limits.MIN_DIAL_BACKOFF * 2 ** entry.fails);
    entry.nextDial = Date.now() + wait * (0.7 + 0.6 * Math.random());
  };

  swarm.connect = async (peer) => {
    const host = liveHost();
    const linked = swarm.peers('direct');
    if (linked.has(peer)) return true;
    if (!isPeerId(peer) || host === null) return false;
    if (options.target === 0 || linked.size + dials >= options.target + limits.SPARE_LINKS) return false;
    const now = Date.now();
    let entry = known.get(peer);
    if (entry === undefined) {
      entry = { since: now, lastSeen: now, nextDial: now, fails: 0, dialling: false };
      known.set(peer, entry);
    }
    if (!entry.dialling && now < entry.nextDial) return false;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(finish, limits.ON_DEMAND_TIMEOUT);
      const opened = (): void => {
        if (swarm.peers('direct').has(peer)) finish();
      };
      function finish(): void {
        clearTimeout(timer);
        swarm.node.removeEventListener('connection:open', opened);
        resolve();
      }
      swarm.node.addEventListener('connection:open', opened);
      if (entry.dialling) return; // somebody else's dial is on its way: its outcome will do
      void dial(peer, entry, host.relay).then(finish);
    });
    return swarm.peers('direct').has(peer);
  };

  const tick = (): void => {
    if (swarm.stopped) return;
    const now = Date.now();
    const linked = swarm.peers('direct');
    for (const [peer, entry] of known) {
      if (linked.has(peer)) entry.lastSeen = now;
      else if (!entry.dialling && now - entry.lastSeen > limits.KNOWN_PEER_TTL) known.delete(peer);
    }
    if (linked.size >= options.target) return;
    void ask(now);
    const host = liveHost();
    if (host === null) return;
    for (const [peer, entry] of known) {
      if (linked.size + dials >= options.target || dials >= limits.MAX_PARALLEL_DIALS) break;
      if (linked.has(peer) || entry.dialling || now < entry.nextDial) continue;
      if (swarm.peerId > peer && now - entry.since < limits.DIAL_COURTESY) continue;
      void dial(peer, entry, host.relay);
    }
  };

  // A peer that just left is not dialled at once: its page may be closing, and the host may still name it.
  swarm.node.addEventListener('peer:disconnect', ({ detail }) => {
    const entry = known.get(detail.toString());
    if (entry !== undefined) entry.nextDial = Date.now() + 2 * limits.MIN_DIAL_BACKOFF;
    nextAsk = 0;
    askInterval = limits.MIN_ASK_INTERVAL;
  });
  const timer = setInterval(tick, limits.LINK_TICK);
  swarm.onStop(() => clearInterval(timer));
  swarm.node.addEventListener('peer:identify', () => tick());
}
