/** Rank correlation, and that more sequences make a ranking more stable. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomSource } from '../src/sparseloco/testing.ts';
import { kendallTau, stability } from './ranking.ts';

test("Kendall's tau: 1 for the same order, -1 for the opposite, whatever the values", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer(), { minLength: 2, maxLength: 20 }), (values) => {
      expect(
        kendallTau(
          values,
          values.map((x) => x ** 3),
        ),
      ).toBeCloseTo(1, 10);
      expect(
        kendallTau(
          values,
          values.map((x) => -x),
        ),
      ).toBeCloseTo(-1, 10);
    }),
  );
  // One of three pairs in opposite order.
  expect(kendallTau([1, 2, 3], [1, 3, 2])).toBeCloseTo(1 / 3, 10);
});

test('more sequences, more stable', () => {
  const random = randomSource(1);
  const keys = Array.from({ length: 12 }, (_, i) => String(i));
  const rounds = Array.from({ length: 10 }, () => {
    return new Map(
      keys.map((key, i) => [key, Array.from({ length: 256 }, () => i / 12 + 2 * (random() - 0.5))]),
    );
  });
  const [few, some, many] = [2, 16, 128].map((n) => stability(rounds, keys, n));
  expect(few).toBeLessThan(some);
  expect(some).toBeLessThan(many);
  expect(many).toBeGreaterThan(0.8);
});
