/** A lab behind the two seams of what ships: a contributor's trainer, and what holds a validator's state. */
import { bytesEqual } from '../src/protocol/bytes.ts';
import { until } from '../src/protocol/timer.ts';
import type { SimState } from '../src/sim/host.ts';
import type { VirtualClock } from '../src/sim/virtual-clock.ts';
import { assignmentSeed } from '../src/training/assignment.ts';
import type { CarrySnapshot } from '../src/work/pretrain/carry-keeper.ts';
import type {
  Assignment,
  OpenReport,
  RoundOutcome,
  RoundWork,
  SubmissionTag,
  TrainerClient,
} from '../src/work/pretrain/trainer-api.ts';
import { type History, newHistory, shownOf, type Trained } from './history.ts';
import type { Workshop } from './lab.ts';

/** Before the commit deadline, ms of swarm time, honest peers have done their training: a copy can only come later. */
const DONE_BEFORE_COMMIT = 1000;

export interface LabTrainerOptions {
  readonly lab: Workshop;
  readonly clock: VirtualClock;
  readonly contributor: Uint8Array;
  /** Inner steps that the device does in a round. */
  readonly steps: number;
  /** Place among the honest peers: their commits come in this order. */
  readonly index: number;
}

/** The lab's engine as a contributor's device. All lab devices compute on one engine, outside of the swarm's time. */
export class LabTrainer implements TrainerClient {
  readonly #o: LabTrainerOptions;
  #root = new Uint8Array();
  /** Null: a newcomer's. */
  #carry: History | null = null;
  #work: { readonly round: number; readonly root: Uint8Array; readonly trained: Promise<Trained> } | null =
    null;
  /** Last finished round. */
  #last: { readonly round: number; readonly trained: Trained } | null = null;
  #stop = new AbortController();

  constructor(options: LabTrainerOptions) {
    this.#o = options;
  }

  async open(): Promise<OpenReport> {
    throw new Error('a lab has its device open already');
  }

  async load(theta: Int32Array): Promise<Uint8Array> {
    this.#root = new Uint8Array(await this.#o.lab.load(theta));
    this.#work = null;
    return this.#root;
  }

  /** This round's work from a certified state, as it is or would be handed in. */
  workFor(round: number, root: Uint8Array, height: number): Promise<Trained> {
    if (this.#work?.round === round && bytesEqual(this.#work.root, root)) return this.#work.trained;
    return this.#begin(round, root, height);
  }

  async #begin(round: number, root: Uint8Array, height: number): Promise<Trained> {
    const { lab, contributor, steps } = this.#o;
    const carry = this.#carry ?? (await newHistory(lab.run.layout.elements));
    return lab.train({ contributor, round, root, height, carry, steps });
  }

  async train({ seed, height }: Assignment, end: number): Promise<void> {
    const { lab, clock, index } = this.#o;
    const round = this.#roundOf(seed);
    this.#stop = new AbortController();
    const trained = this.#begin(round, this.#root, height);
    this.#work = { round, root: this.#root, trained };
    const due = lab.run.rounds.deadlines(round).commit - DONE_BEFORE_COMMIT + index;
    await until(clock, Math.min(end, due), this.#stop.signal);
    await clock.track(trained, `training of peer ${index}`);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
  }

  async finish({ round }: SubmissionTag): Promise<RoundWork | null> {
    if (this.#work?.round !== round) return null;
    const trained = await this.#work.trained;
    this.#work = null;
    this.#last = { round, trained };
    this.#carry = trained.accepted;
    const { bytes: submission, innerSteps, tokens, carry } = trained;
    const { audited } = this.#o.lab.run.rules;
    return { submission, innerSteps, tokens, trainLoss: 4, compressMs: 0, carry: audited ? carry : null };
  }

  async apply(submissions: readonly { bytes: Uint8Array; weight: number }[]): Promise<Uint8Array> {
    this.#root = new Uint8Array(await this.#o.lab.apply(this.#root, submissions));
    this.#work = null;
    return this.#root;
  }

  async settle(outcome: RoundOutcome): Promise<void> {
    if (outcome === 'reset') {
      this.#carry = null;
      this.#last = null;
    } else if (this.#last !== null)
      this.#carry = this.#last.trained[outcome === 'undone' ? 'before' : outcome];
    this.#work = null;
  }

  async carry(round: number): Promise<CarrySnapshot | null> {
    return this.#last?.round === round ? shownOf(this.#last.trained) : null;
  }

  async setGpuShare(): Promise<void> {}
  async setPaused(): Promise<void> {}

  async theta(): Promise<Int32Array> {
    return this.#o.lab.state(this.#root);
  }

  async close(): Promise<void> {
    await this.stop();
  }

  terminate(): void {
    this.#stop.abort();
  }

  /** An assignment's seed binds the round that it is for: this one or, after an early certificate, the next. */
  #roundOf(seed: Uint8Array): number {
    const { lab, clock, contributor } = this.#o;
    const now = lab.run.rounds.round(clock.now());
    const round = [now, now + 1].find((one) =>
      bytesEqual(seed, assignmentSeed(lab.run.id, one, lab.beacon(one), contributor)),
    );
    if (round === undefined) throw new Error('an assignment of another round');
    return round;
  }
}

/** The certified state of a host whose lab remembers what was applied to what. */
export function labState(lab: Workshop): SimState {
  let root: Uint8Array = new Uint8Array();
  return {
    atomic: true,
    load: async (theta) => {
      root = await lab.load(theta);
      return root;
    },
    theta: async () => lab.state(root),
    stage: async (work) => {
      const next = await lab.apply(root, work);
      return {
        root: next,
        theta: async () => lab.state(next),
        commit: () => {
          root = next;
        },
      };
    },
  };
}
