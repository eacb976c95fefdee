/** The page of swarm.spec.ts: a tab's swarm node without the rest of the app, driven through `window.tab`. */
import { toHex } from '../../src/protocol/bytes.ts';
import { hostMultiaddr } from '../../src/swarm/addresses.ts';
import { createTabSwarm } from '../../src/swarm/tab-node.ts';
import { BlobUnavailableError, type Swarm } from '../../src/swarm/types.ts';
import { blobOf } from './blob.ts';

export interface Tab {
  swarm: Swarm;
  /** Hex of the messages received, with the author. */
  received: { message: string; from: string }[];
  hostStates: string[];
  fetch(seed: number, size: number, prefer: string[], allowHost: boolean): Promise<string>;
  serve(seed: number, size: number): Promise<void>;
}

declare global {
  interface Window {
    tab: Tab;
    unhandled: string[];
  }
}

window.unhandled = [];
window.addEventListener('unhandledrejection', (event) => window.unhandled.push(String(event.reason)));

const query = new URLSearchParams(location.search);
const swarm = await createTabSwarm({
  relays: [hostMultiaddr(location.href, query.get('host') ?? '')],
  topic: 'e2e',
});
const received: Tab['received'] = [];
swarm.onMessage((message, from) => {
  if (message[0] === 0xff) return 'reject';
  received.push({ message: toHex(message), from });
  return 'accept';
});
const hostStates: string[] = [swarm.hostState];
swarm.on('change', () => {
  if (hostStates.at(-1) !== swarm.hostState) hostStates.push(swarm.hostState);
});

window.tab = {
  swarm,
  received,
  hostStates,
  async serve(seed, size) {
    const { hash, bytes } = await blobOf(seed, size);
    swarm.serve(hash, bytes);
  },
  async fetch(seed, size, prefer, allowHost) {
    const { hash } = await blobOf(seed, size);
    try {
      const bytes = await swarm.fetch(hash, { size, prefer, allowHost });
      return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
    } catch (error) {
      if (error instanceof BlobUnavailableError) return `unavailable: ${error.message}`;
      throw error;
    }
  },
};
