/** Loss scores, the loss gate and weights. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rulesOf } from '../chain/rules.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { doubt, type Gained, gainProblem, lossProblem, lossScore } from './scores.ts';
import { weightsOf } from './weights.ts';

describe('loss score', () => {
  test('mean gain and its standard error', () => {
    const score = lossScore({ before: [5, 4, 6, 5], after: [4.9, 3.7, 5.9, 4.7] });
    expect(score.gain).toBeCloseTo(0.2, 12);
    // Gains 0.1, 0.3, 0.1, 0.3: variance 0.04/3, over 4.
    expect(score.error).toBeCloseTo(Math.sqrt(0.04 / 3 / 4), 12);
    expect(lossScore({ before: [5], after: [4] })).toEqual({ gain: 1, error: 0, count: 1 });
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
    expect(lossProblem({ ...score, count: 100 })?.reason ?? null).toBe(reason);
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

describe('gain gate', () => {
  /** Losses of `n` sequences around a step that gains `gain` on average, with noise. */
  const gained = (gain: number, { seed = 1, n = 16, noise = 0.005, tokens = 1000 } = {}): Gained => {
    const random = randomSource(seed);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const before = Array.from({ length: n }, () => 5 + normal());
    return { tokens, unassigned: { before, after: before.map((loss) => loss - gain - noise * normal()) } };
  };
  const honest = Array.from({ length: 7 }, (_, i) => gained(0.05, { seed: 10 + i }));
  const reason = (own: Gained, others = honest, least = 0.25) =>
    gainProblem(own, others, least)?.reason ?? null;

  test('half the gain of the others passes, a tenth and none do not', () => {
    expect(reason(gained(0.025))).toBe(null);
    expect(reason(gained(0.0))).toBe('loss');
    expect(reason(gained(0.002, { noise: 0.002 }))).toBe('loss');
    const note = gainProblem(gained(0), honest, 0.25)?.note;
    expect(note).toMatchObject({ code: 'gain-short', figures: { least: 0.25 } });
    expect(note?.figures.others).toBeCloseTo(0.05, 2);
    expect(note?.figures.gain).toBeCloseTo(0, 2);
    expect(note?.figures.noise).toBeGreaterThan(0);
  });

  test('few tokens may gain little: a quarter of the tokens a sixteenth', () => {
    const phone = gained(0.002, { noise: 0.001, tokens: 250 });
    expect(reason(phone)).toBe(null);
    expect(reason({ ...phone, tokens: 1000 })).toBe('loss');
  });

  test('many phones do not lower what a claim of many tokens must gain', () => {
    const phones = Array.from({ length: 7 }, (_, i) =>
      gained(0.008, { seed: 50 + i, noise: 0.001, tokens: 250 }),
    );
    expect(reason(gained(0.03, { noise: 0.001 }), phones)).toBe(null);
    expect(reason(gained(0.004, { noise: 0.001 }), phones)).toBe('loss');
  });

  test('what noise may explain is not refused, nor who is alone', () => {
    expect(reason(gained(0, { noise: 0.2 }))).toBe(null);
    expect(reason(gained(-1), [])).toBe(null);
  });

  test('when nobody gains anything, nobody has to', () => {
    const idle = Array.from({ length: 7 }, (_, i) => gained(0, { seed: 30 + i }));
    for (const own of idle) expect(reason(own, idle)).toBe(null);
  });

  test('a minority cannot move the yardstick past the honest ones', () => {
    fc.assert(
      fc.property(fc.double({ min: -100, max: 100, noNaN: true }), fc.nat(1000), (lie, seed) => {
        const liars = Array.from({ length: 3 }, (_, i) => gained(lie, { seed: seed + i }));
        const crowd = [...honest, ...liars];
        for (const own of honest) {
          const others = crowd.filter((other) => other !== own);
          expect(reason(own, others)).toBe(null);
        }
        expect(reason(gained(0, { seed: seed + 9 }), crowd)).toBe('loss');
      }),
      { numRuns: 50 },
    );
  });

  test('doubt is that of Student: strict with few sequences, three standard errors with many', () => {
    expect(doubt(4)).toBeGreaterThan(8);
    expect(doubt(8)).toBeCloseTo(4.5, 1);
    expect(doubt(1000)).toBeCloseTo(3, 1);
  });
});

describe('weights', () => {
  const rules = rulesOf(testManifest(testHash('organizer'), []).gauntlet);
  const work = (...units: number[]) => units.map((u) => ({ units: u, verifiedRounds: 0 }));

  test('by units, the most work gets the greatest weight, the least never nothing', () => {
    expect(weightsOf(work(15_360, 1024, 7680), rules)).toEqual([1024, 68, 512]);
    expect(weightsOf(work(1, 1_000_000), rules)).toEqual([1, 1024]);
    expect(weightsOf(work(7), rules)).toEqual([1024]);
    expect(weightsOf([], rules)).toEqual([]);
  });

  test('newcomers ramp up over verified rounds', () => {
    const ramped = { ...rules, rampRounds: 3 };
    const entries = [0, 1, 2, 3, 9].map((verifiedRounds) => ({ units: 1000, verifiedRounds }));
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
