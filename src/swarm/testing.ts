/** Fixtures for this folder's tests: libp2p nodes on loopback WebSockets, and reproducible bytes. Not shipped. */
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2p } from 'libp2p';
import { sha256 } from '../protocol/bytes.ts';
import type { Patience } from './blobs.ts';
import { DIAL_TIMEOUT } from './limits.ts';

/** A bare node that listens on a random loopback port. */
export function createTestNode(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    // As tabs and host have it: libp2p's own limits of 6 to 10 s fail on a busy machine.
    connectionManager: {
      inboundConnectionThreshold: 100,
      dialTimeout: DIAL_TIMEOUT,
      addressDialTimeout: DIAL_TIMEOUT,
      inboundUpgradeTimeout: DIAL_TIMEOUT,
      outboundStreamProtocolNegotiationTimeout: DIAL_TIMEOUT,
      inboundStreamProtocolNegotiationTimeout: DIAL_TIMEOUT,
    },
    connectionMonitor: { enabled: false },
    services: { identify: identify({ timeout: DIAL_TIMEOUT }) },
  });
}

/** A key that nobody knows, with nothing but what a connection takes. */
export function createStrangerNode(timeouts: { dialTimeout?: number; addressDialTimeout?: number } = {}) {
  return createLibp2p({
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionMonitor: { enabled: false },
    connectionManager: { reconnectRetries: 0, ...timeouts },
  });
}

/** `size` bytes that depend on `seed`, with their hash. */
export async function testBlob(size: number, seed = 1): Promise<{ hash: Uint8Array; bytes: Uint8Array }> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed * 101) & 255;
  return { hash: await sha256(bytes), bytes };
}

/**
 * Patience that real time never ends: it runs out when the test says so. A source that is only slow, because the machine
 * is, is then never taken for one that stalls, and no competitor is asked.
 */
export class EndlessPatience implements Patience {
  /** As long as a timer can be; 25 days. */
  readonly hedgeDelay = 2 ** 31 - 1;
  readonly #waits = new Map<AbortController, string>();
  #over: string | null = null;

  timeout(_ms: number, what: 'first piece' | 'piece'): AbortSignal {
    const wait = new AbortController();
    this.#waits.set(wait, what);
    if (what === this.#over) this.runOut(what);
    return wait.signal;
  }

  /** Ends every wait for `what`, and each that begins until {@link last} says otherwise. */
  runOut(what: 'first piece' | 'piece'): void {
    this.#over = what;
    for (const [wait, of] of this.#waits) {
      if (of !== what) continue;
      this.#waits.delete(wait);
      wait.abort(new DOMException('the test ran out of patience', 'TimeoutError'));
    }
  }

  /** Waits that begin from now on last again. */
  last(): void {
    this.#over = null;
  }
}

/** Resolves when `condition` holds, looking at it again each time `subscribe`'s callback fires. */
export function until(condition: () => boolean, subscribe: (again: () => void) => () => void): Promise<void> {
  return new Promise((resolve) => {
    let unsubscribe: (() => void) | undefined;
    const look = (): void => {
      if (!condition()) return;
      unsubscribe?.();
      resolve();
    };
    unsubscribe = subscribe(look);
    look();
  });
}
