/**
 * The trainer behind {@link TrainerApi}: owns the GPU device, the training engine and the replica of the agreed state.
 *
 * Free of comlink and of `self`, so that Node tests and experiments can drive the very same object. Long work is cut
 * at inner steps: pausing, stopping and the GPU share take effect between two of them.
 */
import { defaultChoice, type KernelChoice } from '../../kernels/choice.ts';
import { type Gpu, openGpu } from '../../kernels/gpu.ts';
import { choiceFrom, type Tuning, tune, tuningKey } from '../../kernels/tune.ts';
import type { Carry } from '../../training/carry.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { rulesOf } from '../../chain/rules.ts';
import { GpuReplica } from '../../sparseloco/gpu-replica.ts';
import { createEngine } from '../../training/engine.ts';
import { DeviceLostError } from '../../training/errors.ts';
import { assignedSteps, innerSteps } from '../../training/inner-steps.ts';
import { estimateMemory, tuningShapes } from '../../training/memory.ts';
import type { Batch, TrainingEngine } from '../../training/types.ts';
import type {
  Assignment,
  OpenReport,
  RoundOutcome,
  RoundWork,
  SubmissionTag,
  TrainerApi,
  TrainProgress,
} from './trainer-api.ts';
import { CarryKeeper, type CarrySnapshot } from './carry-keeper.ts';

/** Read-backs wait for the queue, so the loss is fetched this often and not every step. */
const REPORT_EVERY_MS = 1000;

/** Keeps what a tuning run found, so that a GPU is measured once and not at every visit. Never rejects. */
export interface TuningStore {
  /** `key` names adapter, kernel version and model shapes. */
  load(key: string): Promise<Tuning | undefined>;
  save(key: string, tuning: Tuning): Promise<void>;
}
const NO_TUNINGS: TuningStore = { load: async () => undefined, save: async () => {} };

interface Open {
  readonly gpu: Gpu;
  readonly manifest: Manifest;
  readonly engine: TrainingEngine;
  readonly replica: GpuReplica;
  /** Null in a run without audits. */
  readonly keeper: CarryKeeper | null;
}

export class Trainer implements TrainerApi {
  readonly #gpuEntry: GPU | undefined;
  readonly #tunings: TuningStore;
  #open: Open | null = null;
  #lost: string | null = null;
  #share = 1;
  #paused = false;
  #wake: (() => void) | null = null;
  #stopRequested = false;
  /** Steps were taken since the last finish(): Adam's state is not the carry's. */
  #drifted = false;
  #round = { innerSteps: 0, tokens: 0, lossSum: 0, lossCount: 0 };

  /** `gpu`: WebGPU's entry point where it is not `navigator.gpu` (Dawn in Node). */
  constructor(gpu?: GPU, tunings: TuningStore = NO_TUNINGS) {
    this.#gpuEntry = gpu;
    this.#tunings = tunings;
  }

