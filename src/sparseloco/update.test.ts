/** Where chunks lie, and sums over an update, against one value at a time; with a vector that is longer than a chunk. */
import { expect, test } from 'vitest';
import { CHUNK, type ParameterLayout } from '../model/layout.ts';
import { levelOf, signedLevelValue } from './levels.ts';
import { randomSource, randomUpdate, smallLayout, testSettings, wideLayout } from './testing.ts';
import { overlap } from './stats.ts';
import { quantiseUpdate } from './quantise-update.ts';
import {
  addScaled,
  chunkPlaces,
  CODES,
  dequantise,
  flatIndex,
  type SparseUpdate,
  tableValues,
  tensorNorms,
} from './update.ts';

const wide = wideLayout();

/** Every entry of an update: its chunk, place in the flat buffer and value. */
function* valuesOf(update: SparseUpdate, layout: ParameterLayout) {
  for (let c = 0; c < layout.chunks; c++)
    for (const entry of update.entries.subarray(update.starts[c], update.starts[c + 1]))
      yield {
        chunk: c,
        at: flatIndex(chunkPlaces(layout)[c], entry & 0xfff),
        value: signedLevelValue(update.tables[c * CODES + (entry >> 12)]),
      };
}

test('chunks cover every scalar once, tile by tile', () => {
  for (const layout of [wide, smallLayout()]) {
    const seen = new Uint8Array(layout.elements);
    const places = chunkPlaces(layout);
    expect(places.length).toBe(layout.chunks);
    places.forEach((place, c) => {
      expect(c).toBeGreaterThanOrEqual(place.tensor.firstChunk);
      expect(c).toBeLessThan(place.tensor.firstChunk + place.tensor.chunks);
      for (let p = 0; p < place.length; p++) seen[flatIndex(place, p)]++;
    });
    expect(seen.every((count) => count === 1)).toBe(true);
    expect(chunkPlaces(layout)).toBe(places);
  }
  const [first, second, , below] = chunkPlaces(wide);
  expect([flatIndex(first, 64), flatIndex(second, 0), flatIndex(below, 65)]).toEqual([192, 64, 65 * 192 + 1]);
  expect(chunkPlaces(wide).map(({ length }) => length)).toEqual([...new Array<number>(7).fill(CHUNK), 100]);
});

test('dense values, norms and scaled sums are those of the entries one by one', () => {
  const update = randomUpdate(wide, 3);
  const expected = new Float32Array(wide.elements);
  const squares = [0, 0];
  for (const { chunk, at, value } of valuesOf(update, wide)) {
    expected[at] = value;
    squares[chunk < 6 ? 0 : 1] += value * value;
  }
  expect(dequantise(update, wide)).toEqual(expected);
  const norms = tensorNorms(update, wide);
  expect(norms.length).toBe(2);
  squares.forEach((square, t) => {
    expect(norms[t] / Math.sqrt(square)).toBeCloseTo(1, 12);
  });
  expect([...tableValues(update)]).toEqual([...update.tables].map(signedLevelValue));

  const target = new Float32Array(wide.elements).fill(1);
  addScaled(target, update, wide, -2);
  expect(target).toEqual(expected.map((x) => 1 - 2 * x));
  const shared = new Float32Array(wide.elements);
  addScaled(shared, update, wide, 2, Float64Array.of(0.5, 0));
  expect(shared).toEqual(expected.map((x, at) => (at < wide.matrixElements ? x : 0)));
});

test('overlap is the share of the smaller set, whatever the order and the gaps', () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = randomSource(seed);
    const draw = () => {
      const all = Array.from({ length: 40 }, (_, i) => i);
      return Uint32Array.from(all.filter(() => random() < 0.3));
    };
    const [a, b] = [draw(), draw()];
    const common = a.filter((p) => b.includes(p)).length;
    const least = Math.min(a.length, b.length);
    expect(overlap({ positions: a }, { positions: b })).toBe(least === 0 ? 0 : common / least);
  }
});

test('quantising gives each chunk, or each tensor, a table of its own, and leaves chunks that have codes', () => {
  const values = Float32Array.of(1, -1, 4, -4, 16, 16);
  // Two entries in chunk 0, two in chunk 5 (both of the matrix), two in chunk 7 (of the vector).
  const starts = Uint32Array.of(0, 2, 2, 2, 2, 2, 4, 4, 6);
  const selection = () => ({ starts, entries: Uint16Array.of(0, 7, 1, 4095, 2, 3), values });
  const level = (chunk: number, { tables }: SparseUpdate) => tables[chunk * CODES];
  const byChunk = quantiseUpdate(selection(), wide, testSettings({ quantiser: 'sign1' }));
  expect([0, 1, 5, 6, 7].map((c) => level(c, byChunk))).toEqual([1, 0, 4, 0, 16].map(levelOf));
  expect([...byChunk.entries]).toEqual([0, 7 | (1 << 12), 1, 4095 | (1 << 12), 2, 3]);

  const byTensor = quantiseUpdate(selection(), wide, testSettings({ quantiser: 'tensor4' }));
  const table = (c: number) => [...byTensor.tables.subarray(c * CODES, (c + 1) * CODES)];
  for (let c = 1; c < 6; c++) expect(table(c)).toEqual(table(0));
  expect(table(7)).toEqual(table(6));
  expect(table(6)).not.toEqual(table(0));
  expect(dequantise(byTensor, wide)[flatIndex(chunkPlaces(wide)[7], 2)]).toBe(16);

  const rest = quantiseUpdate(selection(), wide, testSettings({ quantiser: 'sign1' }), wide.matrixChunks);
  expect([...rest.entries.subarray(0, 4)]).toEqual([0, 7, 1, 4095]);
  expect([0, 5, 7].map((c) => level(c, rest))).toEqual([0, 0, 16].map(levelOf));
});
