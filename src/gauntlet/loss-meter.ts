/**
 * The seam to whatever measures losses: onnxruntime-web on the CPU (ort-losses.ts) or the engine on a GPU
 * (gpu-losses.ts), in Node, in a worker thread or in a browser's worker. All give the same losses to about 1e-4 nats.
 */
import type { Batch } from '../training/types.ts';

/** A step to try: a submission's bytes, times `scale`. */
export interface TrialStep {
  readonly bytes: Uint8Array;
  readonly scale: number;
}

/** What a validator needs; tests put a double behind it. */
export interface LossMeter {
  /** Takes over a certified state θ. */
  load(theta: Int32Array): Promise<void>;
  /**
   * Mean loss in nats per token of each sequence, for the loaded state or, with `step`, after a step with that
   * submission times `scale`. Throws {@link LossError} when the bytes or the runtime fail.
   */
  losses(batch: Batch, step?: TrialStep): Promise<number[]>;
  close(): Promise<void>;
}

/** A loss could not be measured. */
export class LossError extends Error {
  static override readonly name = 'LossError';
  override readonly name = 'LossError';
}
