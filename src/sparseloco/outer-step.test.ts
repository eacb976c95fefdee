/** The outer step against hand-computed values, exact big-integer arithmetic and its bounds; the state and its proofs. */
import { describe, expect, test } from 'vitest';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { CpuReplica } from './cpu-replica.ts';
import { levelOf, signedLevelValue } from './levels.ts';
import { clipFactors, mergeStep, positiveMedian, prepareStep, subtractStep } from './outer-step.ts';
import { chunkBytes, proveChunk, stateRoot, stateRootSync, verifyCheckpoint, verifyChunk } from './state.ts';
import { randomDelta, randomSource, randomTheta, smallConfig, testHeader, testSettings } from './testing.ts';
import { SubmissionError } from './types.ts';
import { CODES, chunkPlaces, flatIndex, type SparseUpdate } from './update.ts';

const layout = parameterLayout({ ...smallConfig, vocabSize: 64, intermediateSize: 64, layers: 1 });

/** An update of the first chunk only: [position, code] entries and one table of levels. */
function oneChunk(entries: [number, number][], levels: number[]): SparseUpdate {
  const starts = new Uint32Array(layout.chunks + 1).fill(entries.length, 1);
  const tables = new Int16Array(layout.chunks * CODES);
  tables.set(levels);
  return { starts, entries: Uint16Array.from(entries, ([p, q]) => p | (q << 12)), tables };
}

const ONE = levelOf(1);

test('levels: eight an octave, exact powers of two, nearest', () => {
  expect(signedLevelValue(ONE)).toBe(1);
  expect(signedLevelValue(-ONE - 8)).toBe(-2);
  expect(signedLevelValue(0)).toBe(0);
  for (let l = 1; l < 512; l++) expect(levelOf(signedLevelValue(l))).toBe(l);
  for (let l = 1; l < 512; l++) expect(Math.fround(signedLevelValue(l))).toBe(signedLevelValue(l));
  expect([levelOf(1e-30), levelOf(1e30), levelOf(Number.NaN), levelOf(-1)]).toEqual([1, 511, 0, 0]);
});

describe('by hand, F = 12, α = 1', () => {
  // a sends +1 at 5 and -1 at 9 with weight 1; b sends +1 at 5 and +1 at 64 with weight 2. Norms are equal.
  const a = oneChunk(
    [
      [5, 0],
      [9, 1],
    ],
    [ONE, -ONE, 0, 0],
  );
  const b = oneChunk(
    [
      [5, 0],
      [64, 0],
    ],
    [ONE, -ONE, 0, 0],
  );
  const accepted = [
    { update: a, weight: 1 },
    { update: b, weight: 2 },
  ];
  test.each([
    ['senders', { 5: 4096, 9: -4096, 64: 4096 }],
    ['all', { 5: 4096, 9: -1365, 64: 2731 }],
  ] as const)('%s', (average, expected) => {
    const settings = testSettings({ average, fractionBits: 12 });
    const step = prepareStep(accepted, layout, settings);
    const change = mergeStep(accepted, step, layout, settings);
    expect(Object.fromEntries([...change.positions].map((p, i) => [p, change.changes[i]]))).toEqual(expected);
    const theta = new Int32Array(layout.elements);
    expect(subtractStep(theta, change, layout)).toBe(0);
    const place = chunkPlaces(layout)[0];
    if (place === undefined) throw new Error('no chunk');
    expect(theta[flatIndex(place, 9)]).toBe(-expected[9]);
    expect(theta[flatIndex(place, 64)]).toBe(-expected[64]);
    expect(theta.filter((x) => x !== 0).length).toBe(3);
  });
});

test('the median-norm clip shrinks the loud, leaves the rest, and ignores who sent nothing', () => {
  expect(positiveMedian([])).toBe(0);
  expect(positiveMedian([0, 0, 7])).toBe(7);
  expect(positiveMedian([4, 1, 0, 3, 2])).toBe(2.5);
  const sized = (level: number) => oneChunk([[1, 0]], [level, -level, 0, 0]);
  const nobody = oneChunk([], [0, 0, 0, 0]);
  const factors = clipFactors([sized(ONE), sized(ONE + 8), sized(ONE + 80), nobody], layout);
  expect(factors.map((f) => f[0])).toEqual([1, 1, 2 / 1024, 1]);
});

