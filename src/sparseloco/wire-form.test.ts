/** The wire format's header and the bounds of what it can say, on a layout with a long vector and a row of tiles. */
import { describe, expect, test } from 'vitest';
import { parameterLayout } from '../model/layout.ts';
import { compressCpu } from './compress-cpu.ts';
import { levelOf, MAX_LEVEL } from './levels.ts';
import { quantiseUpdate } from './quantise-update.ts';
import { BitModels, RangeEncoder } from './range-coder.ts';
import { randomDelta, randomSource, smallConfig, testSettings, wideLayout } from './testing.ts';
import { SubmissionError } from './types.ts';
import { CODES, chunkPlaces } from './update.ts';
import {
  checkHeader,
  decodeSubmission,
  encodeSubmission,
  HEADER_BYTES,
  maxEntries,
  maxSubmissionBytes,
  readHeader,
} from './wire.ts';

const layout = wideLayout();
const run = Uint8Array.from({ length: 32 }, (_, i) => 100 + i);
const contributor = Uint8Array.from({ length: 32 }, (_, i) => 200 + i);
const header = { run, round: 0x01020304, contributor };

/** Values at random positions of every chunk, `counts` many in a tile; a vector has all of its. */
function updateOf(settings: ReturnType<typeof testSettings>, seed: number, counts: readonly number[]) {
  const random = randomSource(seed);
  const starts = new Uint32Array(layout.chunks + 1);
  const positions: number[] = [];
  chunkPlaces(layout).forEach(({ length }, c) => {
    const chosen = new Set<number>();
    if (c >= layout.matrixChunks) for (let p = 0; p < length; p++) chosen.add(p);
    else while (chosen.size < counts[c % counts.length]) chosen.add(Math.floor(random() * length));
    positions.push(...[...chosen].toSorted((a, b) => a - b));
    starts[c + 1] = positions.length;
  });
  const values = Float32Array.from(positions, () => (random() - 0.5) ** 3);
  return quantiseUpdate({ starts, entries: Uint16Array.from(positions), values }, layout, settings);
}

describe('header', () => {
  const settings = testSettings();
  const bytes = encodeSubmission(updateOf(settings, 1, [3]), header, layout, settings);

  test('is version, eight bytes of the run, the round little-endian, eight bytes of the key', () => {
    expect([...bytes.subarray(0, HEADER_BYTES)]).toEqual([
      1,
      ...run.subarray(0, 8),
      4,
      3,
      2,
      1,
      ...contributor.subarray(0, 8),
    ]);
    const moved = Uint8Array.of(0, 0, ...bytes).subarray(2);
    const expected = { run: run.slice(0, 8), round: header.round, contributor: contributor.slice(0, 8) };
    expect(readHeader(moved)).toEqual(expected);
    expect(decodeSubmission(moved, layout, settings, header).header).toEqual(expected);
    expect(readHeader(bytes.subarray(0, HEADER_BYTES))).toEqual(expected);
  });

  test('too little of it, or of another version, is refused', () => {
    for (let length = 0; length < HEADER_BYTES; length++)
      expect(() => readHeader(bytes.subarray(0, length))).toThrow(
        new SubmissionError('too short for a submission header'),
      );
    expect(() => readHeader(Uint8Array.of(2, ...bytes.subarray(1)))).toThrow(
      new SubmissionError('submission format 2, not 1'),
    );
  });

  test('what differs from what is expected is named', () => {
    expect(() => checkHeader(readHeader(bytes), header)).not.toThrow();
    const others = [
      [{ ...header, run: contributor }, 'made for another run'],
      [{ ...header, round: 5 }, `made for round ${header.round}, not 5`],
      [{ ...header, contributor: run }, 'made by another contributor'],
    ] as const;
    for (const [other, message] of others)
      expect(() => checkHeader(readHeader(bytes), other)).toThrow(new SubmissionError(message));
  });

  test('an identity shorter than what travels cannot be written', () => {
    const update = updateOf(settings, 1, [3]);
    for (const short of [{ run: run.subarray(0, 7) }, { contributor: contributor.subarray(0, 7) }])
      expect(() => encodeSubmission(update, { ...header, ...short }, layout, settings)).toThrow(
        new RangeError('a submission header needs the run id and the contributor key'),
      );
    const least = { ...header, run: run.subarray(0, 8), contributor: contributor.subarray(0, 8) };
    expect(encodeSubmission(update, least, layout, settings)).toEqual(
      encodeSubmission(update, header, layout, settings),
    );
  });
});

