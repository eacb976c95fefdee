/**
 * The trainer behind {@link TrainerApi}: owns the GPU device, the training engine and the replica of the agreed state.
 *
 * Free of comlink and of `self`, so that Node tests and experiments can drive the very same object. Long work is cut
 * at inner steps: pausing, stopping and the GPU share take effect between two of them.
 */
import { defaultChoice, type KernelChoice } from '../kernels/choice.ts';
import { type Gpu, openGpu } from '../kernels/gpu.ts';
import { choiceFrom, tune, tuningKey } from '../kernels/tune.ts';
import type { Carry } from '../protocol/carry.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { GpuReplica } from '../sparseloco/gpu-replica.ts';
import { assignedBatches } from '../training/assignment.ts';
import { createEngine } from '../training/engine.ts';
import { learningRateAt } from '../training/learning-rate.ts';
import { DeviceLostError } from '../training/errors.ts';
import { estimateMemory, tuningShapes } from '../training/memory.ts';
import type { TrainingEngine } from '../training/types.ts';
import type {
  Assignment,
  OpenReport,
  RoundOutcome,
  RoundWork,
  SubmissionTag,
  TrainerApi,
  TrainProgress,
} from './api.ts';
import { CarryKeeper, type CarrySnapshot } from './carry.ts';
import { loadTuning, saveTuning } from './tuning-store.ts';

/** Read-backs wait for the queue, so the loss is fetched this often and not every step. */
const REPORT_EVERY_MS = 1000;

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
  constructor(gpu?: GPU) {
    this.#gpuEntry = gpu;
  }

  async open(manifest: Manifest): Promise<OpenReport> {
    await this.close();
    const { batch, sequence, accumulation } = manifest.training;
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
      choice: await kernelChoice(gpu, manifest),
      // Audited work is replayed on a validator's device: f16 there and f32 here would differ by more than it allows.
      storage: (manifest.gauntlet.auditsPerRound ?? 0) > 0 ? 'f32' : undefined,
      config: manifest.model,
      batch,
      sequence,
      accumulation,
      optimizer: manifest.training,
    });
    const replica = await GpuReplica.create(gpu, manifest.model, manifest.sparseloco);
    const audited = (manifest.gauntlet.auditsPerRound ?? 0) > 0;
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
    const settings = manifest.training;
    this.#stopRequested = false;
    if (keeper !== null && this.#drifted) restoreOptimizer(engine, keeper.current);
    this.#drifted = false;
    this.#resetRound();
    const data = {
      shardTokens: manifest.data.train.map((shard) => shard.tokens),
      sequence: settings.sequence,
    };
    const batches = assignedBatches(assignment.seed, data, settings.batch, assignment.shards);
    const started = performance.now();
    let computing = 0;
    let reportedAt = started;
    // How long one step takes, so that the last one ends before the deadline and not after it.
    let stepMs = 0;
    while (this.#round.innerSteps < settings.maxInnerSteps && !this.#stopRequested) {
      // A pause that outlasts the window ends it: what was done before still counts.
      while (this.#paused && !this.#stopRequested && Date.now() < until) await this.#rest(until - Date.now());
      if (this.#paused || this.#stopRequested || Date.now() + stepMs > until) break;
      const begin = performance.now();
      const micro = Array.from({ length: settings.accumulation }, () => batches.next().value);
      await engine.step(micro, learningRateAt(settings, assignment.height, this.#round.innerSteps));
      this.#checkDevice();
      this.#drifted = true;
      this.#round.innerSteps++;
      for (const b of micro) this.#round.tokens += b.targets.reduce((n, t) => n + (t >= 0 ? 1 : 0), 0);
      if (begin - reportedAt >= REPORT_EVERY_MS || this.#round.innerSteps === 1) {
        const { loss } = await engine.report();
        this.#checkDevice();
        this.#round.lossSum += loss;
        this.#round.lossCount++;
        reportedAt = performance.now();
      }
      const took = performance.now() - begin;
      computing += took;
      // On a shared machine the last step says more than the mean; trust the slower of the two.
      stepMs = Math.max(took, computing / this.#round.innerSteps);
      onProgress(this.#progress(performance.now() - started, computing));
      // Duty cycle: after working for t, rest for t(1/share - 1).
      if (this.#share < 1) await this.#rest(took * (1 / this.#share - 1));
    }
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
      const error = keeper.settle(outcome === 'accepted');
      if (error !== null) replica.writeError(error);
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
    if (this.#open === null) throw new Error('The trainer is not open yet.');
    return this.#open;
  }

  #checkDevice(): void {
    if (this.#lost !== null) throw new DeviceLostError(`The graphics device was lost: ${this.#lost}`);
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
async function kernelChoice(gpu: Gpu, manifest: Manifest): Promise<KernelChoice> {
  if (gpu.adapter.software) return defaultChoice(gpu.adapter);
  const { batch, sequence } = manifest.training;
  const shapes = tuningShapes(manifest.model, batch, sequence);
  const key = `${tuningKey(gpu.adapter)} ${JSON.stringify(shapes)}`;
  let tuning = await loadTuning(key);
  if (tuning === undefined) {
    tuning = await tune(gpu, shapes);
    await saveTuning(key, tuning);
  }
  return choiceFrom(gpu.adapter, tuning);
}
