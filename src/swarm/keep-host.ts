/**
 * Holds a tab's WebSocket to its hosts. libp2p does not come back to a lost relay by itself, so this dials again with
 * a growing, jittered wait and keeps `hostState` true to what happens.
 */
import { multiaddr } from '@multiformats/multiaddr';
import { peerIdOf } from './addresses.ts';
import { DIAL_TIMEOUT, MAX_HOST_BACKOFF, MIN_HOST_BACKOFF } from './limits.ts';
import type { PeerSwarm } from './peer-swarm.ts';

/** ±30 %. */
const jitter = (ms: number): number => ms * (0.7 + 0.6 * Math.random());

export function keepHost(swarm: PeerSwarm, relays: readonly string[]): void {
  for (const relay of relays) keepOne(swarm, relay);
}

function keepOne(swarm: PeerSwarm, relay: string): void {
  const address = multiaddr(relay);
  const host = peerIdOf(relay);
  let wait = MIN_HOST_BACKOFF;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dialling = false;

  const connected = (): boolean => swarm.peers('host').has(host);
  const schedule = (ms: number): void => {
    clearTimeout(timer);
    if (!swarm.stopped) timer = setTimeout(() => void dial(), jitter(ms));
  };
  const failed = (): void => {
    if (connected()) return;
    if (swarm.peers('host').size === 0) swarm.setHostState('unreachable');
    schedule(wait);
    wait = Math.min(MAX_HOST_BACKOFF, wait * 1.7);
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
  let answered = false;
  swarm.node.addEventListener('peer:identify', ({ detail }) => {
    if (detail.peerId.toString() !== host || !connected()) return;
    answered = true;
    wait = MIN_HOST_BACKOFF;
    swarm.setHostState('connected');
  });
  swarm.node.addEventListener('connection:close', ({ detail }) => {
    if (detail.remotePeer.toString() !== host || connected()) return;
    if (answered) {
      answered = false;
      if (swarm.peers('host').size === 0) swarm.setHostState('connecting');
      schedule(wait);
    } else failed();
  });
  // A redial that was cut short (a page restored from the cache, a missed event) is caught by the clock.
  const watchdog = setInterval(() => void dial(), MAX_HOST_BACKOFF);
  swarm.onStop(() => {
    clearTimeout(timer);
    clearInterval(watchdog);
  });
  void dial();
}
