/** What the rest of the app may ask of the compressed, replicated state. */
import type { ParameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';

/** A decoded submission as the outer step needs it. */
export interface CertifiedSubmission {
  /** The wire bytes of a submission; their SHA-256 is its address. */
  readonly bytes: Uint8Array;
  /** Integer weight from the certificate, 1..MAX_WEIGHT. */
  readonly weight: number;
}

export interface CompressReport {
  /** Wire bytes, ready to be hashed and served. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** L2 norm of the sent values and of what error feedback keeps. */
  readonly sentNorm: number;
  readonly errorNorm: number;
}

/**
 * A replica of the agreed state θ (i32 fixed point) plus this peer's private error feedback.
 *
 * Two implementations give the same roots to the bit: `GpuReplica` (WGSL, beside the training engine) and
 * `CpuReplica` (plain TypeScript, for the host and as the reference).
 */
export interface Replica {
  readonly layout: ParameterLayout;
  readonly settings: SparseLoco;
  load(theta: Int32Array): Promise<void>;
  read(): Promise<Int32Array>;
  /** Merkle root of the state (protocol/merkle.ts). */
  root(): Promise<Uint8Array>;
  /**
   * Applies a certificate's submissions in one integer outer step and returns the new root. Bad bytes throw
   * {@link SubmissionError} before anything is changed. Order does not matter.
   */
  apply(submissions: readonly CertifiedSubmission[]): Promise<Uint8Array>;
}

/** A submission that does not decode; `reason` is for its sender. */
export class SubmissionError extends Error {
  static override readonly name = 'SubmissionError';
  override readonly name = 'SubmissionError';
}

/** The inner steps left a NaN or infinity in the model; nothing was sent or changed. */
export class NotFiniteError extends Error {
  static override readonly name = 'NotFiniteError';
  override readonly name = 'NotFiniteError';
  readonly tensor: string;
  constructor(tensor: string) {
    super(`${tensor} has a NaN or infinity after the inner steps: lower the learning rate or start over`);
    this.tensor = tensor;
  }
}
