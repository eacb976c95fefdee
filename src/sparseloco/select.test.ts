/** Selection and quantisers against plain definitions of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { signedLevelValue } from './levels.ts';
import { quantiserOf } from './quantisers.ts';
import { selectTopK } from './select.ts';
import { randomSource } from './testing.ts';

/** Heavy tails, many ties, zeros of both signs, denormals. */
function chunkOf(seed: number): Float32Array {
  const random = randomSource(seed);
  const kind = Math.floor(random() * 4);
  return Float32Array.from({ length: 4096 }, () => {
    const x = random() - 0.5;
    if (kind === 0) return x ** 9;
    if (kind === 1) return Math.round(x * 6);
    if (kind === 2) return random() < 0.995 ? (x < 0 ? -0 : 0) : x;
    return x * 1e-43;
  });
}

test('top-k is what sorting by magnitude and then position gives', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 8, max: 512 }), (seed, k) => {
      const chunk = chunkOf(seed);
      const expected = [...chunk.keys()]
        .filter((i) => chunk[i] !== 0)
        .sort((a, b) => Math.abs(chunk[b]) - Math.abs(chunk[a]) || a - b)
        .slice(0, k)
        .sort((a, b) => a - b);
      const out = new Uint16Array(600).fill(9999);
      const count = selectTopK(new Uint32Array(chunk.buffer), k, out, 7);
      expect([...out.subarray(7, 7 + count)]).toEqual(expected);
      expect(out[6]).toBe(9999);
      expect(out[7 + count]).toBe(9999);
    }),
    { numRuns: 60, seed: 1 },
  );
});

function quantise(name: 'sign1' | 'sign2' | 'tensor4', values: number[]) {
  const codes = new Uint8Array(values.length);
  const table = new Int16Array(4);
  quantiserOf({ quantiser: name }).quantise(Float32Array.from(values), 0, values.length, codes, table);
  const decoded = [...codes].map((q) => signedLevelValue(table[q]));
  return { codes: [...codes], table: [...table], decoded };
}

describe('quantisers', () => {
  test('sign1: the mean magnitude, to the nearest level', () => {
    const { codes, decoded } = quantise('sign1', [1, -3, 2, -2]);
    expect(codes).toEqual([0, 1, 0, 1]);
    expect(decoded).toEqual([2, -2, 2, -2]);
  });

  test('sign2: two magnitudes where there are two', () => {
    expect(quantise('sign2', [1, -1, 1, 8, -8, 1]).decoded).toEqual([1, -1, 1, 8, -8, 1]);
    // One magnitude is enough: both levels are the same and nothing is "large".
    expect(quantise('sign2', [4, -4, 4]).decoded).toEqual([4, -4, 4]);
  });

  test('tensor4: bins of 1.5 standard deviations around the mean, decoded as bin means', () => {
    // Mean 0, unbiased standard deviation 1.179; bins end at -2.65, -0.88 and +0.88.
    const { codes, decoded } = quantise('tensor4', [-1, 1, -1, 1, 0, 0, 0.5, -0.5, 2, -2]);
    expect(codes).toEqual([1, 3, 1, 3, 2, 2, 2, 2, 3, 1]);
    expect(decoded[0]).toBeCloseTo(-4 / 3, 1);
    expect(decoded[8]).toBeCloseTo(4 / 3, 1);
    expect(decoded[4]).toBe(0);
  });

  test('no values, one value and equal values', () => {
    for (const name of ['sign1', 'sign2', 'tensor4'] as const) {
      expect(quantise(name, []).table).toEqual([0, 0, 0, 0]);
      expect(quantise(name, [-2]).decoded).toEqual([-2]);
      expect(quantise(name, [0.5, 0.5]).decoded).toEqual([0.5, 0.5]);
    }
  });

  test('sign2 has less than half the error of sign1 on spread-out values', () => {
    const error = (name: 'sign1' | 'sign2', xs: number[]) =>
      quantise(name, xs).decoded.reduce((n, q, i) => n + (q - xs[i]) ** 2, 0);
    for (let seed = 0; seed < 50; seed++) {
      const random = randomSource(seed);
      const xs = Array.from({ length: 64 }, () => (random() - 0.5) * 0.1);
      expect(error('sign2', xs)).toBeLessThan(error('sign1', xs) * 0.5);
    }
  });
});
