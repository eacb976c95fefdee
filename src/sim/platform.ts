/** A machine of a simulation, as the shipped participant sees it: a clock, a cache, an identity, a place in the swarm. */
import type { BlobCache } from '../peer/blobs.ts';
import type { Platform } from '../peer/platform.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Clock, MachineClock } from '../protocol/timer.ts';
import type { SimHost } from './host.ts';
import type { MemoryNetwork, MemoryPeerOptions } from './memory-network.ts';

export interface SimPlatformOptions {
  readonly network: MemoryNetwork;
  readonly host: SimHost;
  /** Peer id: its place in the network. */
  readonly name: string;
  readonly identity: Identity;
  /** How far this machine's clock is ahead of the swarm's, ms. Default 0. */
  readonly skewMs?: number;
  /** This machine's clock; default: one that nobody sets, `skewMs` ahead. */
  readonly clock?: MachineClock;
  readonly peer?: MemoryPeerOptions;
  /** Default: one of its own. */
  readonly cache?: BlobCache;
}

export function simPlatform(options: SimPlatformOptions): Platform {
  const { network, host, name, identity, skewMs = 0, peer = {}, cache = memoryCache() } = options;
  return {
    clock: options.clock ?? skewed(network.clock, skewMs),
    cache,
    claimIdentity: async () => ({ identity, notKept: null, release: () => {} }),
    joinSwarm: async () =>
      Object.assign(network.join(name, peer), {
        handOver: (bundle: Uint8Array, signal: AbortSignal) => host.handOver(bundle, signal),
      }),
  };
}

/** A clock that is ahead of another by so many ms. */
export const skewed = (clock: Clock, aheadMs: number): Clock => ({
  now: () => clock.now() + aheadMs,
  at: (time, callback) => clock.at(time - aheadMs, callback),
});

/** Keeps everything. */
export function memoryCache(): BlobCache {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    get: async (hash) => kept.get(hash)?.slice() ?? null,
    put: async (hash, bytes) => {
      kept.set(hash, bytes.slice());
    },
    delete: async (hash) => {
      kept.delete(hash);
    },
  };
}
