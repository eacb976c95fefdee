/**
 * A contributor's carry on the CPU: what it started the round from, what it has after it, and the roots it commits to.
 *
 * Kept only in a run with audits. Costs 12 bytes a parameter read back from the GPU and hashed each round, and 28 bytes
 * a parameter of memory: an audit of the last finished round may ask for what was before and after it.
 */
import type { ParameterLayout } from '../../model/layout.ts';
import {
  type Carry,
  carryDigests,
  type CarryDigests,
  carryRoot,
  type CarryRoots,
  zeroCarry,
} from '../../training/carry.ts';
import type { SparseLoco } from '../../protocol/manifest.ts';
import { addScaled } from '../../sparseloco/update.ts';
import { decodeSubmission } from '../../sparseloco/wire.ts';

/** A carry with its digests. */
export interface HashedCarry extends Carry {
  readonly digests: CarryDigests;
}

/** What an audit of a round is answered with. */
export interface CarrySnapshot {
  /** Null: zeros. */
  readonly before: HashedCarry | null;
  /** As after an accepted round. */
  readonly after: HashedCarry;
}

interface Finished extends CarrySnapshot {
  readonly round: number;
  readonly refused: HashedCarry;
}

export class CarryKeeper {
  readonly #layout: ParameterLayout;
  readonly #settings: SparseLoco;
  /** What the next round starts from; null: zeros. */
  #current: HashedCarry | null = null;
  #finished: Finished | null = null;

  constructor(layout: ParameterLayout, settings: SparseLoco) {
    this.#layout = layout;
    this.#settings = settings;
  }

  /** What the next round starts from; null: zeros. */
  get current(): Carry | null {
    return this.#current;
  }

  /**
   * Takes what a round left behind: `after` as read back with the submission's values taken out of the error feedback.
   * A refused submission is still owed: then they go back into it, added here, so that there is one answer to the bit.
   */
  async finish(round: number, after: Carry, submission: Uint8Array): Promise<CarryRoots> {
    const owed = after.error.slice();
    addScaled(owed, decodeSubmission(submission, this.#layout, this.#settings).update, this.#layout, 1);
    const before = this.#current;
    const accepted = { ...after, digests: await carryDigests(after) };
    const { digests } = accepted;
    const { error } = await carryDigests({ ...after, error: owed });
    const refused = { ...after, error: owed, digests: { ...digests, error } };
    this.#finished = { round, before, after: accepted, refused };
    this.#current = accepted;
    return {
      before: carryRoot(before?.digests ?? (await zeroCarry(this.#layout.elements))),
      accepted: carryRoot(digests),
      refused: carryRoot(refused.digests),
    };
  }

  /** Settles the last finished round; false when nothing was finished. {@link current} is then what goes on. */
  settle(outcome: 'accepted' | 'refused' | 'undone'): boolean {
    if (this.#finished === null) return false;
    const { before, after, refused } = this.#finished;
    this.#current = { accepted: after, refused, undone: before }[outcome];
    return true;
  }

  /** Starts over from zeros, as a newcomer. */
  reset(): void {
    this.#current = null;
    this.#finished = null;
  }

  /** What an audit of `round` asks for; null when that is not the last finished one. */
  snapshot(round: number): CarrySnapshot | null {
    return this.#finished?.round === round ? this.#finished : null;
  }
}