test('division rounds to nearest, halves away from zero, as big integers do', () => {
  const random = randomSource(3);
  const settings = testSettings({ average: 'senders', fractionBits: 30, alpha: 10 });
  for (let round = 0; round < 300; round++) {
    const count = 1 + Math.floor(random() * 64);
    const accepted = Array.from({ length: count }, () => {
      const level = 80 + Math.floor(random() * 260);
      const update = oneChunk([[0, random() < 0.5 ? 0 : 1]], [level, -level, 0, 0]);
      return { update, weight: 1 + Math.floor(random() * 1024) };
    });
    const step = prepareStep(accepted, layout, settings);
    let numerator = 0n;
    let denominator = 0n;
    accepted.forEach(({ update, weight }, s) => {
      const code = update.entries[0] >> 12;
      numerator += BigInt(weight) * BigInt(step.values[s]?.[code]);
      denominator += BigInt(weight);
    });
    const magnitude = ((numerator < 0n ? -numerator : numerator) + denominator / 2n) / denominator;
    const change = mergeStep(accepted, step, layout, settings);
    expect(BigInt(change.changes[0])).toBe(numerator < 0n ? -magnitude : magnitude);
  }
});

test('values are cut at 2^30 and θ at the ends of i32, and both are counted', () => {
  const settings = testSettings({ fractionBits: 30, alpha: 10 });
  const huge = oneChunk(
    [
      [0, 0],
      [1, 1],
    ],
    [511, -511, 0, 0],
  );
  const accepted = [{ update: huge, weight: 1024 }];
  const step = prepareStep(accepted, layout, settings);
  expect(step.saturated).toBe(2);
  const change = mergeStep(accepted, step, layout, settings);
  expect([...change.changes]).toEqual([2 ** 30, -(2 ** 30)]);
  const theta = new Int32Array(layout.elements).fill(-(2 ** 31) + 5);
  theta[1] = 2 ** 31 - 5;
  expect(subtractStep(theta, change, layout)).toBe(2);
  expect([theta[0], theta[1]]).toEqual([-(2 ** 31), 2 ** 31 - 1]);
});

test('weights and counts outside the limits are refused', () => {
  const update = oneChunk([], [0, 0, 0, 0]);
  const settings = testSettings();
  for (const weight of [0, 1025, 1.5, Number.NaN]) {
    expect(() => prepareStep([{ update, weight }], layout, settings)).toThrow(RangeError);
  }
  const many = Array.from({ length: 65 }, () => ({ update, weight: 1 }));
  expect(() => prepareStep(many, layout, settings)).toThrow('65 submissions');
});

test('one bad submission among good ones changes nothing', async () => {
  const settings = testSettings();
  const replica = new CpuReplica(layout, settings);
  await replica.load(randomTheta(layout, 1));
  const before = toHex(await replica.root());
  const { bytes } = await replica.compress(randomDelta(layout, 2), testHeader());
  const bad = bytes.slice(0, bytes.length / 2);
  const apply = replica.apply([
    { bytes, weight: 1 },
    { bytes: bad, weight: 1 },
  ]);
  await expect(apply).rejects.toThrow(SubmissionError);
  expect(toHex(await replica.root())).toBe(before);
  expect(toHex(await replica.apply([{ bytes, weight: 1 }]))).not.toBe(before);
});

test('a checkpoint is verified by its root, and one chunk alone by its proof', async () => {
  const theta = randomTheta(layout, 6);
  const root = await stateRoot(theta, layout);
  expect(bytesEqual(root, stateRootSync(theta, layout))).toBe(true);
  expect(await verifyCheckpoint(theta, layout, root, 3)).toEqual({ ok: true, root, chunkOk: true });
  const last = await proveChunk(theta, layout, layout.chunks - 1);
  expect(verifyChunk(root, last)).toBe(true);
  expect(verifyChunk(root, { ...last, chunk: 0 })).toBe(false);
  expect(last.data).toEqual(chunkBytes(theta, layout, layout.chunks - 1));
  // Row 1 of tile 1 starts a whole matrix row later.
  const tile = layout.tensors.findIndex((t) => t.shape.length === 2);
  const first = chunkBytes(theta, layout, layout.tensors[tile]?.firstChunk ?? 0);
  expect(new DataView(first.buffer).getInt32(4 * 64, true)).toBe(theta[layout.tensors[tile]?.shape[1] ?? 0]);
  const other = theta.slice();
  other[12] = other[12] ^ 1;
  const verdict = await verifyCheckpoint(other, layout, root, 0);
  expect([verdict.ok, verdict.chunkOk]).toEqual([false, false]);
  expect((await verifyCheckpoint(other, layout, root, 5)).chunkOk).toBe(false);
  await expect(verifyCheckpoint(theta.subarray(1), layout, root)).rejects.toThrow(RangeError);
});
