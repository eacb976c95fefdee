/** The replica in plain TypeScript: the host's, and the reference that the GPU's must equal to the bit. */
import { thetaToFloat } from '../model/init.ts';
import type { ParameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { compressCpu } from './compress-cpu.ts';
import { mergeStep, prepareStep, subtractStep, type WeightedUpdate } from './outer-step.ts';
import { stateRoot } from './state.ts';
import type { CertifiedSubmission, CompressReport, Replica } from './types.ts';
import { addScaled, type SparseUpdate, tensorNorms } from './update.ts';
import { decodeSubmission, encodeSubmission, type SubmissionHeader } from './wire.ts';

/** Decodes a certificate's submissions; throws SubmissionError before anything is changed. */
export function decodeAll(
  submissions: readonly CertifiedSubmission[],
  layout: ParameterLayout,
  settings: SparseLoco,
): WeightedUpdate[] {
  return submissions.map(({ bytes, weight }) => ({
    update: decodeSubmission(bytes, layout, settings).update,
    weight,
  }));
}

/** L2 norm of a vector. */
export function l2(values: Float64Array | Float32Array): number {
  let sum = 0;
  for (const x of values) sum += x * x;
  return Math.sqrt(sum);
}

export class CpuReplica implements Replica {
  readonly layout: ParameterLayout;
  readonly settings: SparseLoco;
  private state: Int32Array;
  private error: Float32Array<ArrayBuffer> | null = null;
  /** What compress() sent last, until it is known whether it was applied. */
  private sent: SparseUpdate | null = null;
  private saturated = 0;

  constructor(layout: ParameterLayout, settings: SparseLoco) {
    this.layout = layout;
    this.settings = settings;
    this.state = new Int32Array(layout.elements);
  }

  async load(theta: Int32Array): Promise<void> {
    if (theta.length !== this.layout.elements) {
      throw new RangeError(`a state of ${theta.length} scalars, but the model has ${this.layout.elements}`);
    }
    this.state = theta.slice();
  }

  async read(): Promise<Int32Array> {
    return this.state.slice();
  }

  root(): Promise<Uint8Array> {
    return stateRoot(this.state, this.layout);
  }

  async apply(submissions: readonly CertifiedSubmission[]): Promise<Uint8Array> {
    const accepted = decodeAll(submissions, this.layout, this.settings);
    const step = prepareStep(accepted, this.layout, this.settings);
    const change = mergeStep(accepted, step, this.layout, this.settings);
    this.saturated = step.saturated + subtractStep(this.state, change, this.layout);
    return this.root();
  }

  /** Values and coordinates that the last apply() cut to their range. Not 0: α, weights or fractionBits are off. */
  get saturatedCount(): number {
    return this.saturated;
  }

  /** The model that inner steps start from, f32. */
  parameters(): Float32Array {
    return thetaToFloat(this.state, this.settings.fractionBits);
  }

  /**
   * Compresses what inner steps made of the model. Throws NotFiniteError, with nothing changed, when it has a NaN.
   */
  async compress(parameters: Float32Array, header: SubmissionHeader): Promise<CompressReport> {
    this.error ??= new Float32Array(this.layout.elements);
    const { update, error } = compressCpu(
      { theta: this.state, parameters, error: this.error },
      this.layout,
      this.settings,
    );
    const bytes = encodeSubmission(update, header, this.layout, this.settings);
    this.error = error;
    this.sent = update;
    return { bytes, sentNorm: l2(tensorNorms(update, this.layout)), errorNorm: l2(error) };
  }

  /** Error feedback, f32; zeros before the first compress(). */
  errorFeedback(): Float32Array<ArrayBuffer> {
    return this.error?.slice() ?? new Float32Array(this.layout.elements);
  }

  /** Puts what was sent last back into the error feedback: it was not applied, so it is still owed. Once a send. */
  async restoreError(): Promise<void> {
    if (this.sent !== null && this.error !== null) addScaled(this.error, this.sent, this.layout, 1);
    this.sent = null;
  }

  /** Forgets all error feedback, as a joiner starts. */
  async clearError(): Promise<void> {
    this.error = null;
    this.sent = null;
  }
}
