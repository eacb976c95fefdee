/** Replays a contributor's inner steps on a GPU: what an audit compares a claim with. Costs a round's training. */
import type { KernelChoice } from '../kernels/choice.ts';
import type { Gpu } from '../kernels/gpu.ts';
import { thetaToFloat } from '../model/init.ts';
import type { Carry } from '../training/carry.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { createEngine } from '../training/engine.ts';
import { assignedSteps, innerSteps } from '../training/inner-steps.ts';
import type { TrainingEngine } from '../training/types.ts';
import type { ReplayedRound } from '../gauntlet/replay.ts';

export interface ReplayJob {
  /** Certified state that the round started from. */
  readonly theta: Int32Array;
  /** Adam's state before the round; null: zeros. */
  readonly before: Pick<Carry, 'moment1' | 'moment2' | 'step'> | null;
  /** Of the contributor's assignment, and the height it is drawn at (learning rate). */
  readonly seed: Uint8Array;
  readonly height: number;
  /** As claimed. */
  readonly innerSteps: number;
  /** The shards that the seed selects, by index into manifest.data.train. */
  readonly shards: ReadonlyMap<number, Uint16Array>;
}

export class Replayer {
  readonly #manifest: Manifest;
  readonly #engine: TrainingEngine;

  private constructor(manifest: Manifest, engine: TrainingEngine) {
    this.#manifest = manifest;
    this.#engine = engine;
  }

  /** Throws DoesNotFitError when the GPU is too small for the run. */
  static async open(gpu: Gpu, manifest: Manifest, choice?: KernelChoice): Promise<Replayer> {
    const { batch, sequence, accumulation } = manifest.task.training;
    const engine = await createEngine({
      gpu,
      config: manifest.model,
      batch,
      sequence,
      accumulation,
      optimizer: manifest.task.training,
      choice,
    });
    return new Replayer(manifest, engine);
  }

  /** One at a time. Throws AssignmentError when a shard is missing. */
  async replay(job: ReplayJob): Promise<ReplayedRound> {
    const { sparseloco } = this.#manifest;
    const engine = this.#engine;
    const start = thetaToFloat(job.theta, sparseloco.fractionBits);
    engine.setParameters(start);
    if (job.before === null) engine.resetOptimizer();
    else {
      const { moment1: m, moment2: v, step } = job.before;
      engine.setOptimizer({ m, v, step });
    }
    await innerSteps(engine, assignedSteps(this.#manifest.task, job), job.innerSteps);
    const parameters = await engine.readParameters();
    const { m, v } = await engine.readOptimizer();
    return { delta: start.map((x, i) => x - parameters[i]), moment1: m, moment2: v };
  }

  close(): void {
    this.#engine.destroy();
  }
}
