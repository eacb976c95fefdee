/** What a validator learns of a submission from its bytes alone: that they decode, their norm, positions and signs. */
import type { Run } from '../chain/run.ts';
import { submissionStats } from '../sparseloco/stats.ts';
import { SubmissionError } from '../sparseloco/types.ts';
import { maxSubmissionBytes, type SubmissionHeader } from '../sparseloco/wire.ts';
import { type Refusal, refusal } from './notes.ts';

export interface Inspected {
  /** L2 norm of all dequantised values. */
  readonly norm: number;
  /** Kept positions of the matrices, `chunk * 4096 + position`, ascending. */
  readonly positions: Uint32Array;
  /** For each position 1 when its value is negative, else 0. */
  readonly negative: Uint8Array;
}

export type Inspection =
  | { readonly ok: true; readonly inspected: Inspected }
  | { readonly ok: false; readonly refusal: Refusal };

/** Never throws for what the bytes hold. */
export type Inspect = (bytes: Uint8Array, expected: SubmissionHeader) => Inspection;

/** The inspector of a run, and the most bytes one of its submissions can have. */
export function inspectorFor({ layout, manifest }: Pick<Run, 'layout' | 'manifest'>): {
  inspect: Inspect;
  maxBytes: number;
} {
  const settings = manifest.sparseloco;
  const inspect: Inspect = (bytes, expected) => {
    try {
      const { norm, positions, negative, finite } = submissionStats(bytes, layout, settings, expected);
      if (!finite) return { ok: false, refusal: refusal('not-finite', 'no-finite-norm') };
      return { ok: true, inspected: { norm, positions, negative } };
    } catch (error) {
      if (!(error instanceof SubmissionError)) throw error;
      return { ok: false, refusal: refusal('malformed', 'undecodable', { error: error.message }) };
    }
  };
  return { inspect, maxBytes: maxSubmissionBytes(layout, settings) };
}
