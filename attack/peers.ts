/** The two kinds of peers of a run: honest contributors, and identities that follow a behaviour. */
import {
  announce,
  type Act,
  type Peer,
  type RoundResult,
  type RoundView,
} from '../src/gauntlet/simulation.ts';
import { bytesEqual, sha256Sync } from '../src/protocol/bytes.ts';
import type { Identity } from '../src/protocol/identity.ts';
import { randomSource } from '../src/sparseloco/testing.ts';
import type { AttackRound, Attacker, OthersWork, SubmitOptions, TrainOptions } from './behaviour.ts';
import type { Carry, Lab, Trained } from './lab.ts';

/** Inner steps of honest devices, as shares of the most that count: two strong ones, two laptops, a phone. */
const DEVICES = [1, 1, 0.75, 0.5, 0.25];
/** Before the commit deadline, ms of swarm time: honest peers first, so that a copy can only come later. */
const HONEST_COMMITS = 3000;
const ATTACKERS_COMMIT = 500;
const REVEAL_AFTER = 100;

/** Whether the last round's work was applied. */
const wasAccepted = ({ verdict }: RoundResult, key: Uint8Array): boolean =>
  verdict.accepted.some(({ contributor }) => bytesEqual(contributor, key));

/** Trains round after round and keeps what it carries: the part of a peer that does real work. */
class Worker {
  readonly identity: Identity;
  readonly #lab: Lab;
  #carry: Carry;
  #last: Trained | null = null;

  constructor(lab: Lab, identity: Identity) {
    this.#lab = lab;
    this.identity = identity;
    this.#carry = lab.newCarry();
  }

  async train({ round, head }: RoundView, steps: number, data?: TrainOptions['data']): Promise<Trained> {
    const contributor = this.identity.publicKey;
    const job = { contributor, round, head, carry: this.#carry, steps };
    this.#last = await this.#lab.train(data === undefined ? job : { ...job, data });
    return this.#last;
  }

  settle(result: RoundResult): void {
    if (this.#last === null) return;
    const accepted = wasAccepted(result, this.identity.publicKey);
    this.#carry = accepted ? this.#last.accepted : this.#last.refused;
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

  constructor(lab: Lab, identity: Identity, index: number) {
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
}

export interface DishonestOptions {
  readonly lab: Lab;
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
    return this.#o.attacker.act(this.#roundOf(view));
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
    const { commit, reveal } = await announce(this.identity, seen, work);
    return {
      say: [
        { at: options.commitAt ?? view.commitUntil - ATTACKERS_COMMIT, bytes: commit },
        { at: options.revealAt ?? view.commitUntil + REVEAL_AFTER, bytes: reveal },
      ],
      serve: [work.bytes],
    };
  }
}
