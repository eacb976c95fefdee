/**
 * The same message, again: said twice so that a lost packet does no harm, or sent by somebody else to wear the swarm out.
 * Anybody can send a member's signed message again, so each is heard and passed on at most once in a while.
 */
import { toHex } from '../protocol/bytes.ts';

/** Half of the time after which a contributor repeats itself (peer/contributor.ts). */
export const REPEAT_SPACING_MS = 600;

export class Repeats {
  readonly #now: () => number;
  /** By signature, in the order in which they were heard. */
  readonly #heardAt = new Map<string, number>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a message whose signature was verified is not the repetition of one heard a moment ago. */
  isFresh(signature: Uint8Array): boolean {
    const now = this.#now();
    for (const [key, at] of this.#heardAt) {
      // A clock that was set back makes nothing wait for the time that it had.
      if (at <= now && now - at < REPEAT_SPACING_MS) break;
      this.#heardAt.delete(key);
    }
    const key = toHex(signature);
    if (this.#heardAt.has(key)) return false;
    this.#heardAt.set(key, now);
    return true;
  }

  /** How many are remembered: what was heard within the spacing. */
  get size(): number {
    return this.#heardAt.size;
  }
}
