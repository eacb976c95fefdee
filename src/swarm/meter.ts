/**
 * Byte counters by peer, path and purpose. Blobs count what their protocol sends and receives; gossip and signalling
 * count the bytes of their streams, so forwarded messages and control traffic are in.
 */
import type { RateLimit } from './rate-limit.ts';
import type { Direction, LinkPath, Traffic } from './types.ts';

export type Purpose = 'blob' | 'gossip';

const zero = (): Record<LinkPath, number> => ({ direct: 0, relayed: 0, host: 0 });

export class Meter {
  readonly #totals: Record<Purpose, Record<Direction, Record<LinkPath, number>>> = {
    blob: { in: zero(), out: zero() },
    gossip: { in: zero(), out: zero() },
  };
  readonly #peers = new Map<string, Record<Purpose, Record<Direction, number>>>();
  readonly #limit: RateLimit | undefined;

  /** `limit` is told of gossip, which never waits for it; blobs ask it before they flow. */
  constructor(limit?: RateLimit) {
    this.#limit = limit;
  }

  count(peer: string, path: LinkPath, purpose: Purpose, direction: Direction, bytes: number): void {
    this.#totals[purpose][direction][path] += bytes;
    if (purpose === 'gossip') this.#limit?.spendOnGossip(direction, bytes);
    let entry = this.#peers.get(peer);
    if (entry === undefined) {
      entry = { blob: { in: 0, out: 0 }, gossip: { in: 0, out: 0 } };
      this.#peers.set(peer, entry);
    }
    entry[purpose][direction] += bytes;
  }

  /** Bytes exchanged with one connected peer, for one purpose or for all. */
  peer(peer: string, purpose?: Purpose): Readonly<Record<Direction, number>> {
    const entry = this.#peers.get(peer);
    if (entry === undefined) return { in: 0, out: 0 };
    if (purpose !== undefined) return entry[purpose];
    return { in: entry.blob.in + entry.gossip.in, out: entry.blob.out + entry.gossip.out };
  }

  /** Drops the entry of a peer that is gone; totals stay. */
  forget(peer: string): void {
    this.#peers.delete(peer);
  }

  /** Totals of one purpose, or of all. */
  traffic(purpose?: Purpose): Traffic {
    const sum = (direction: Direction): Record<LinkPath, number> => {
      const out = zero();
      for (const p of purpose === undefined ? (['blob', 'gossip'] as const) : [purpose])
        for (const path of ['direct', 'relayed', 'host'] as const)
          out[path] += this.#totals[p][direction][path];
      return out;
    };
    return { bytesIn: sum('in'), bytesOut: sum('out') };
  }
}
