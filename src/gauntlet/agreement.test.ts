/** Honest signs agree, made-up and flipped ones are found out, and a minority cannot accuse anybody. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { randomSource } from '../sparseloco/testing.ts';
import { agreementProblem, agreements, type SignedPositions } from './agreement.ts';

/** Each of `chunks` chunks has 64 positions of the first 400; `right` of the signs are those of the truth. */
function signed(seed: number, right: number, chunks = 20): SignedPositions {
  const random = randomSource(seed);
  const entries = new Map<number, number>();
  for (let chunk = 0; chunk < chunks; chunk++) {
    while (entries.size < 64 * (chunk + 1)) {
      const position = chunk * 4096 + Math.floor(400 * random());
      const truth = Math.imul(position, 0x9e3779b1) >>> 31;
      if (!entries.has(position)) entries.set(position, random() < right ? truth : 1 - truth);
    }
  }
  const positions = Uint32Array.from(entries.keys()).sort();
  return { positions, negative: Uint8Array.from(positions, (p) => entries.get(p) ?? 0) };
}

const reasons = (crowd: readonly SignedPositions[], least = 0.5) => {
  const all = agreements(crowd, 5);
  return all.map(
    (own, i) =>
      agreementProblem(
        own,
        all.filter((_, other) => other !== i),
        least,
      )?.reason ?? null,
  );
};
const honest = (count: number, right = 0.95) =>
  Array.from({ length: count }, (_, i) => signed(100 + i, right));

test('honest peers pass, even much noisier ones; random and flipped signs do not', () => {
  expect(reasons([...honest(8), signed(1, 0.8), signed(2, 0.5), signed(3, 0.05)])).toEqual([
    ...new Array<null>(9).fill(null),
    'direction',
    'direction',
  ]);
});

test('the note has the numbers', () => {
  const all = agreements([...honest(8), signed(2, 0.5)], 5);
  const note = agreementProblem(all[8], all.slice(0, 8), 0.5)?.note;
  expect(note?.code).toBe('other-direction');
  const { agrees, signs, median } = note?.figures ?? {};
  expect(agrees).toBeGreaterThan(0.4);
  expect(agrees).toBeLessThan(0.6);
  expect(median).toBeGreaterThan(0.8);
  expect(signs).toBe(all[8].shared);
});

test('a minority of any size of lie gets no honest peer refused, and is refused itself when it lies much', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(1000), (right, seed) => {
      const liars = Array.from({ length: 4 }, (_, i) => signed(9000 + 10 * seed + i, right));
      const found = reasons([...honest(9), ...liars]);
      expect(found.slice(0, 9)).toEqual(new Array<null>(9).fill(null));
      if (right < 0.5) expect(found.slice(9)).toEqual(new Array(4).fill('direction'));
    }),
    { numRuns: 40 },
  );
});

test('liars who all keep the same coordinates do not outvote the honest ones there', () => {
  const concentrated = (seed: number): SignedPositions => {
    // The same 64 of each chunk for all of them, with the wrong sign.
    const common = signed(77, 0);
    return {
      positions: common.positions,
      negative: common.negative.map((n, i) => (i % 50 === seed ? 1 - n : n)),
    };
  };
  const found = reasons([...honest(9), ...[0, 1, 2, 3].map(concentrated)]);
  expect(found).toEqual([...new Array<null>(9).fill(null), ...new Array<string>(4).fill('direction')]);
});

test('only with those who count, however many others there are', () => {
  const crowd = [...honest(4), ...Array.from({ length: 9 }, (_, i) => signed(50 + i, 0.05))];
  const values = (counts?: (i: number) => boolean) => agreements(crowd, 5, counts).map(({ value }) => value);
  // Signs that are all turned round agree among themselves.
  expect(Math.max(...values().slice(0, 4))).toBeLessThan(0);
  const known = values((i) => i < 4);
  expect(Math.min(...known.slice(0, 4))).toBeGreaterThan(0.7);
  expect(Math.max(...known.slice(4))).toBeLessThan(-0.7);
});

describe('nobody is refused where nothing can be said', () => {
  test('alone, with one other, or with nothing shared', () => {
    expect(reasons([signed(1, 0)])).toEqual([null]);
    expect(reasons([signed(1, 0), signed(2, 1)])).toEqual([null, null]);
    const far = { positions: Uint32Array.of(3_000_000), negative: Uint8Array.of(1) };
    expect(reasons([...honest(5), far])).toEqual(new Array<null>(6).fill(null));
    expect(reasons([])).toEqual([]);
  });

  test('few shared signs that all differ', () => {
    const [one] = honest(1);
    const few = {
      positions: one.positions.slice(0, 2),
      negative: one.negative.slice(0, 2).map((n) => 1 - n),
    };
    expect(reasons([...honest(6), few]).at(-1)).toBe(null);
  });

  test('when the honest ones themselves hardly agree', () => {
    expect(reasons([...honest(8, 0.5), signed(1, 0.5)])).toEqual(new Array<null>(9).fill(null));
  });
});

test('long submissions are compared on a sample, with the same outcome', () => {
  const long = [1, 2, 3, 4].map((seed) => signed(seed, 0.9, 600));
  const all = agreements([...long, signed(9, 0.5, 600)], 77);
  expect(all[0].shared).toBeLessThan(12_000);
  expect(all.slice(0, 4).every(({ value }) => value > 0.5)).toBe(true);
  expect(Math.abs(all[4].value)).toBeLessThan(0.1);
});
