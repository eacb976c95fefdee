/** Copies are found, victims and honest work are not accused. */
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
  expect(found).toEqual([{ copy: 3, original: 1, overlap: 1 }]);
});

test('honest supports with 40 % in common pass a limit of 60 %, a copy with a quarter replaced does not', () => {
  const honest = Array.from({ length: 12 }, (_, i) => support(100 + i, 30, 0.4));
  expect(findCopies(of(...honest), 0.6, 99)).toEqual([]);
  const noisy = support(500, 30, 0.75, 77);
  const found = findCopies(of(...honest, support(501, 30, 1, 77), noisy), 0.6, 99);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ copy: 13, original: 12 });
  expect(found[0]?.overlap).toBeCloseTo(0.75, 1);
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
  expect(found[0]?.overlap).toBeCloseTo(0.705, 1);
});