describe.each(['sign1', 'sign2', 'tensor4'] as const)('%s', (quantiser) => {
  const settings = testSettings({ quantiser, topK: 8 });

  test('full, part-full and empty tiles come back, and a vector of two chunks', () => {
    for (let seed = 0; seed < 6; seed++) {
      const update = updateOf(settings, seed, [8, 0, 7, 1, 8]);
      const bytes = encodeSubmission(update, header, layout, settings);
      const decoded = decodeSubmission(bytes, layout, settings, header).update;
      expect(decoded.starts).toEqual(update.starts);
      expect(decoded.entries).toEqual(update.entries);
      update.tables.forEach((level, i) => {
        const c = Math.floor(i / CODES);
        const used = quantiser === 'tensor4' || update.starts[c + 1] > update.starts[c];
        expect(decoded.tables[i]).toBe(used ? level : 0);
      });
    }
  });

  test('levels from the least to the greatest come back, whatever came before', () => {
    const levels = [0, 1, MAX_LEVEL, 15, 16, 31, 32, levelOf(1)];
    const update = updateOf(settings, 3, [2]);
    if (quantiser === 'tensor4') {
      [-MAX_LEVEL, MAX_LEVEL, 0, -15, 16, -16, 7, MAX_LEVEL].forEach((level, i) => {
        const { firstChunk, chunks } = layout.tensors[i >> 2];
        for (let c = firstChunk; c < firstChunk + chunks; c++) update.tables[c * CODES + (i & 3)] = level;
      });
    } else
      levels.forEach((level, c) => {
        update.tables.set([level, -level], c * CODES);
        const high = Math.min(MAX_LEVEL, level + 40);
        if (quantiser === 'sign2') update.tables.set([high, -high], c * CODES + 2);
      });
    const bytes = encodeSubmission(update, header, layout, settings);
    expect(decodeSubmission(bytes, layout, settings).update.tables).toEqual(update.tables);
  });

  test('levels that no quantiser makes are refused', () => {
    const bad: [number, number][] =
      quantiser === 'tensor4'
        ? [
            [0, MAX_LEVEL + 1],
            [1, -MAX_LEVEL - 1],
          ]
        : [
            [0, MAX_LEVEL + 1],
            [0, -1],
          ];
    if (quantiser === 'sign2') bad.push([2, MAX_LEVEL + 1], [2, 3]);
    for (const [code, level] of bad) {
      const update = updateOf(settings, 3, [2]);
      const chunk = quantiser === 'tensor4' ? 0 : 2;
      if (quantiser === 'sign2') update.tables.set([4, -4, 5, -5], chunk * CODES);
      for (let c = chunk; c <= (quantiser === 'tensor4' ? 5 : chunk); c++)
        update.tables[c * CODES + code] = level;
      const bytes = encodeSubmission(update, header, layout, settings);
      expect(() => decodeSubmission(bytes, layout, settings)).toThrow(
        new SubmissionError(`a magnitude of level ${level}`),
      );
    }
  });

  test('a tile marked as part-full that is full is refused', () => {
    const more = { ...settings, topK: 9 };
    // Encoded where nine are full, so that eight are marked as part of them.
    const bytes = encodeSubmission(updateOf(more, 3, [8]), header, layout, more);
    expect(() => decodeSubmission(bytes, layout, settings)).toThrow(
      new SubmissionError('a chunk marked as not full has 8 values'),
    );
  });

  test('bytes without an end, or with more than one, are refused', () => {
    const bytes = encodeSubmission(updateOf(settings, 3, [8]), header, layout, settings);
    expect(() => decodeSubmission(bytes.subarray(0, HEADER_BYTES + 6), layout, settings)).toThrow(
      SubmissionError,
    );
    expect(() => decodeSubmission(Uint8Array.of(...bytes, 1), layout, settings)).toThrow(
      new SubmissionError('does not end where its content does'),
    );
  });
});

