/** What a dishonest identity trains and carries: real work, and the tracks of work that it only claims. */
import { afterRefusal } from '../src/gauntlet/carries.ts';
import { bytesEqual, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import type { Identity } from '../src/protocol/identity.ts';
import type { RefusalReason } from '../src/protocol/messages.ts';
import { addScaled, CODES, type SparseUpdate } from '../src/sparseloco/update.ts';
import type { Carry } from '../src/training/carry.ts';
import type { CarrySnapshot } from '../src/work/pretrain/carry-keeper.ts';
import type { TrainOptions } from './behaviour.ts';
import { type History, newHistory, outcomesOf, shownOf, type Trained } from './history.ts';
import type { Workshop } from './lab.ts';
import type { RoundResult, RoundView } from './view.ts';

type Outcome = RefusalReason | 'accepted' | null;

/** 'accepted', the reason of refusal, or null when nothing was heard of it. */
function outcomeOf({ verdict }: RoundResult, key: Uint8Array): Outcome {
  const own = ({ contributor }: { contributor: Uint8Array }) => bytesEqual(contributor, key);
  return verdict.accepted.some(own) ? 'accepted' : (verdict.refused.find(own)?.reason ?? null);
}

/** An update that changes nothing. */
const noUpdate = ({ layout }: Workshop): SparseUpdate => ({
  starts: new Uint32Array(layout.chunks + 1),
  entries: new Uint16Array(0),
  tables: new Int16Array(layout.chunks * CODES),
});

/** Null when the bytes are no submission. */
function decoded(lab: Workshop, bytes: Uint8Array): SparseUpdate | null {
  try {
    return lab.decode(bytes);
  } catch {
    return null;
  }
}

/** Trains round after round and keeps what it carries: the part of a peer that does real work. */
export class Worker {
  readonly identity: Identity;
  readonly #lab: Workshop;
  /** Null: a newcomer's. */
  #carry: History | null = null;
  #last: (Trained & { readonly round: number }) | null = null;
  /** Goes on from what it made up, if the validators let it. */
  #insists = false;
  /** Of the round before, for an audit. */
  #answer: (Trained & { readonly round: number }) | null = null;

  constructor(lab: Workshop, identity: Identity) {
    this.#lab = lab;
    this.identity = identity;
  }

  async train({ round, head }: RoundView, steps: number, data?: TrainOptions['data']): Promise<Trained> {
    const contributor = this.identity.publicKey;
    const carry = this.#carry ?? (await newHistory(this.#lab.layout.elements));
    const job = { contributor, round, root: head.root, height: head.height, carry, steps };
    const trained = await this.#lab.train(data === undefined ? job : { ...job, data });
    this.#last = { ...trained, round };
    return trained;
  }

  /**
   * The commitment that goes with bytes: that of the training when they came of it. A liar covers its tracks: what it
   * claims to carry on is such that error feedback explains the bytes, or, without any training, is nothing.
   */
  async carryFor(
    bytes: Uint8Array,
    round: number,
    feedback?: SparseUpdate,
  ): Promise<Trained['carry'] | undefined> {
    this.#insists = feedback !== undefined;
    if (this.#last?.bytes === bytes && feedback === undefined) return this.#last.carry;
    const lab = this.#lab;
    const sent = decoded(lab, bytes);
    if (sent === null) {
      // Bytes that are no submission need no explanation.
      const zero = await newHistory(lab.layout.elements);
      return this.#last?.carry ?? (await outcomesOf(lab.layout, zero, zero, noUpdate(lab))).carry;
    }
    const last = this.#last?.round === round ? this.#last : null;
    const before = last === null ? await newHistory(lab.layout.elements) : last.before;
    let after: Carry & { readonly id: string } = before;
    if (last !== null) {
      const error = last.refused.error.slice();
      addScaled(error, sent, lab.layout, -1);
      if (feedback !== undefined) addScaled(error, feedback, lab.layout, 1);
      after = { ...last.accepted, error };
    }
    const id = `${before.id} ${toHex(sha256Sync(bytes))}${feedback === undefined ? '' : ' bent'}`;
    const outcomes = await outcomesOf(lab.layout, before, { ...after, id }, sent);
    this.#last = { tokens: 0, innerSteps: 0, bytes: new Uint8Array(bytes), ...outcomes, round };
    return outcomes.carry;
  }

  /** What it shows when it is audited for a round; null: nothing. */
  answer(round: number): CarrySnapshot | null {
    const known = [this.#last, this.#answer].find((one) => one?.round === round);
    return known == null ? null : shownOf(known);
  }

  settle(result: RoundResult): void {
    if (this.#last === null) return;
    const outcome = outcomeOf(result, this.identity.publicKey);
    if (outcome === 'accepted') this.#carry = this.#last.accepted;
    else {
      const after = outcome === null ? 'reset' : afterRefusal(outcome);
      if (outcome !== 'carry' && (this.#insists || after === 'refused')) this.#carry = this.#last.refused;
      else if (after === 'undone') this.#carry = this.#last.before;
      // As a tab does when the validators have lost the thread of what it carries, or have thrown it out.
      else this.#carry = null;
    }
    this.#answer = this.#last;
    this.#last = null;
  }
}
