/** What the rest of the app may ask of the training engine. Implemented in engine.ts on WebGPU. */
import type { KernelChoice, Storage } from '../kernels/choice.ts';
import type { Gpu } from '../kernels/gpu.ts';
import type { ModelConfig } from '../model/config.ts';
import type { ParameterLayout } from '../model/layout.ts';

/** AdamW and clipping; the same names as in the manifest. */
export interface OptimizerSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly clipNorm: number;
}

export interface EngineOptions {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  readonly accumulation: number;
  readonly optimizer: OptimizerSettings;
  /** Keep only each layer's input and compute the rest again in the backward pass: slower, far less memory. */
  readonly recompute?: boolean | undefined;
  /** GPU bytes the engine may allocate; more is refused with the numbers. Default: what the device's limits allow. */
  readonly budgetBytes?: number | undefined;
  /** Kernel variants; default by adapter. A tuning run makes better ones. */
  readonly choice?: KernelChoice | undefined;
  /** Overrides the choice's: how operands of products are stored. f16 needs `shader-f16`. */
  readonly storage?: Storage | undefined;
}

/** Token ids and targets, row-major `[batch, sequence]`; a target of -1 does not count in the loss. */
export interface Batch {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
}

export interface StepReport {
  /** Mean cross-entropy of the batch before the update, nats per counted token. */
  readonly loss: number;
  /** L2 norm of the gradient before clipping. */
  readonly gradientNorm: number;
}

/** AdamW's state: what a trainer needs beside the parameters to take the very next step of another one. */
export interface OptimizerState {
  /** First moment (running mean of clipped gradients), flat f32 as the parameters. */
  readonly m: Float32Array;
  /** Second moment (running mean of their squares), likewise. */
  readonly v: Float32Array;
  /** Steps taken since the moments were zero; the bias correction needs it. */
  readonly step: number;
}

/**
 * A Llama trainer whose parameters live in one flat f32 buffer laid out by {@link ParameterLayout}.
 *
 * `parameters` may be read and written by other passes on the same device (SparseLoCo does) between steps.
 */
export interface TrainingEngine {
  readonly gpu: Gpu;
  readonly layout: ParameterLayout;
  readonly parameters: GPUBuffer;
  /** Flat f32 gradient of the last step, before clipping. */
  readonly gradients: GPUBuffer;
  /** Bytes of GPU memory that the engine allocated. */
  readonly allocatedBytes: number;
  /** Compute dispatches of one step. */
  readonly dispatchesPerStep: number;
  setParameters(values: Float32Array): void;
  readParameters(): Promise<Float32Array>;
  /** Zeroes Adam's moments and its step count (a joiner starts so). */
  resetOptimizer(): void;
  /** Adam's moments and step count after the steps asked for so far; waits for the GPU. */
  readOptimizer(): Promise<OptimizerState>;
  /** Continues from a state that {@link readOptimizer} gave, here or on another device. @throws RangeError on another model's. */
  setOptimizer(state: OptimizerState): void;
  /**
   * One inner step over `accumulation` micro-batches: forward, backward, clip, AdamW. Resolves once the work is
   * submitted and the queue is short enough to take more, without reading anything back.
   */
  step(batches: readonly Batch[], learningRate: number): Promise<void>;
  /** Loss and gradient norm of the last submitted step; waits for the GPU. One small read-back. */
  report(): Promise<StepReport>;
  /** Forward only: mean loss over a batch, without touching gradients or parameters. */
  evaluate(batch: Batch): Promise<number>;
  /** Forward only: logits `[batch, sequence, vocabSize]`, for checks against a reference; never while training. */
  logits?(batch: Batch): Promise<Float32Array>;
  destroy(): void;
}
