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

  /** Whether a message was passed on a moment ago. Its signature was verified. */
  isRepeated(signature: Uint8Array): boolean {
    const now = this.#now();
    for (const [key, at] of this.#heardAt) {
      // A clock that was set back makes nothing wait for the time that it had.
      if (at <= now && now - at < REPEAT_SPACING_MS) break;
      this.#heardAt.delete(key);
    }
    return this.#heardAt.has(toHex(signature));
  }

  /** It is passed on now. What is not passed on is no reason to leave out the next one. */
  add(signature: Uint8Array): void {
    this.#heardAt.set(toHex(signature), this.#now());
  }

  /** How many are remembered: what was heard within the spacing. */
  get size(): number {
    return this.#heardAt.size;
  }
}
