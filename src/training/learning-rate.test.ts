/** The schedule's corners, and that it never leaves its range. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learningRateAt } from './learning-rate.ts';

const settings = {
  learningRate: 1e-3,
  minLearningRateRatio: 0.1,
  warmupRounds: 2,
  totalRounds: 102,
  maxInnerSteps: 30,
};

describe('learning rate', () => {
  it('climbs within the first steps of each warm-up round', () => {
    expect(learningRateAt(settings, 0, 0)).toBeCloseTo(1e-3 / 16, 12);
    expect(learningRateAt(settings, 0, 7)).toBeCloseTo(5e-4, 12);
    expect(learningRateAt(settings, 0, 29)).toBeCloseTo(5e-4, 12);
    expect(learningRateAt(settings, 1, 3)).toBeCloseTo(7.5e-4, 12);
    expect(learningRateAt(settings, 1, 29)).toBeCloseTo(1e-3, 12);
  });

  it('falls along a cosine to its floor and stays there', () => {
    expect(learningRateAt(settings, 2, 0)).toBeCloseTo(1e-3, 12);
    expect(learningRateAt(settings, 52, 0)).toBeCloseTo(5.5e-4, 12);
    expect(learningRateAt(settings, 51, 30)).toBeCloseTo(5.5e-4, 12);
    expect(learningRateAt(settings, 102, 0)).toBeCloseTo(1e-4, 12);
    expect(learningRateAt(settings, 1e6, 5)).toBeCloseTo(1e-4, 12);
  });

  it('starts at the peak without warm-up', () => {
    expect(learningRateAt({ ...settings, warmupRounds: 0 }, 0, 0)).toBeCloseTo(1e-3, 12);
  });

  it('stays positive and at most the peak, whatever the manifest allows', () => {
    const any = fc.record({
      learningRate: fc.double({ min: 1e-9, max: 10, noNaN: true }),
      minLearningRateRatio: fc.double({ min: 0, max: 1, noNaN: true }),
      warmupRounds: fc.nat(1000),
      totalRounds: fc.integer({ min: 1, max: 10_000 }),
      maxInnerSteps: fc.integer({ min: 1, max: 1000 }),
    });
    fc.assert(
      fc.property(any, fc.nat(20_000), fc.nat(2000), (s, height, step) => {
        const rate = learningRateAt(s, height, step);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThanOrEqual(s.learningRate * (1 + 1e-12));
      }),
    );
  });
});
