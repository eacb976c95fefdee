/**
 * A trainer without a GPU: holds a real replica and real error feedback, and lets inner steps take virtual time. What the
 * steps do to the model is a noise of its own for each contributor and round, so that two never look like copies.
 */
import { thetaToFloat } from '../model/init.ts';
import type { ParameterLayout } from '../model/layout.ts';
import { rulesOf } from '../chain/rules.ts';
import { sha256Sync } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { type MachineClock, until } from '../protocol/timer.ts';
import { compressCpu } from '../sparseloco/compress-cpu.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { addScaled, type SparseUpdate } from '../sparseloco/update.ts';
import { encodeSubmission } from '../sparseloco/wire.ts';
import { DeviceLostError } from '../training/errors.ts';
import { CarryKeeper } from '../work/pretrain/carry-keeper.ts';
import type {
  Assignment,
  OpenReport,
  RoundOutcome,
  RoundWork,
  SubmissionTag,
  TrainerClient,
  TrainProgress,
} from '../work/pretrain/trainer-api.ts';

export interface SimTrainerOptions {
  readonly layout: ParameterLayout;
  /** The machine's clock. */
  readonly clock: MachineClock;
  /** Virtual time of an inner step, ms. Default 500. */
  readonly stepMs?: number;
  /** How far a full round moves a parameter at most. Default 0.01. */
  readonly distance?: number;
  /** Machine's time at which the device is lost, epoch ms. */
  readonly loseDeviceAt?: number;
}