  async open(manifest: Manifest): Promise<OpenReport> {
    await this.close();
    const { training } = manifest.task;
    const { batch, sequence, accumulation } = training;
    const { audited } = rulesOf(manifest.gauntlet);
    const estimate = estimateMemory(manifest.model, batch, sequence);
    const gpu = await openGpu({ gpu: this.#gpuEntry, bufferBytes: estimate.largestBuffer });
    this.#lost = null;
    void gpu.device.lost.then((info) => {
      if (this.#open?.gpu !== gpu) return;
      this.#lost = info.message || info.reason;
      this.stop();
    });
    const engine = await createEngine({
      gpu,
      choice: await kernelChoice(gpu, manifest, this.#tunings),
      // Audited work is replayed on a validator's device: f16 there and f32 here would differ by more than it allows.
      storage: audited ? 'f32' : undefined,
      config: manifest.model,
      batch,
      sequence,
      accumulation,
      optimizer: training,
    });
    const replica = await GpuReplica.create(gpu, manifest.model, manifest.sparseloco);
    const keeper = audited ? new CarryKeeper(replica.layout, manifest.sparseloco) : null;
    this.#drifted = false;
    this.#open = { gpu, manifest, engine, replica, keeper };
    return { adapter: gpu.adapter, bytesNeeded: engine.allocatedBytes + replica.allocatedBytes };
  }

  async load(theta: Int32Array): Promise<Uint8Array> {
    const { replica, engine } = this.#need();
    await replica.load(theta);
    replica.writeParameters(engine.parameters);
    this.#resetRound();
    return replica.root();
  }

  async train(assignment: Assignment, until: number, onProgress: (p: TrainProgress) => void): Promise<void> {
    const { engine, manifest, keeper } = this.#need();
    this.#stopRequested = false;
    if (keeper !== null && this.#drifted) restoreOptimizer(engine, keeper.current);
    this.#drifted = false;
    this.#resetRound();
    const plan = assignedSteps(manifest.task, assignment);
    const started = performance.now();
    // The shown time may be set back while we train; a counter may stand still while the machine sleeps. The first of
    // both to reach the end ends it.
    const end = started + until - Date.now();
    const left = (): number => Math.min(end - performance.now(), until - Date.now());
    let computing = 0;
    let reportedAt = started;
    // How long one step takes, so that the last one ends before the deadline and not after it.
    let stepMs = 0;
    let begin = started;
    const before = async () => {
      // A pause that outlasts the window ends it: what was done before still counts.
      while (this.#paused && !this.#stopRequested && left() > 0) await this.#rest(left());
      if (this.#paused || this.#stopRequested || stepMs > left()) return false;
      begin = performance.now();
      return true;
    };
    const after = async (taken: number, micro: readonly Batch[]) => {
      this.#checkDevice();
      this.#drifted = true;
      this.#round.innerSteps = taken;
      for (const b of micro) this.#round.tokens += b.targets.reduce((n, t) => n + (t >= 0 ? 1 : 0), 0);
      if (begin - reportedAt >= REPORT_EVERY_MS || taken === 1) {
        const { loss } = await engine.report();
        this.#checkDevice();
        this.#round.lossSum += loss;
        this.#round.lossCount++;
        reportedAt = performance.now();
      }
      const took = performance.now() - begin;
      computing += took;
      // On a shared machine the last step says more than the mean; trust the slower of the two.
      stepMs = Math.max(took, computing / taken);
      onProgress(this.#progress(performance.now() - started, computing));
      // Duty cycle: after working for t, rest for t(1/share - 1).
      if (this.#share < 1) await this.#rest(took * (1 / this.#share - 1));
    };
    await innerSteps(engine, plan, manifest.task.training.maxInnerSteps, { before, after });
  }

  stop(): void {
    this.#stopRequested = true;
    this.#wakeUp();
  }

  async finish(tag: SubmissionTag): Promise<RoundWork | null> {
    const { engine, replica, keeper } = this.#need();
    if (this.#round.innerSteps === 0) return null;
    const last = await engine.report();
    const begin = performance.now();
    const { bytes } = await replica.compress(engine.parameters, tag);
    this.#checkDevice();
    const carry =
      keeper === null ? null : await keeper.finish(tag.round, await readCarry(engine, replica), bytes);
    this.#drifted = false;
    const { innerSteps, tokens, lossSum, lossCount } = this.#round;
    return {
      submission: bytes,
      innerSteps,
      tokens,
      trainLoss: lossCount > 0 ? lossSum / lossCount : last.loss,
      compressMs: performance.now() - begin,
      carry,
    };
  }

  async apply(submissions: readonly { bytes: Uint8Array; weight: number }[]): Promise<Uint8Array> {
    const { engine, replica } = this.#need();
    const root = await replica.apply(submissions);
    this.#checkDevice();
    replica.writeParameters(engine.parameters);
    this.#resetRound();
    return root;
  }

  async settle(outcome: RoundOutcome): Promise<void> {
    const { engine, replica, keeper } = this.#need();
    if (outcome === 'reset') {
      keeper?.reset();
      await replica.clearError();
      engine.resetOptimizer();
    } else if (keeper !== null) {
      if (keeper.settle(outcome)) {
        if (keeper.current === null) await replica.clearError();
        else replica.writeError(keeper.current.error);
        // The optimizer has the moments after the round: the next one takes them from what goes on.
        this.#drifted = true;
      }
    } else if (outcome === 'refused') await replica.restoreError();
    replica.writeParameters(engine.parameters);
    this.#resetRound();
  }

  async carry(round: number): Promise<CarrySnapshot | null> {
    return this.#need().keeper?.snapshot(round) ?? null;
  }

  setGpuShare(share: number): void {
    this.#share = Math.min(1, Math.max(0.1, share));
  }

  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.#wakeUp();
  }

  async theta(): Promise<Int32Array> {
    return this.#need().replica.read();
  }

  async close(): Promise<void> {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    this.stop();
    open.replica.destroy();
    open.engine.destroy();
    open.gpu.device.destroy();
  }

  #need(): Open {
    this.#checkDevice();
    if (this.#open === null) throw new Error('the trainer is not open yet');
    return this.#open;
  }

  #checkDevice(): void {
    if (this.#lost !== null) throw new DeviceLostError(`the GPU was lost: ${this.#lost}`);
  }

  #resetRound(): void {
    this.#round = { innerSteps: 0, tokens: 0, lossSum: 0, lossCount: 0 };
  }

  #progress(elapsedMs: number, busyMs: number): TrainProgress {
    const { innerSteps, tokens, lossSum, lossCount } = this.#round;
    return {
      innerSteps,
      tokens,
      loss: lossCount > 0 ? lossSum / lossCount : Number.NaN,
      tokensPerSecond: elapsedMs > 0 ? (1000 * tokens) / elapsedMs : 0,
      busyMs,
    };
  }

  /** Waits without holding the GPU; `stop()` and `setPaused(false)` end it early. */
  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** Adam's state as it was carried into the round: an interrupted one never happened. */
function restoreOptimizer(engine: TrainingEngine, carry: Carry | null): void {
  if (carry === null) engine.resetOptimizer();
  else engine.setOptimizer({ m: carry.moment1, v: carry.moment2, step: carry.step });
}

async function readCarry(engine: TrainingEngine, replica: GpuReplica): Promise<Carry> {
  const error = await replica.readError();
  const { m, v, step } = await engine.readOptimizer();
  return { error, moment1: m as Float32Array<ArrayBuffer>, moment2: v as Float32Array<ArrayBuffer>, step };
}

/**
 * The fastest kernels for this GPU: measured once, kept in the browser. A CPU driver takes longer to compile the
 * candidates than they could ever save in a visit, so it goes by the defaults.
 */
async function kernelChoice(gpu: Gpu, manifest: Manifest, tunings: TuningStore): Promise<KernelChoice> {
  if (gpu.adapter.software) return defaultChoice(gpu.adapter);
  const { batch, sequence } = manifest.task.training;
  const shapes = tuningShapes(manifest.model, batch, sequence);
  const key = `${tuningKey(gpu.adapter)} ${JSON.stringify(shapes)}`;
  let tuning = await tunings.load(key);
  if (tuning === undefined) {
    tuning = await tune(gpu, shapes);
    await tunings.save(key, tuning);
  }
  return choiceFrom(gpu.adapter, tuning);
}
