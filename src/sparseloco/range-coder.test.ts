/** The range coder alone: exact for any bits, carries included, and close to the entropy. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BitModels, RangeDecoder, RangeEncoder } from './range-coder.ts';
import { randomSource } from './testing.ts';

const prefix = Uint8Array.of(7, 0);

test('any mix of modelled, direct and tree bits comes back', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: 3000 }),
      fc.double({ min: 0, max: 1 }),
      (seed, n, skew) => {
        const random = randomSource(seed);
        const bits = Array.from({ length: n }, () => (random() < skew ? 1 : 0));
        const encoder = new RangeEncoder(prefix, 0);
        const models = new BitModels(40);
        bits.forEach((bit, i) => {
          if (i % 7 === 0) encoder.direct(bit * 5, 3);
          else if (i % 11 === 0) encoder.tree(models, 8, bit * 9, 5);
          else encoder.bit(models, i % 5, bit);
        });
        const bytes = encoder.finish();
        expect([...bytes.subarray(0, 2)]).toEqual([7, 0]);
        const decoder = new RangeDecoder(bytes, 2);
        const again = new BitModels(40);
        const decoded = bits.map((_, i) => {
          if (i % 7 === 0) return decoder.direct(3) / 5;
          if (i % 11 === 0) return decoder.tree(again, 8, 5) / 9;
          return decoder.bit(again, i % 5);
        });
        expect(decoded).toEqual(bits);
        expect(decoder.ended(2)).toBe(true);
      },
    ),
    { numRuns: 150, seed: 2 },
  );
});

test('a carry runs through any number of waiting bytes', () => {
  // Direct ones push `low` to the top of the range, so that a late addition ripples far up.
  for (let ones = 0; ones < 200; ones++) {
    const encoder = new RangeEncoder(new Uint8Array(), 0);
    const models = new BitModels(1, 65_504);
    for (let i = 0; i < ones; i++) encoder.direct(1, 1);
    for (let i = 0; i < 9; i++) encoder.bit(models, 0, 1);
    const decoder = new RangeDecoder(encoder.finish(), 0);
    const again = new BitModels(1, 65_504);
    for (let i = 0; i < ones; i++) expect(decoder.direct(1)).toBe(1);
    for (let i = 0; i < 9; i++) expect(decoder.bit(again, 0)).toBe(1);
    expect(decoder.ended(0)).toBe(true);
  }
});

test('skewed bits cost near their entropy', () => {
  const random = randomSource(9);
  const n = 200_000;
  const p = 1 / 64;
  const encoder = new RangeEncoder(new Uint8Array(), 0);
  const models = new BitModels(1);
  for (let i = 0; i < n; i++) encoder.bit(models, 0, random() < p ? 1 : 0);
  const entropy = n * -(p * Math.log2(p) + (1 - p) * Math.log2(1 - p));
  expect((8 * encoder.finish().byteLength) / entropy).toBeLessThan(1.05);
});

test('nothing at all takes no bytes', () => {
  expect(new RangeEncoder(new Uint8Array(), 0).finish().byteLength).toBe(0);
  const decoder = new RangeDecoder(new Uint8Array(), 0);
  expect(decoder.overrun).toBe(4);
  expect(decoder.ended(0)).toBe(true);
});
