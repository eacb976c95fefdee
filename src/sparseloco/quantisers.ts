/**
 * The three quantisers behind one interface: which two-bit (or one-bit) code each kept value gets, and which signed
 * magnitude each code stands for.
 *
 * - `tensor4`: as published (SparseLoCo, arXiv 2508.15706, and its code): one set of 4 bins per tensor, uniform in
 *   units of 1.5 standard deviations around the mean, each decoded as the mean of what fell into it.
 * - `sign2`: sign and one of two magnitudes per chunk, the magnitudes by Lloyd's iteration.
 * - `sign1`: sign and one magnitude per chunk, the mean: the least-squares choice for one magnitude.
 */
import type { SparseLoco } from '../protocol/manifest.ts';
import { levelOf, signedLevelOf } from './levels.ts';

export interface Quantiser {
  readonly name: SparseLoco['quantiser'];
  /** What one table of magnitudes covers. */
  readonly scope: 'chunk' | 'tensor';
  /** Bits of a code: 1 or 2. */
  readonly bits: 1 | 2;
  /**
   * Chooses the table for `values[from, to)` and each value's code. Writes signed levels to `table[0..3]` (unused ones
   * 0) and codes to `codes[from, to)`.
   */
  quantise(values: Float32Array, from: number, to: number, codes: Uint8Array, table: Int16Array): void;
}

const sign1: Quantiser = {
  name: 'sign1',
  scope: 'chunk',
  bits: 1,
  quantise(values, from, to, codes, table) {
    let sum = 0;
    for (let i = from; i < to; i++) {
      const x = values[i];
      sum += Math.abs(x);
      codes[i] = x < 0 ? 1 : 0;
    }
    const level = to > from ? levelOf(sum / (to - from)) : 0;
    table.fill(0);
    table[0] = level;
    table[1] = -level;
  },
};

/** Rounds of Lloyd's iteration from the mean; the third moves the split by well under a level. */
const LLOYD_ROUNDS = 3;

const sign2: Quantiser = {
  name: 'sign2',
  scope: 'chunk',
  bits: 2,
  quantise(values, from, to, codes, table) {
    let sum = 0;
    for (let i = from; i < to; i++) sum += Math.abs(values[i]);
    let split = to > from ? sum / (to - from) : 0;
    let small = split;
    let large = split;
    for (let round = 0; round < LLOYD_ROUNDS; round++) {
      let above = 0;
      let aboveSum = 0;
      for (let i = from; i < to; i++) {
        const m = Math.abs(values[i]);
        if (m > split) {
          above++;
          aboveSum += m;
        }
      }
      const below = to - from - above;
      if (above === 0 || below === 0) break;
      large = aboveSum / above;
      small = (sum - aboveSum) / below;
      split = (large + small) / 2;
    }
    const low = levelOf(small);
    const high = levelOf(large);
    table[0] = low;
    table[1] = -low;
    table[2] = high;
    table[3] = -high;
    for (let i = from; i < to; i++) {
      const x = values[i];
      codes[i] = (Math.abs(x) > split ? 2 : 0) | (x < 0 ? 1 : 0);
    }
  },
};

/** Bins of the published quantiser and how many standard deviations they span. */
const BINS = 4;
const RANGE_IN_SIGMAS = 6;

const tensor4: Quantiser = {
  name: 'tensor4',
  scope: 'tensor',
  bits: 2,
  quantise(values, from, to, codes, table) {
    const n = to - from;
    table.fill(0);
    if (n === 0) return;
    let mean = 0;
    for (let i = from; i < to; i++) mean += values[i];
    mean /= n;
    let variance = 0;
    for (let i = from; i < to; i++) variance += (values[i] - mean) ** 2;
    // Unbiased, as published; one value alone has no spread and falls into the middle bin.
    const step = (RANGE_IN_SIGMAS * Math.sqrt(variance / Math.max(1, n - 1))) / BINS;
    const sums = new Float64Array(BINS);
    const counts = new Float64Array(BINS);
    for (let i = from; i < to; i++) {
      const x = values[i];
      const bin = step > 0 ? Math.round((x - mean) / step) + BINS / 2 : BINS / 2;
      const code = Math.min(BINS - 1, Math.max(0, bin));
      codes[i] = code;
      sums[code] = sums[code] + x;
      counts[code] = counts[code] + 1;
    }
    for (let q = 0; q < BINS; q++) {
      const count = counts[q];
      table[q] = count > 0 ? signedLevelOf(sums[q] / count) : 0;
    }
  },
};

const QUANTISERS = { sign1, sign2, tensor4 } as const;

export function quantiserOf(settings: Pick<SparseLoco, 'quantiser'>): Quantiser {
  return QUANTISERS[settings.quantiser];
}
