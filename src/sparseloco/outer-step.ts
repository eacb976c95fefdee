/**
 * The outer step in integers: turns a certificate's submissions into one integer per (submission, chunk, code), merges
 * them into one change per coordinate, and subtracts it from θ. docs/state.md derives the bounds. The merge runs on
 * the CPU on either replica: it touches only what was sent, needs 47-bit sums, which doubles hold exactly and WGSL
 * would have to emulate with atomics, and costs a fifth of decoding the same submissions.
 *
 * Per coordinate, with V the fixed-point value of a submission's code there and w its weight:
 *   numerator   = Σ w V              (exact: |numerator| <= 64 x 1024 x 2^30 = 2^46)
 *   denominator = Σ w over all accepted ('all') or over those that sent it ('senders'); at most 2^16
 *   θ <- θ - sign(numerator) floor((|numerator| + floor(denominator / 2)) / denominator), saturated to i32.
 * Sums of integers do not depend on their order, so neither does θ.
 */
import { CHUNK, type ParameterLayout } from '../model/layout.ts';
import { MAX_ACCEPTED, MAX_WEIGHT } from '../protocol/limits.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { signedLevelValue } from './levels.ts';
import { chunkPlaces, CODES, type SparseUpdate, tensorNorms } from './update.ts';

/** |V| is held to this; above it a value counts as saturated. */
export const MAX_VALUE = 2 ** 30;
const I32_MAX = 2 ** 31 - 1;
const I32_MIN = -(2 ** 31);

/** An accepted submission, decoded. */
export interface WeightedUpdate {
  readonly update: SparseUpdate;
  /** 1..MAX_WEIGHT. */
  readonly weight: number;
}

export interface PreparedStep {
  /** Integers V of each submission: `[submission][chunk * 4 + code]`. */
  readonly values: readonly Int32Array[];
  readonly weights: readonly number[];
  /** Sum of all weights. */
  readonly totalWeight: number;
  /** Values of V that were cut to MAX_VALUE. */
  readonly saturated: number;
}

/** Median of the positive numbers in `xs`; the mean of the middle two for an even count; 0 when there are none. */
export function positiveMedian(xs: readonly number[]): number {
  const sorted = xs.filter((x) => x > 0).sort((a, b) => a - b);
  const n = sorted.length;
  if (n === 0) return 0;
  const high = sorted[n >> 1];
  return n % 2 === 1 ? high : (sorted[n / 2 - 1] + high) / 2;
}

/**
 * Factor min(1, median / own) of each submission and tensor, `[submission][tensor]`, where the median is over the L2
 * norms of the submissions that move the tensor at all. It only ever shrinks.
 */
export function clipFactors(updates: readonly SparseUpdate[], layout: ParameterLayout): Float64Array[] {
  const norms = updates.map((u) => tensorNorms(u, layout));
  const factors = updates.map(() => new Float64Array(layout.tensors.length).fill(1));
  for (let t = 0; t < layout.tensors.length; t++) {
    const median = positiveMedian(norms.map((n) => n[t]));
    norms.forEach((n, s) => {
      const own = n[t];
      if (own > median) (factors[s] as Float64Array)[t] = median / own;
    });
  }
  return factors;
}

