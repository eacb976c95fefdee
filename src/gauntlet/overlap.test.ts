/** Copies are found, victims and honest work are not accused. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { randomSource } from '../sparseloco/testing.ts';
import { findCopies, samplePositions } from './overlap.ts';

/** 64 positions of each of `chunks` chunks, `shared` of them from a common seed. */
function support(seed: number, chunks: number, shared = 0, sharedSeed = 1): Uint32Array {
  const own = randomSource(seed);
  const common = randomSource(sharedSeed);
  const out: number[] = [];
  for (let chunk = 0; chunk < chunks; chunk++) {
    const positions = new Set<number>();
    const from = Array.from({ length: 64 }, () => Math.floor(common() * 4096));
    for (let i = 0; i < Math.round(64 * shared); i++) positions.add(from[i]);
    while (positions.size < 64) positions.add(Math.floor(own() * 4096));
    for (const position of [...positions].sort((a, b) => a - b)) out.push(chunk * 4096 + position);
  }
  return Uint32Array.from(out);
}

const of = (...lists: Uint32Array[]) => lists.map((positions) => ({ positions }));

test('the later of two equal supports is the copy, with its original named', () => {
  const victim = support(11, 30);
  const found = findCopies(of(support(12, 30), victim, support(13, 30), victim.slice()), 0.6, 99);
  expect(found).toEqual([{ copy: 3, original: 1, kind: 'positions', share: 1, limit: 0.6 }]);
});

test('honest supports with 40 % in common pass a limit of 60 %, a copy with a quarter replaced does not', () => {
  const honest = Array.from({ length: 12 }, (_, i) => support(100 + i, 30, 0.4));
  expect(findCopies(of(...honest), 0.6, 99)).toEqual([]);
  const noisy = support(500, 30, 0.75, 77);
  const found = findCopies(of(...honest, support(501, 30, 1, 77), noisy), 0.6, 99);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ copy: 13, original: 12 });
  expect(found[0]?.share).toBeCloseTo(0.75, 1);
});

test('long supports are compared on whole chunks that only the seed decides', () => {
  const long = support(1, 2000);
  const sample = samplePositions(long, 42);
  expect(sample.length).toBeGreaterThan(8192 * 0.8);
  expect(sample.length).toBeLessThan(8192 * 1.2);
  expect(sample.length % 64).toBe(0);
  expect(samplePositions(long, 42)).toEqual(sample);
  expect(samplePositions(long, 43)).not.toEqual(sample);
  // The estimate from the sample is close to the truth.
  const found = findCopies(of(support(2, 2000, 0.7, 5), support(3, 2000, 0.7, 5)), 0.5, 42);
  expect(found[0]?.share).toBeCloseTo(0.705, 1);
});

test('what the last certificate applied is an original too, and nobody of this round stands for it', () => {
  const old = support(11, 30);
  const found = findCopies(of(support(12, 30), old.slice()), 0.6, 99, of(support(13, 30), old));
  expect(found).toEqual([{ copy: 1, original: -1, kind: 'positions', share: 1, limit: 0.6 }]);
});

test('a mosaic of four victims is a copy, though none of them shares more than a fourth', () => {
  const victims = Array.from({ length: 4 }, (_, i) => support(20 + i, 40, 0.2));
  const chunkOf = (p: number) => p >>> 12;
  const mosaic = Uint32Array.from(
    victims.flatMap((victim, i) => [...victim].filter((p) => chunkOf(p) % 4 === i)),
  ).sort();
  const honest = support(30, 40, 0.2);
  const found = findCopies(of(...victims, honest, mosaic), 0.6, 7);
  expect(found).toMatchObject([{ copy: 5, kind: 'mosaic', share: 1 }]);
});

test('chunks that moved to other places are found again, also with a third of their positions changed', () => {
  const victim = support(40, 40);
  const move = (positions: Uint32Array, by: number) =>
    Uint32Array.from(positions, (p) => (((p >>> 12) + by) % 40) * 4096 + (p & 0xfff)).sort();
  const honest = Array.from({ length: 6 }, (_, i) => support(50 + i, 40, 0.3));
  const all = of(victim, ...honest, move(victim, 7), move(support(41, 40, 0.67, 777), 3));
  const original = support(42, 40, 1, 777);
  const found = findCopies([{ positions: original }, ...all], 0.5, 7);
  expect(found).toMatchObject([
    { copy: 8, original: 1, kind: 'moved-chunks', share: 1 },
    { copy: 9, original: 0, kind: 'moved-chunks' },
  ]);
});

test('whatever honest supports have in common up to 30 %, in whatever order, nobody is accused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 30 }), fc.nat(1000), (percent, seed) => {
      const honest = Array.from({ length: 8 }, (_, i) => support(seed + i, 20, percent / 100, 5000 + seed));
      expect(findCopies(of(...honest), 0.35 + 0.05, seed)).toEqual([]);
    }),
    { numRuns: 30 },
  );
});
