/** Losses on a GPU: the training engine's forward pass, in Node (Dawn), Deno and a browser's worker. */
import type { KernelChoice } from '../kernels/choice.ts';
import type { Gpu } from '../kernels/gpu.ts';
import type { ModelConfig } from '../model/config.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { GpuReplica } from '../sparseloco/gpu-replica.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
import { createEngine } from '../training/engine.ts';
import type { Batch, TrainingEngine } from '../training/types.ts';
import { LossError, type LossMeter, type TrialStep } from '../gauntlet/loss-meter.ts';

export interface GpuLossOptions {
  readonly model: ModelConfig;
  readonly sparseloco: SparseLoco;
  readonly sequence: number;
  readonly choice?: KernelChoice;
}

/** A forward pass changes no weight; the engine asks for an optimiser all the same. */
const NO_OPTIMIZER = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, clipNorm: 1 };

export class GpuLossMeter implements LossMeter {
  readonly #settings: SparseLoco;
  readonly #sequence: number;
  readonly #engine: TrainingEngine;
  readonly #replica: GpuReplica;
  #loaded = false;
  /** Measurements share the engine's parameters. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: GpuLossOptions, engine: TrainingEngine, replica: GpuReplica) {
    this.#settings = options.sparseloco;
    this.#sequence = options.sequence;
    this.#engine = engine;
    this.#replica = replica;
  }

  /** Throws DoesNotFitError when the GPU is too small for the model. */
  static async open(gpu: Gpu, options: GpuLossOptions): Promise<GpuLossMeter> {
    const { model: config, sequence, sparseloco, choice } = options;
    // One sequence a pass: the gauntlet compares losses sequence by sequence.
    const engine = await createEngine({
      gpu,
      config,
      batch: 1,
      sequence,
      accumulation: 1,
      optimizer: NO_OPTIMIZER,
      choice,
    });
    return new GpuLossMeter(options, engine, await GpuReplica.create(gpu, config, sparseloco));
  }

  load(theta: Int32Array): Promise<void> {
    return this.#exclusive(async () => {
      await this.#replica.load(theta);
      this.#loaded = true;
    });
  }

  losses({ tokens, targets }: Batch, step?: TrialStep): Promise<number[]> {
    return this.#exclusive(async () => {
      if (!this.#loaded) throw new LossError('no state was loaded');
      const { parameters } = this.#engine;
      if (step === undefined) this.#replica.writeParameters(parameters);
      else {
        const { update } = decodeSubmission(step.bytes, this.#replica.layout, this.#settings);
        this.#replica.writeTrial(parameters, update, this.#settings.alpha * step.scale);
      }
      const losses: number[] = [];
      for (let at = 0; at < tokens.length; at += this.#sequence) {
        const end = at + this.#sequence;
        losses.push(
          await this.#engine.evaluate({ tokens: tokens.slice(at, end), targets: targets.slice(at, end) }),
        );
      }
      return losses;
    });
  }

  async close(): Promise<void> {
    await this.#tail;
    this.#engine.destroy();
    this.#replica.destroy();
  }

  #exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => {});
    return result;
  }
}
