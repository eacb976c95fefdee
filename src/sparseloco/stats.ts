/** What a validator asks of a submission before it measures any loss: norms, positions, overlap with another's. */
import type { ParameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { CODES, type SparseUpdate, tensorNorms } from './update.ts';
import { decodeSubmission, type SubmissionHeader } from './wire.ts';

export interface SubmissionStats {
  readonly header: SubmissionHeader;
  readonly update: SparseUpdate;
  /** L2 norm of all dequantised values, and of each tensor's in the layout's order. */
  readonly norm: number;
  readonly tensorNorms: Float64Array;
  /** Kept positions of the matrices, as `chunk * 4096 + position`, ascending. */
  readonly positions: Uint32Array;
  /** For each position 1 when its value is negative, else 0. */
  readonly negative: Uint8Array;
  /** Always true: the format has no NaN or infinity. Kept so that the check is stated where it is relied on. */
  readonly finite: boolean;
}

/** Decodes and measures. Throws SubmissionError on bad bytes. */
export function submissionStats(
  bytes: Uint8Array,
  layout: ParameterLayout,
  settings: SparseLoco,
  expected?: SubmissionHeader,
): SubmissionStats {
  const { header, update } = decodeSubmission(bytes, layout, settings, expected);
  const norms = tensorNorms(update, layout);
  let square = 0;
  for (const n of norms) square += n * n;
  const norm = Math.sqrt(square);
  const signed = matrixPositions(update, layout);
  return { header, update, norm, tensorNorms: norms, ...signed, finite: Number.isFinite(norm) };
}

function matrixPositions(update: SparseUpdate, layout: ParameterLayout) {
  const kept = update.starts[layout.matrixChunks];
  const positions = new Uint32Array(kept);
  const negative = new Uint8Array(kept);
  for (let c = 0; c < layout.matrixChunks; c++) {
    const end = update.starts[c + 1];
    for (let i = update.starts[c]; i < end; i++) {
      const entry = update.entries[i];
      positions[i] = c * 4096 + (entry & 0xfff);
      negative[i] = update.tables[c * CODES + (entry >> 12)] < 0 ? 1 : 0;
    }
  }
  return { positions, negative };
}

/**
 * Share of the smaller submission's positions that the other has too, 0..1; 0 when either is empty. Two honest peers
 * on different data share some (the same rows matter to both); a copy shares nearly all.
 */
export function overlap(
  a: Pick<SubmissionStats, 'positions'>,
  b: Pick<SubmissionStats, 'positions'>,
): number {
  const x = a.positions;
  const y = b.positions;
  let common = 0;
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    const p = x[i];
    const q = y[j];
    if (p === q) common++;
    if (p <= q) i++;
    if (q <= p) j++;
  }
  const least = Math.min(x.length, y.length);
  return least === 0 ? 0 : common / least;
}
