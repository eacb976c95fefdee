/** The wire format: lossless, bound to its sender, small, and closed to hostile bytes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuzz } from '../../test/fuzz/targets/codec.ts';
import { CpuReplica } from './cpu-replica.ts';
import { quantiseUpdate } from './quantise-update.ts';
import { overlap, submissionStats } from './stats.ts';
import { randomDelta, randomSource, smallLayout, testHeader, testSettings } from './testing.ts';
import { SubmissionError } from './types.ts';
import { chunkPlaces, dequantise } from './update.ts';
import { decodeSubmission, encodeSubmission, HEADER_BYTES, maxSubmissionBytes, readHeader } from './wire.ts';

const layout = smallLayout();
const quantisers = ['sign1', 'sign2', 'tensor4'] as const;

async function submission(seed: number, change: Parameters<typeof testSettings>[0] = {}) {
  const settings = testSettings(change);
  const peer = new CpuReplica(layout, settings);
  const { bytes } = await peer.compress(randomDelta(layout, seed), testHeader());
  return { bytes, settings };
}

/** Any selection at all: sparse, dense, empty, clustered. */
function anySelection(seed: number, topK: number) {
  const random = randomSource(seed);
  const starts = new Uint32Array(layout.chunks + 1);
  const positions: number[] = [];
  chunkPlaces(layout).forEach(({ length }, c) => {
    const matrix = c < layout.matrixChunks;
    const wanted = random() < 0.2 ? 0 : random() < 0.5 ? topK : Math.floor(random() * (topK + 1));
    const spread = random() < 0.3 ? Math.max(wanted, 70) : length;
    const first = Math.floor(random() * (length - Math.min(spread, length) + 1));
    const chosen = new Set<number>();
    if (matrix) while (chosen.size < wanted) chosen.add(first + Math.floor(random() * spread));
    else if (wanted > 0) for (let i = 0; i < length; i++) chosen.add(i);
    positions.push(...[...chosen].sort((a, b) => a - b));
    starts[c + 1] = positions.length;
  });
  const scale = 10 ** (random() * 20 - 12);
  const values = Float32Array.from(positions, () => (random() - 0.5) ** 3 * scale);
  return { starts, entries: Uint16Array.from(positions), values };
}

describe.each(quantisers)('%s', (quantiser) => {
  test('decodes to what was encoded, for any selection and topK', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(8, 64, 512), (seed, topK) => {
        const settings = testSettings({ quantiser, topK });
        const update = quantiseUpdate(anySelection(seed, topK), layout, settings);
        const bytes = encodeSubmission(update, testHeader(), layout, settings);
        const decoded = decodeSubmission(bytes, layout, settings, testHeader());
        expect(decoded.update.starts).toEqual(update.starts);
        expect(decoded.update.entries).toEqual(update.entries);
        expect(dequantise(decoded.update, layout)).toEqual(dequantise(update, layout));
        expect(bytes.byteLength).toBeLessThanOrEqual(maxSubmissionBytes(layout, settings));
        expect(encodeSubmission(decoded.update, testHeader(), layout, settings)).toEqual(bytes);
      }),
      { numRuns: 40, seed: 3 },
    );
  });

  test('no prefix and no extension decodes to the same content', async () => {
    const { bytes, settings } = await submission(4, { quantiser, topK: 8 });
    const whole = decodeSubmission(bytes, layout, settings).update;
    // Other bytes may be another submission by chance, but then they are that one's only encoding.
    const check = (other: Uint8Array) => {
      try {
        const { header, update } = decodeSubmission(other, layout, settings);
        expect(update).not.toEqual(whole);
        expect(encodeSubmission(update, header, layout, settings)).toEqual(other);
      } catch (error) {
        expect(error).toBeInstanceOf(SubmissionError);
      }
    };
    for (let n = 0; n < bytes.byteLength; n++) check(bytes.slice(0, n));
    for (const tail of [[0], [0, 0, 0, 0, 0, 0], [1], [255, 255]])
      check(Uint8Array.from([...bytes, ...tail]));
  });
});

test('is bound to run, round and contributor', async () => {
  const { bytes, settings } = await submission(1);
  expect(readHeader(bytes).round).toBe(7);
  const wrong = [
    [{ ...testHeader(), round: 8 }, 'made for round 7, not 8'],
    [{ ...testHeader(), run: new Uint8Array(32) }, 'another run'],
    [{ ...testHeader(), contributor: new Uint8Array(32) }, 'another contributor'],
  ] as const;
  for (const [header, message] of wrong) {
    expect(() => decodeSubmission(bytes, layout, settings, header)).toThrow(SubmissionError);
    expect(() => decodeSubmission(bytes, layout, settings, header)).toThrow(message);
  }
  const other = bytes.slice();
  other[0] = 9;
  expect(() => decodeSubmission(other, layout, settings)).toThrow('format 9');
});

test('bytes longer than the run can need are refused before they are read', () => {
  const settings = testSettings();
  const long = new Uint8Array(maxSubmissionBytes(layout, settings) + 1);
  long[0] = 1;
  expect(() => decodeSubmission(long, layout, settings)).toThrow('more than');
});

test('an update of nothing takes a few bytes', () => {
  const settings = testSettings();
  const starts = new Uint32Array(layout.chunks + 1);
  const nothing = { starts, entries: new Uint16Array(), tables: new Int16Array(4 * layout.chunks) };
  const bytes = encodeSubmission(nothing, testHeader(), layout, settings);
  expect(bytes.byteLength).toBeLessThan(HEADER_BYTES + 64);
  expect(decodeSubmission(bytes, layout, settings).update.entries.length).toBe(0);
});

test('20,000 hostile inputs: decoded or refused, nothing else', async () => {
  const report = await fuzz(20_000, 42);
  expect(report.findings).toEqual([]);
  const count = (name: string) => report.figures.find((figure) => figure.name === name)?.value ?? 0;
  expect(count('refused')).toBeGreaterThan(5_000);
  expect(count('refused') + count('decoded')).toBe(20_000);
});

test('statistics: norms, finiteness, and overlap of a copy, a stranger and nobody', async () => {
  const { bytes, settings } = await submission(1, { quantiser: 'sign2' });
  const a = submissionStats(bytes, layout, settings, testHeader());
  const dense = dequantise(a.update, layout);
  const norm = Math.sqrt(dense.reduce((n, x) => n + x * x, 0));
  expect(a.norm / norm).toBeCloseTo(1, 5);
  expect(a.tensorNorms.length).toBe(layout.tensors.length);
  expect(a.finite).toBe(true);
  expect(a.positions.length).toBe(64 * layout.matrixChunks);
  const b = submissionStats((await submission(2, { quantiser: 'sign2' })).bytes, layout, settings);
  expect(overlap(a, a)).toBe(1);
  expect(overlap(a, b)).toBe(overlap(b, a));
  expect(overlap(a, b)).toBeGreaterThan(0);
  expect(overlap(a, b)).toBeLessThan(0.2);
  expect(overlap(a, { positions: new Uint32Array() })).toBe(0);
});
