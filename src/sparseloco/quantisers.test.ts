/** The quantisers on a run of values inside others, against their definitions written out over lists. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { levelOf, signedLevelOf, signedLevelValue } from './levels.ts';
import { quantiserOf } from './quantisers.ts';

type Name = 'sign1' | 'sign2' | 'tensor4';
const NAMES: readonly Name[] = ['sign1', 'sign2', 'tensor4'];
const sum = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);
const mean = (xs: readonly number[]) => (xs.length === 0 ? 0 : sum(xs) / xs.length);
const sign = (x: number) => (x < 0 ? 1 : 0);

/** Codes and table as the definitions give them. */
const DEFINITIONS: Record<Name, (xs: readonly number[]) => { codes: number[]; table: number[] }> = {
  sign1: (xs) => {
    const level = levelOf(mean(xs.map(Math.abs)));
    return { codes: xs.map(sign), table: [level, -level, 0, 0] };
  },
  sign2: (xs) => {
    const magnitudes = xs.map(Math.abs);
    let [small, large] = [mean(magnitudes), mean(magnitudes)];
    let split = small;
    for (let round = 0; round < 3; round++) {
      const [above, below] = [magnitudes.filter((m) => m > split), magnitudes.filter((m) => !(m > split))];
      if (above.length === 0 || below.length === 0) break;
      large = mean(above);
      small = (sum(magnitudes) - sum(above)) / below.length;
      split = (large + small) / 2;
    }
    const [low, high] = [levelOf(small), levelOf(large)];
    return { codes: xs.map((x) => (Math.abs(x) > split ? 2 : 0) + sign(x)), table: [low, -low, high, -high] };
  },
  tensor4: (xs) => {
    const middle = mean(xs);
    const variance = sum(xs.map((x) => (x - middle) ** 2)) / Math.max(1, xs.length - 1);
    const step = 1.5 * Math.sqrt(variance);
    const codes = xs.map((x) =>
      step > 0 ? Math.min(3, Math.max(0, Math.round((x - middle) / step) + 2)) : 2,
    );
    const table = [0, 1, 2, 3].map((q) => signedLevelOf(mean(xs.filter((_, i) => codes[i] === q))));
    return { codes, table };
  },
};

/** Quantises `values[from, to)` into arrays that hold other things already. */
function quantise(name: Name, values: readonly number[], from: number, to: number) {
  const codes = new Uint8Array(values.length).fill(77);
  const table = Int16Array.of(9, 9, 9, 9);
  quantiserOf({ quantiser: name }).quantise(Float32Array.from(values), from, to, codes, table);
  return { codes: [...codes], table: [...table].map((level) => level + 0) };
}

describe.each(NAMES)('%s', (name) => {
  test('has its name, and as many codes as its bits say', () => {
    const quantiser = quantiserOf({ quantiser: name });
    expect(quantiser.name).toBe(name);
    expect([quantiser.scope, quantiser.bits]).toEqual(
      { sign1: ['chunk', 1], sign2: ['chunk', 2], tensor4: ['tensor', 2] }[name],
    );
  });

  test('is its definition on the run it is given, and writes no code outside', () => {
    const value = fc.oneof(
      fc.float({ min: -4, max: 4, noNaN: true }),
      fc.constantFrom(0, -0, 1, -1, 2, -2, 0.5),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 20 }), fc.nat(6), fc.nat(6), (run, before, after) => {
        const xs = [...Float32Array.from(run)];
        const values = [...new Array<number>(before).fill(31), ...xs, ...new Array<number>(after).fill(-77)];
        const got = quantise(name, values, before, before + xs.length);
        const expected = DEFINITIONS[name](xs);
        expect(got.codes).toEqual([
          ...new Array<number>(before).fill(77),
          ...expected.codes,
          ...new Array<number>(after).fill(77),
        ]);
        expect(got.table).toEqual(expected.table.map((level) => level + 0));
      }),
      { numRuns: 300 },
    );
  });

  test('an empty run has a table of zeros and no codes', () => {
    expect(quantise(name, [1, 2], 1, 1)).toEqual({ codes: [77, 77], table: [0, 0, 0, 0] });
  });

  test('zero is not negative, whichever zero', () => {
    const { codes, table } = quantise(name, [0, -0, 0], 0, 3);
    for (const code of codes) expect(code & 1).toBe(0);
    expect(codes.map((code) => signedLevelValue(table[code]) + 0)).toEqual([0, 0, 0]);
  });
});

test('tensor4 with a mean far from zero has its bins around the mean', () => {
  // Mean 100, standard deviation 1: 98 and 102 are two deviations out, in the bins beside the middle one.
  const values = [100, 100, 100, 100, 98, 102, 100, 100, 100];
  expect(quantise('tensor4', values, 0, 9).codes).toEqual([2, 2, 2, 2, 1, 3, 2, 2, 2]);
});
