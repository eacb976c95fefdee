/** The two kinds of peers of a run: honest contributors, and identities that follow a behaviour. */
import {
  type Act,
  announce,
  type AuditAnswer,
  joining,
  type Peer,
  type RoundResult,
  type RoundView,
} from '../src/gauntlet/simulation.ts';
import { carriesOn } from '../src/gauntlet/carries.ts';
import { bytesEqual, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import type { Identity } from '../src/protocol/identity.ts';
import type { RefusalReason } from '../src/protocol/messages.ts';
import { randomSource } from '../src/sparseloco/testing.ts';
import { addScaled, CODES, type SparseUpdate } from '../src/sparseloco/update.ts';
import type { AttackRound, Attacker, OthersWork, SubmitOptions, TrainOptions } from './behaviour.ts';
import { type History, newHistory, outcomesOf, type Trained } from './history.ts';
import type { Workshop } from './lab.ts';

/** Inner steps of honest devices, as shares of the most that count: two strong ones, two laptops, a phone. */
export const DEVICES = [1, 1, 0.75, 0.5, 0.25];
/** Before the commit deadline, ms of swarm time: honest peers first, so that a copy can only come later. */
const HONEST_COMMITS = 3000;
const ATTACKERS_COMMIT = 500;
const REVEAL_AFTER = 100;

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
class Worker {
  readonly identity: Identity;
  readonly #lab: Workshop;
  #carry: History;
  #last: (Trained & { readonly round: number }) | null = null;
  /** Goes on from what it made up, if the validators let it. */
  #insists = false;
  /** Of the round before, for an audit. */
  #answer: (Trained & { readonly round: number }) | null = null;

  constructor(lab: Workshop, identity: Identity) {
    this.#lab = lab;
    this.identity = identity;
    this.#carry = newHistory(lab.layout.elements);
  }

  async train({ round, head }: RoundView, steps: number, data?: TrainOptions['data']): Promise<Trained> {
    const contributor = this.identity.publicKey;
    const job = { contributor, round, head, carry: this.#carry, steps };
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
      const zero = newHistory(lab.layout.elements);
      return this.#last?.carry ?? (await outcomesOf(lab.layout, zero, zero, noUpdate(lab))).carry;
    }
    const last = this.#last?.round === round ? this.#last : null;
    const before = last === null ? newHistory(lab.layout.elements) : last.before;
    let after = before;
    if (last !== null) {
      const error = last.refused.error.slice();
      addScaled(error, sent, lab.layout, -1);
      if (feedback !== undefined) addScaled(error, feedback, lab.layout, 1);
      after = { ...last.accepted, error };
    }
    const id = `${before.id} ${toHex(sha256Sync(bytes))}${feedback === undefined ? '' : ' bent'}`;
    const outcomes = await outcomesOf(lab.layout, before, { ...after, id }, sent);
    this.#last = { tokens: 0, innerSteps: 0, bytes, ...outcomes, round };
    return outcomes.carry;
  }

  answer(round: number): AuditAnswer | null {
    if (this.#answer?.round !== round) return null;
    const { before, accepted } = this.#answer;
    return { before: before.id === 'new' ? null : before, after: accepted };
  }

  settle(result: RoundResult): void {
    if (this.#last === null) return;
    const outcome = outcomeOf(result, this.identity.publicKey);
    if (outcome === 'accepted') this.#carry = this.#last.accepted;
    else if (outcome !== 'carry' && (this.#insists || (outcome !== null && carriesOn(outcome))))
      this.#carry = this.#last.refused;
    // As a tab does when the validators have lost the thread of what it carries, or have thrown it out.
    else this.#carry = newHistory(this.#lab.layout.elements);
    this.#answer = this.#last;
    this.#last = null;
  }
}

/** A contributor that follows the protocol on a device of some speed. */
export class HonestPeer implements Peer {
  readonly identity: Identity;
  readonly #worker: Worker;
  readonly #steps: number;
  readonly #index: number;
  #work: { round: number; work: Promise<Trained> } | null = null;

  constructor(lab: Workshop, identity: Identity, index: number) {
    this.identity = identity;
    this.#worker = new Worker(lab, identity);
    this.#index = index;
    const share = DEVICES[index % DEVICES.length];
    this.#steps = Math.max(1, Math.round(share * lab.manifest.training.maxInnerSteps));
  }

  /** This round's work; done once, whoever asks first. */
  async work(view: RoundView): Promise<OthersWork> {
    if (this.#work?.round !== view.round) {
      this.#work = { round: view.round, work: this.#worker.train(view, this.#steps) };
    }
    return { contributor: this.identity.publicKey, ...(await this.#work.work) };
  }

  async act(view: RoundView): Promise<Act> {
    if (!view.isMember(this.identity.publicKey)) return joining(this.identity, view);
    const work = await this.work(view);
    const { commit, reveal } = await announce(this.identity, view, work);
    return {
      say: [
        { at: view.commitUntil - HONEST_COMMITS + this.#index, bytes: commit },
        { at: view.commitUntil + REVEAL_AFTER, bytes: reveal },
      ],
      serve: [work.bytes],
    };
  }

  settle(result: RoundResult): void {
    this.#worker.settle(result);
  }

  async answer(round: number): Promise<AuditAnswer | null> {
    return this.#worker.answer(round);
  }
}

export interface DishonestOptions {
  readonly lab: Workshop;
  readonly identity: Identity;
  /** Name of the behaviour. */
  readonly name: string;
  readonly attacker: Attacker;
  readonly honest: readonly HonestPeer[];
  /** What the last certificate applied. */
  readonly certified: () => readonly OthersWork[];
}

/** One identity of an attack. */
export class DishonestPeer implements Peer {
  readonly identity: Identity;
  readonly #worker: Worker;
  readonly #o: DishonestOptions;

  constructor(options: DishonestOptions) {
    this.identity = options.identity;
    this.#o = options;
    this.#worker = new Worker(options.lab, options.identity);
  }

  act(view: RoundView): Promise<Act> {
    // An attacker that is thrown out joins again, like any tab.
    if (!view.isMember(this.identity.publicKey)) return joining(this.identity, view);
    return this.#o.attacker.act(this.#roundOf(view));
  }

  async answer(round: number): Promise<AuditAnswer | null> {
    return this.#worker.answer(round);
  }

  settle(result: RoundResult): void {
    this.#worker.settle(result);
    this.#o.attacker.settle?.(result);
  }

  #roundOf(view: RoundView): AttackRound {
    const { lab, name, honest, certified } = this.#o;
    const { publicKey } = this.identity;
    const { round } = view;
    const steps = lab.manifest.training.maxInnerSteps;
    const seed = new DataView(sha256Sync(publicKey).buffer).getUint32(0);
    return {
      ...view,
      layout: lab.layout,
      shards: lab.shards,
      random: randomSource(seed + round),
      honest: () => Promise.all(honest.map((peer) => peer.work(view))),
      certified: certified(),
      // Other behaviours may have data of the same name.
      train: ({ steps: some = steps, data } = {}) =>
        this.#worker.train(view, some, data && { ...data, name: `${name}: ${data.name}` }),
      assigned: (contributor = publicKey) => lab.assigned(contributor, round),
      decode: (bytes) => lab.decode(bytes),
      encode: (update) => lab.encode(update, publicKey, round),
      submit: (work, options = {}) => this.#submit(view, work, options),
    };
  }

  async #submit(
    view: RoundView,
    work: Parameters<AttackRound['submit']>[0],
    options: SubmitOptions,
  ): Promise<Act> {
    const { baseRoot = view.head.root } = options;
    const seen = { ...view, head: { ...view.head, root: baseRoot } };
    const carry = await this.#worker.carryFor(work.bytes, view.round, options.feedback);
    const { tokens, innerSteps, bytes } = work;
    const claimed = { tokens, innerSteps, bytes, ...(carry === undefined ? {} : { carry }) };
    const { commit, reveal } = await announce(this.identity, seen, claimed);
    return {
      say: [
        { at: options.commitAt ?? view.commitUntil - ATTACKERS_COMMIT, bytes: commit },
        { at: options.revealAt ?? view.commitUntil + REVEAL_AFTER, bytes: reveal },
      ],
      serve: [work.bytes],
    };
  }
}
