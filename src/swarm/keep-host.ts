/**
 * Holds a tab's WebSocket to its hosts. libp2p does not come back to a lost relay by itself, so this dials again with
 * a growing, jittered wait and keeps `hostState` true to what happens.
 */
import { multiaddr } from '@multiformats/multiaddr';
import { peerIdOf } from './addresses.ts';
import { DIAL_TIMEOUT, MAX_HOST_BACKOFF, MIN_HOST_BACKOFF, STEADY_HOST } from './limits.ts';
import type { PeerSwarm } from './peer-swarm.ts';

/** Anything from a third of it on: a swarm that lost its host at one moment comes back over all of that time. */
const jitter = (ms: number): number => ms * (1 / 3 + (2 / 3) * Math.random());

export function keepHost(swarm: PeerSwarm, relays: readonly string[]): void {
  for (const relay of relays) keepOne(swarm, relay);
}

function keepOne(swarm: PeerSwarm, relay: string): void {
  const address = multiaddr(relay);
  const host = peerIdOf(relay);
  let wait = MIN_HOST_BACKOFF;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dialling = false;
  let answered = false;
  /** When the host last answered on this connection, and until when not to dial. */
  let answeredAt = Number.NEGATIVE_INFINITY;
  let nextDial = 0;

  const connected = (): boolean => swarm.peers('host').has(host);
  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (swarm.stopped) return;
    const delay = jitter(ms);
    nextDial = performance.now() + delay;
    timer = setTimeout(() => void dial(), delay);
  };
  /** Waits longer each time, until a connection has stood for a while: a host that falls over under its tabs' return gets air. */
  const redial = (): void => {
    if (performance.now() - answeredAt >= STEADY_HOST && answered) wait = MIN_HOST_BACKOFF;
    schedule(wait);
    wait = Math.min(MAX_HOST_BACKOFF, wait * 1.7);
  };
  const failed = (): void => {
    if (connected()) return;
    swarm.failedDials++;
    if (swarm.peers('host').size === 0) swarm.setHostState('unreachable');
    redial();
  };
  const dial = async (): Promise<void> => {
    if (dialling || swarm.stopped || connected()) return;
    dialling = true;
    try {
      await swarm.node.dial(address, { signal: AbortSignal.timeout(DIAL_TIMEOUT) });
    } catch {
      failed();
    } finally {
      dialling = false;
    }
  };

  // A host that refuses us (a ban, no room) lets the connection come up and drops it: only one that answers identify
  // counts as reached.
  swarm.node.addEventListener('peer:identify', ({ detail }) => {
    if (detail.peerId.toString() !== host || !connected()) return;
    answered = true;
    answeredAt = performance.now();
    swarm.setHostState('connected');
  });
  swarm.node.addEventListener('connection:close', ({ detail }) => {
    if (detail.remotePeer.toString() !== host || connected()) return;
    if (answered) {
      if (swarm.peers('host').size === 0) swarm.setHostState('connecting');
      redial();
      answered = false;
    } else failed();
  });
  // A redial that was cut short (a page restored from the cache, a missed event) is caught by the clock.
  const watchdog = setInterval(() => {
    if (performance.now() >= nextDial) void dial();
  }, MAX_HOST_BACKOFF);
  swarm.onStop(() => {
    clearTimeout(timer);
    clearInterval(watchdog);
  });
  void dial();
}