export class SimTrainer implements TrainerClient {
  /** Of the state after each load and apply, oldest first. */
  readonly roots: Uint8Array[] = [];
  readonly #o: SimTrainerOptions;
  #open: {
    readonly manifest: Manifest;
    readonly replica: CpuReplica;
    readonly keeper: CarryKeeper | null;
  } | null = null;
  #error: Float32Array<ArrayBuffer>;
  /** What was sent last, until it is known whether it was applied. */
  #sent: SparseUpdate | null = null;
  #steps = 0;
  #stopped = false;
  #paused = false;
  #share = 1;
  #ended: 'lost' | 'terminated' | null = null;
  #wake = new AbortController();

  constructor(options: SimTrainerOptions) {
    this.#o = options;
    this.#error = new Float32Array(options.layout.elements);
    const { loseDeviceAt, clock } = options;
    if (loseDeviceAt !== undefined) clock.at(loseDeviceAt, () => this.loseDevice());
  }

  async open(manifest: Manifest): Promise<OpenReport> {
    this.#check();
    const { layout } = this.#o;
    const keeper = rulesOf(manifest.gauntlet).audited ? new CarryKeeper(layout, manifest.sparseloco) : null;
    this.#open = { manifest, replica: new CpuReplica(layout, manifest.sparseloco), keeper };
    return { adapter: ADAPTER, bytesNeeded: 0 };
  }

  /** From now on everything fails as on a lost device. */
  loseDevice(): void {
    this.#ended ??= 'lost';
    this.#nudge();
  }

  async load(theta: Int32Array): Promise<Uint8Array> {
    const { replica } = this.#need();
    await replica.load(theta);
    return this.#noted(await replica.root());
  }

  async train(
    _assignment: Assignment,
    deadline: number,
    onProgress: (p: TrainProgress) => void,
  ): Promise<void> {
    const { manifest } = this.#need();
    const { clock, stepMs = 500 } = this.#o;
    const { maxInnerSteps } = manifest.task.training;
    const began = clock.now();
    const end = began + deadline - (clock.wall?.() ?? began);
    this.#steps = 0;
    this.#stopped = false;
    while (!this.#stopped && this.#steps < maxInnerSteps && clock.now() < end) {
      if (this.#paused) {
        await this.#rest(end);
        continue;
      }
      const done = clock.now() + stepMs;
      if (done > end) return;
      // A step that is begun is not broken off, except by the end of the trainer.
      while (clock.now() < done) {
        await this.#rest(done);
        this.#check();
      }
      this.#steps++;
      const tokens = this.#tokens(manifest);
      const elapsed = clock.now() - began;
      const busyMs = this.#steps * stepMs;
      onProgress({
        innerSteps: this.#steps,
        tokens,
        loss: 5,
        tokensPerSecond: (1000 * tokens) / elapsed,
        busyMs,
      });
      const rested = clock.now() + stepMs * (1 / this.#share - 1);
      while (!this.#stopped && clock.now() < Math.min(rested, end)) await this.#rest(Math.min(rested, end));
      this.#check();
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#nudge();
  }

  async finish(tag: SubmissionTag): Promise<RoundWork | null> {
    const { manifest, replica, keeper } = this.#need();
    if (this.#steps === 0) return null;
    const { layout, distance = 0.01 } = this.#o;
    const theta = await replica.read();
    const parameters = thetaToFloat(theta, manifest.sparseloco.fractionBits);
    const random = randomSource(seedOf(tag));
    const { maxInnerSteps } = manifest.task.training;
    // A random walk's length grows with the square root of its steps.
    const most = distance * Math.sqrt(this.#steps / maxInnerSteps);
    for (let i = 0; i < parameters.length; i++) parameters[i] = parameters[i] + most * (2 * random() - 1);
    const { update, error } = compressCpu(
      { theta, parameters, error: this.#error },
      layout,
      manifest.sparseloco,
    );
    const submission = encodeSubmission(update, tag, layout, manifest.sparseloco);
    this.#error = error;
    this.#sent = update;
    const moment = (of: number) => new Float32Array(layout.elements).fill(of + this.#steps);
    const step = (keeper?.current?.step ?? 0) + this.#steps;
    const carry =
      (await keeper?.finish(
        tag.round,
        { error: error.slice(), moment1: moment(0.25), moment2: moment(0.5), step },
        submission,
      )) ?? null;
    const tokens = this.#tokens(manifest);
    return { submission, innerSteps: this.#steps, tokens, trainLoss: 5, compressMs: 0, carry };
  }

  async apply(submissions: readonly { bytes: Uint8Array; weight: number }[]): Promise<Uint8Array> {
    const root = await this.#need().replica.apply(submissions);
    this.#steps = 0;
    return this.#noted(root);
  }

  async settle(outcome: RoundOutcome): Promise<void> {
    const { keeper } = this.#need();
    if (outcome === 'reset') {
      keeper?.reset();
      this.#error = new Float32Array(this.#o.layout.elements);
    } else if (keeper !== null) {
      if (keeper.settle(outcome))
        this.#error = keeper.current?.error.slice() ?? new Float32Array(this.#o.layout.elements);
    } else if (outcome === 'refused' && this.#sent !== null) {
      addScaled(this.#error, this.#sent, this.#o.layout, 1);
    }
    this.#sent = null;
    this.#steps = 0;
  }

  async carry(round: number) {
    return this.#need().keeper?.snapshot(round) ?? null;
  }

  async setGpuShare(share: number): Promise<void> {
    this.#share = Math.min(1, Math.max(0.1, share));
  }

  async setPaused(paused: boolean): Promise<void> {
    this.#paused = paused;
    this.#nudge();
  }

  async theta(): Promise<Int32Array> {
    return this.#need().replica.read();
  }

  async close(): Promise<void> {
    this.#open = null;
    await this.stop();
  }

  terminate(): void {
    this.#ended ??= 'terminated';
    this.#nudge();
  }

  #noted(root: Uint8Array): Uint8Array {
    this.roots.push(root);
    return root;
  }

  #tokens({ task: { training } }: Manifest): number {
    return this.#steps * training.batch * training.sequence * training.accumulation;
  }

  #need() {
    this.#check();
    if (this.#open === null) throw new Error('the trainer is not open yet');
    return this.#open;
  }

  #check(): void {
    if (this.#ended === 'lost') throw new DeviceLostError('the device is lost');
    if (this.#ended === 'terminated') throw new Error('the trainer was ended');
  }

  /** Until a time, or until somebody wants something. */
  async #rest(time: number): Promise<void> {
    this.#wake = new AbortController();
    await until(this.#o.clock, time, this.#wake.signal);
    this.#check();
  }

  #nudge(): void {
    this.#wake.abort();
  }
}

const ADAPTER: OpenReport['adapter'] = {
  vendor: 'simulated',
  architecture: '',
  description: 'no device',
  software: true,
  shaderF16: false,
  subgroups: false,
  timestampQuery: false,
  subgroupMinSize: 0,
  subgroupMaxSize: 0,
  workgroupBytes: 0,
  maxBufferSize: 0,
  maxStorageBufferBindingSize: 0,
};

/** 32 bits of what a submission belongs to. */
function seedOf({ run, round, contributor }: SubmissionTag): number {
  const digest = sha256Sync(encodeCanonical([run, round, contributor]));
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0);
}
