/**
 * The volunteer's own limit on the line: bytes a second, each way. Bulk (blobs, downloads from the host) waits for its
 * turn; gossip is a few small messages with deadlines, so it is counted but never held up.
 */
import { pause } from './pause.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Direction } from './types.ts';

/** What may be saved up: a second's worth, so that the limit holds over any few seconds. */
const BURST_SECONDS = 1;
/**
 * Gossip that could not be held back is owed for at most so long. Without a bound, a neighbour that sends more than the
 * volunteer allows would keep every blob waiting for ever.
 */
const GOSSIP_DEBT_SECONDS = 2;

export class RateLimit {
  readonly #now: () => number;
  readonly #buckets: Record<Direction, TokenBucket | null> = { in: null, out: null };
  readonly #mostDebt: Record<Direction, number> = { in: 0, out: 0 };

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Bytes a second, or null for no limit. Takes effect with the next piece. */
  set(rates: Readonly<Record<Direction, number | null>>): void {
    for (const direction of ['in', 'out'] as const) {
      const rate = rates[direction];
      this.#mostDebt[direction] = GOSSIP_DEBT_SECONDS * (rate ?? 0);
      this.#buckets[direction] =
        rate === null ? null : new TokenBucket(rate, BURST_SECONDS * rate, this.#now);
    }
  }

  limited(direction: Direction): boolean {
    return this.#buckets[direction] !== null;
  }

  /** Counts bytes that were sent or received without waiting; a negative number returns bytes that did not flow. */
  spend(direction: Direction, bytes: number): void {
    this.#buckets[direction]?.owe(bytes);
  }

  /** Counts gossip: nobody can hold it up, so it makes bulk wait, and never for long. */
  spendOnGossip(direction: Direction, bytes: number): void {
    this.#buckets[direction]?.oweUpTo(this.#mostDebt[direction], bytes);
  }

  /** Milliseconds that {@link take} would wait now. */
  delay(direction: Direction, bytes: number): number {
    const bucket = this.#buckets[direction];
    if (bucket === null) return 0;
    const wait = bucket.owe(bytes);
    bucket.owe(-bytes);
    return wait;
  }

  /** Waits for earlier bytes to be paid off, in order of asking. Ends early when `signal` aborts; never rejects. */
  async ready(direction: Direction, signal: AbortSignal): Promise<void> {
    await pause(this.#buckets[direction]?.owe(0) ?? 0, signal);
  }

  /**
   * Reserves `bytes` and waits for their turn: whoever asks later waits longer. Resolves to the milliseconds waited.
   * Ends early when `signal` aborts; never rejects.
   */
  async take(direction: Direction, bytes: number, signal: AbortSignal): Promise<number> {
    const bucket = this.#buckets[direction];
    if (bucket === null) return 0;
    const before = this.#now();
    await pause(bucket.owe(bytes), signal);
    return this.#now() - before;
  }
}