/** Throws RangeError on a weight or a number of submissions outside the protocol's limits. */
export function prepareStep(
  accepted: readonly WeightedUpdate[],
  layout: ParameterLayout,
  settings: SparseLoco,
): PreparedStep {
  if (accepted.length > MAX_ACCEPTED) {
    throw new RangeError(`${accepted.length} submissions in one outer step, at most ${MAX_ACCEPTED}`);
  }
  for (const { weight } of accepted) {
    if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
      throw new RangeError(`weight ${weight} is not an integer in 1..${MAX_WEIGHT}`);
    }
  }
  const factors = clipFactors(
    accepted.map((a) => a.update),
    layout,
  );
  const unit = 2 ** settings.fractionBits;
  let saturated = 0;
  const values = accepted.map(({ update }, s) => {
    const out = new Int32Array(layout.chunks * CODES);
    layout.tensors.forEach((tensor, t) => {
      const scale = settings.alpha * factors[s][t] * unit;
      for (let i = tensor.firstChunk * CODES; i < (tensor.firstChunk + tensor.chunks) * CODES; i++) {
        // Half away from zero, so that a code and its negative stay negatives.
        const exact = scale * signedLevelValue(update.tables[i]);
        const magnitude = Math.floor(Math.abs(exact) + 0.5);
        if (magnitude > MAX_VALUE) saturated++;
        out[i] = Math.sign(exact) * Math.min(magnitude, MAX_VALUE);
      }
    });
    return out;
  });
  const weights = accepted.map((a) => a.weight);
  return { values, weights, totalWeight: weights.reduce((a, b) => a + b, 0), saturated };
}

/** What the outer step changes: one integer for each coordinate that anyone moved. */
export interface StepChange {
  /** Entries of chunk c are `[starts[c], starts[c + 1])`; length layout.chunks + 1. */
  readonly starts: Uint32Array;
  /** Position in the chunk, ascending within it. */
  readonly positions: Uint16Array;
  /** To be subtracted from θ; at most 2^30 in magnitude. */
  readonly changes: Int32Array;
}

/** Combines all submissions of a prepared step. */
export function mergeStep(
  accepted: readonly WeightedUpdate[],
  step: PreparedStep,
  layout: ParameterLayout,
  settings: SparseLoco,
): StepChange {
  const numerator = new Float64Array(CHUNK);
  const denominator = new Float64Array(CHUNK);
  const all = settings.average === 'all';
  const most = accepted.reduce((n, a) => n + a.update.entries.length, 0);
  const capacity = Math.min(most, layout.elements);
  const starts = new Uint32Array(layout.chunks + 1);
  const positions = new Uint16Array(capacity);
  const changes = new Int32Array(capacity);
  let at = 0;
  for (let c = 0; c < layout.chunks; c++) {
    for (let s = 0; s < accepted.length; s++) {
      const { update } = accepted[s];
      const v = step.values[s];
      const weight = step.weights[s];
      const end = update.starts[c + 1];
      for (let i = update.starts[c]; i < end; i++) {
        const entry = update.entries[i];
        const p = entry & 0xfff;
        numerator[p] = numerator[p] + weight * v[c * CODES + (entry >> 12)];
        denominator[p] = denominator[p] + weight;
      }
    }
    for (let p = 0; p < CHUNK; p++) {
      const senders = denominator[p];
      if (senders === 0) continue;
      const n = numerator[p];
      const d = all ? step.totalWeight : senders;
      // Exact: a quotient that is no integer is at least 2^-16 away from the next one, and it is below 2^31.
      const magnitude = Math.floor((Math.abs(n) + Math.floor(d / 2)) / d);
      positions[at] = p;
      changes[at++] = n < 0 ? -magnitude : magnitude;
      numerator[p] = 0;
      denominator[p] = 0;
    }
    starts[c + 1] = at;
  }
  return { starts, positions: positions.subarray(0, at), changes: changes.subarray(0, at) };
}

/** Subtracts a change from `theta` in place; returns how many coordinates saturated. */
export function subtractStep(theta: Int32Array, change: StepChange, layout: ParameterLayout): number {
  const { starts, positions, changes } = change;
  let saturated = 0;
  chunkPlaces(layout).forEach(({ base, stride }, c) => {
    const end = starts[c + 1];
    for (let i = starts[c]; i < end; i++) {
      const p = positions[i];
      const at = base + (p >> 6) * stride + (p & 63);
      const next = theta[at] - changes[i];
      if (next > I32_MAX || next < I32_MIN) saturated++;
      theta[at] = next > I32_MAX ? I32_MAX : next < I32_MIN ? I32_MIN : next;
    }
  });
  return saturated;
}
