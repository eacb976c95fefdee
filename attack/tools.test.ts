/** What attackers make of updates keeps what it says it keeps, and still is a submission. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compressCpu } from '../src/sparseloco/compress-cpu.ts';
import { overlap, submissionStats } from '../src/sparseloco/stats.ts';
import {
  randomDelta,
  randomSource,
  randomTheta,
  smallLayout,
  testHeader,
  testSettings,
} from '../src/sparseloco/testing.ts';
import { thetaToFloat } from '../src/model/init.ts';
import type { SparseUpdate } from '../src/sparseloco/update.ts';
import { encodeSubmission } from '../src/sparseloco/wire.ts';
import {
  mosaic,
  randomised,
  scaled,
  withFlippedSigns,
  withMovedPositions,
  withPermutedChunks,
} from './tools.ts';

const layout = smallLayout();
const settings = testSettings();

function honest(seed: number): SparseUpdate {
  const theta = randomTheta(layout, seed);
  const start = thetaToFloat(theta, settings.fractionBits);
  const delta = randomDelta(layout, seed);
  const parameters = start.map((x, i) => x - delta[i]);
  return compressCpu({ theta, parameters, error: new Float32Array(layout.elements) }, layout, settings)
    .update;
}

/** As a validator sees it; throws unless it decodes. */
const seen = (update: SparseUpdate) =>
  submissionStats(encodeSubmission(update, testHeader(), layout, settings), layout, settings);

const victim = honest(1);
const original = seen(victim);

describe('every change gives a submission that decodes', () => {
  test('a scaled copy: the same positions, the norm times the factor', () => {
    const copy = seen(scaled(victim, 2));
    expect(overlap(copy, original)).toBe(1);
    expect(copy.norm / original.norm).toBeCloseTo(2, 5);
  });

  test('all signs flipped: the same positions and norm', () => {
    const flipped = seen(withFlippedSigns(victim, 1, () => 0));
    expect(overlap(flipped, original)).toBe(1);
    expect(flipped.norm).toBeCloseTo(original.norm, 6);
  });

  test('moved positions: as much overlap as was left in place, the same norm', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (share, seed) => {
        const copy = seen(withMovedPositions(victim, layout, share, randomSource(seed)));
        expect(Math.abs(overlap(copy, original) - (1 - share))).toBeLessThan(0.08);
        expect(copy.norm).toBeCloseTo(original.norm, 6);
      }),
      { numRuns: 25 },
    );
  });

  test('permuted chunks: hardly any overlap, the same norm', () => {
    const copy = seen(withPermutedChunks(victim, layout, randomSource(3)));
    expect(overlap(copy, original)).toBeLessThan(0.2);
    expect(copy.norm).toBeCloseTo(original.norm, 6);
  });

  test('randomised: no overlap beyond chance, the same norm', () => {
    const copy = seen(randomised(victim, layout, randomSource(4)));
    expect(overlap(copy, original)).toBeLessThan(0.05);
    expect(copy.norm).toBeCloseTo(original.norm, 6);
  });

  test('a mosaic: of each of four victims a fourth', () => {
    const victims = [1, 2, 3, 4].map(honest);
    const copy = seen(mosaic(victims));
    for (const other of victims) expect(Math.abs(overlap(copy, seen(other)) - 1 / 4)).toBeLessThan(0.1);
  });
});