test('the most that a submission can need: its entries, its bytes, and not one more', () => {
  const settings = testSettings({ topK: 8 });
  expect(maxEntries(layout, settings)).toBe(6 * 8 + 4196);
  const most = maxSubmissionBytes(layout, settings);
  expect(most).toBe(HEADER_BYTES + 64 + 2 * (6 * 8 + 4196) + 8 * 8);
  const bytes = new Uint8Array(most + 1);
  bytes[0] = 1;
  expect(() => decodeSubmission(bytes, layout, settings)).toThrow(
    new SubmissionError(`${most + 1} bytes, more than the ${most} this run can need`),
  );
  // One byte less is read, and then found wanting.
  expect(() => decodeSubmission(bytes.subarray(0, most), layout, settings)).toThrow(/^(?!.*more than)/);
});

test('a level that is written longer than it needs is refused', () => {
  const settings = testSettings({ quantiser: 'tensor4', topK: 8 });
  const head = encodeSubmission(updateOf(settings, 3, [0]), header, layout, settings).slice(0, HEADER_BYTES);
  // A tensor's first level comes first: five bits of a tree, of which 31 says that eleven direct ones follow.
  const write = (level: number) => {
    const coder = new RangeEncoder(head, 0);
    coder.tree(new BitModels(256), 0, 31, 5);
    coder.direct(level, 11);
    return coder.finish();
  };
  const message = new SubmissionError('a level takes more bits than it needs');
  expect(() => decodeSubmission(write(30), layout, settings)).toThrow(message);
  // Zigzag of -16, the first that needs them: refused later, as the rest is missing.
  expect(() => decodeSubmission(write(31), layout, settings)).toThrow(/cut short|does not end|position/);
});

test('a matrix of several tiles across comes back wherever its chunks begin', () => {
  const settings = testSettings({ quantiser: 'sign2', topK: 16 });
  // down_proj [64, 192] begins at chunk 11, which is in no column of its own three.
  const small = parameterLayout({ ...smallConfig, vocabSize: 64, layers: 1 });
  const down = small.tensors.find(({ name }) => name.endsWith('down_proj.weight'));
  expect([down?.shape, down?.firstChunk]).toEqual([[64, 192], 11]);
  const zeros = { theta: new Int32Array(small.elements), error: new Float32Array(small.elements) };
  const { update } = compressCpu({ ...zeros, parameters: randomDelta(small, 3) }, small, settings);
  const bytes = encodeSubmission(update, header, small, settings);
  expect(decodeSubmission(bytes, small, settings, header).update).toEqual(update);
  expect(() => decodeSubmission(bytes, small, settings, { ...header, round: 5 })).toThrow(
    new SubmissionError(`made for round ${header.round}, not 5`),
  );
});

test('a tile whose last row would need more places than it has is refused', () => {
  const settings = testSettings({ quantiser: 'sign1', topK: 512 });
  const head = encodeSubmission(updateOf(settings, 3, [0]), header, layout, settings).slice(0, HEADER_BYTES);
  const { length } = head;
  const refused = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const random = randomSource(seed);
    const bytes = Uint8Array.from({ length: length + 900 }, (_, i) =>
      i < length ? head[i] : Math.floor(random() ** 4 * 256),
    );
    try {
      decodeSubmission(bytes, layout, settings);
    } catch (error) {
      refused.add((error as Error).message);
    }
  }
  expect(refused).toContain('a position outside its chunk');
});
