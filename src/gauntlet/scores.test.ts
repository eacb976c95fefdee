/** Loss scores, the loss gate and weights. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { testHash, testManifest } from '../protocol/testing.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { lossProblem, lossScore } from './scores.ts';
import { weightsOf } from './weights.ts';

describe('loss score', () => {
  test('mean gain and its standard error', () => {
    const score = lossScore({ before: [5, 4, 6, 5], after: [4.9, 3.7, 5.9, 4.7] });
    expect(score.gain).toBeCloseTo(0.2, 12);
    // Gains 0.1, 0.3, 0.1, 0.3: variance 0.04/3, over 4.
    expect(score.error).toBeCloseTo(Math.sqrt(0.04 / 3 / 4), 12);
    expect(lossScore({ before: [5], after: [4] })).toEqual({ gain: 1, error: 0 });
  });

  test('lists that do not pair are a mistake of the caller', () => {
    expect(() => lossScore({ before: [1, 2], after: [1] })).toThrow(RangeError);
    expect(() => lossScore({ before: [], after: [] })).toThrow(RangeError);
  });
});

describe('loss gate', () => {
  test.each([
    ['better', { gain: 0.1, error: 0.01 }, null],
    ['no effect', { gain: 0, error: 0 }, null],
    ['rounding', { gain: -1e-6, error: 0 }, null],
    ['worse, within the noise', { gain: -0.02, error: 0.01 }, null],
    ['worse beyond doubt', { gain: -0.04, error: 0.01 }, 'loss'],
    ['worse, measured once', { gain: -0.001, error: 0 }, 'loss'],
    ['blown up', { gain: Number.NaN, error: Number.NaN }, 'loss'],
    ['infinitely worse', { gain: Number.NEGATIVE_INFINITY, error: Number.NaN }, 'loss'],
  ])('%s', (_, score, reason) => {
    expect(lossProblem(score)?.reason ?? null).toBe(reason);
  });

  test('refuses fewer than 1 in 100 honest steps whose gain is a fifth of the noise, and most sign flips', () => {
    const random = randomSource(7);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const refusedOf = (gain: number) => {
      let refused = 0;
      for (let trial = 0; trial < 4000; trial++) {
        const before = Array.from({ length: 16 }, () => 5 + normal());
        const after = before.map((loss) => loss - gain - 0.05 * normal());
        if (lossProblem(lossScore({ before, after })) !== null) refused++;
      }
      return refused / 4000;
    };
    expect(refusedOf(0.01)).toBeLessThan(0.01);
    expect(refusedOf(-0.1)).toBeGreaterThan(0.99);
  });
});

describe('weights', () => {
  const rules = testManifest(testHash('organizer'), []).gauntlet;
  const work = (...tokens: number[]) => tokens.map((t) => ({ tokens: t, verifiedRounds: 0 }));

  test('by tokens, the most work gets the greatest weight, the least never nothing', () => {
    expect(weightsOf(work(15_360, 1024, 7680), rules)).toEqual([1024, 68, 512]);
    expect(weightsOf(work(1, 1_000_000), rules)).toEqual([1, 1024]);
    expect(weightsOf(work(7), rules)).toEqual([1024]);
    expect(weightsOf([], rules)).toEqual([]);
  });

  test('newcomers ramp up over verified rounds', () => {
    const ramped = { ...rules, rampRounds: 3 };
    const entries = [0, 1, 2, 3, 9].map((verifiedRounds) => ({ tokens: 1000, verifiedRounds }));
    expect(weightsOf(entries, ramped)).toEqual([256, 512, 768, 1024, 1024]);
  });

  test('no identity above its share, and the order stays', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 1e9 }), { minLength: 1, maxLength: 64 }),
        fc.double({ min: 0.02, max: 1, noNaN: true }),
        (tokens, maxShare) => {
          const weights = weightsOf(work(...tokens), { ...rules, maxShare });
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const limit = Math.max(maxShare, 1 / tokens.length);
          // Integer rounding of up to half a unit each way.
          expect(Math.max(...weights)).toBeLessThanOrEqual(limit * (total + tokens.length / 2) + 0.5);
          expect(Math.max(...weights)).toBe(1024);
          for (let i = 1; i < tokens.length; i++) {
            const order = Math.sign(tokens[i] - tokens[i - 1]);
            const step = weights[i] - weights[i - 1];
            if (order !== 0 && step !== 0) expect(Math.sign(step)).toBe(order);
          }
        },
      ),
    );
  });
});
