/** Fixtures for this folder's tests: libp2p nodes on loopback WebSockets, and reproducible bytes. Not shipped. */
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2p } from 'libp2p';
import { sha256 } from '../protocol/bytes.ts';

/** A bare node that listens on a random loopback port. */
export function createTestNode(): Promise<Libp2p> {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/ws'] },
    transports: [webSockets()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: { inboundConnectionThreshold: 100 },
    services: { identify: identify() },
  });
}

/** `size` bytes that depend on `seed`, with their hash. */
export async function testBlob(size: number, seed = 1): Promise<{ hash: Uint8Array; bytes: Uint8Array }> {
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed * 101) & 255;
  return { hash: await sha256(bytes), bytes };
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
