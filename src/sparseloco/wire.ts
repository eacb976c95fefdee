/**
 * The bytes of a submission: a 21-byte header that binds them to one run, round and contributor, then one
 * range-coded stream over all chunks. docs/wire.md is the specification; test/vectors/wire holds examples.
 *
 * The decoder takes hostile bytes. It allocates at most {@link maxEntries} entries, reads each byte once, does work
 * bounded by the layout, and throws {@link SubmissionError} for anything that is not a whole submission.
 */
import { CHUNK, type ParameterLayout, TILE } from '../model/layout.ts';
import { bytesEqual, concatBytes } from '../protocol/bytes.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { CodeModel } from './code-model.ts';
import { MAX_LEVEL } from './levels.ts';
import { PositionModel } from './position-model.ts';
import { quantiserOf } from './quantisers.ts';
import { BitModels, RangeDecoder, RangeEncoder, TRIM } from './range-coder.ts';
import { SubmissionError } from './types.ts';
import { chunkPlaces, CODES, type SparseUpdate } from './update.ts';

/** First byte of every submission. */
export const WIRE_VERSION = 1;
/** Bytes of the run id and of the contributor's key that travel: enough that nobody can grind another match. */
const BINDING_BYTES = 8;
export const HEADER_BYTES = 1 + BINDING_BYTES + 4 + BINDING_BYTES;

/** What a submission is bound to, so that its bytes cannot be replayed in another run or round or by another peer. */
export interface SubmissionHeader {
  /** Run id (32 bytes; the first 8 travel). */
  readonly run: Uint8Array;
  readonly round: number;
  /** Contributor's public key (32 bytes; the first 8 travel). */
  readonly contributor: Uint8Array;
}

export interface DecodedSubmission {
  /** `run` and `contributor` hold the 8 bytes that travelled. */
  readonly header: SubmissionHeader;
  readonly update: SparseUpdate;
}

/** Most entries that a submission for this layout can hold. */
export const maxEntries = (layout: ParameterLayout, settings: SparseLoco): number =>
  layout.matrixChunks * settings.topK + (layout.elements - layout.matrixElements);

/** Most bytes that a submission can need: two bytes an entry, eight a chunk, and the header. Longer is refused unread. */
export const maxSubmissionBytes = (layout: ParameterLayout, settings: SparseLoco): number =>
  HEADER_BYTES + 64 + 2 * maxEntries(layout, settings) + 8 * layout.chunks;

function headerBytes(header: SubmissionHeader): Uint8Array {
  if (header.run.byteLength < BINDING_BYTES || header.contributor.byteLength < BINDING_BYTES) {
    throw new RangeError('a submission header needs the run id and the contributor key');
  }
  const round = new Uint8Array(4);
  new DataView(round.buffer).setUint32(0, header.round, true);
  return concatBytes(
    Uint8Array.of(WIRE_VERSION),
    header.run.subarray(0, BINDING_BYTES),
    round,
    header.contributor.subarray(0, BINDING_BYTES),
  );
}

/** Reads the header alone. Throws {@link SubmissionError} when the bytes are too short or of another version. */
export function readHeader(bytes: Uint8Array): SubmissionHeader {
  if (bytes.byteLength < HEADER_BYTES) throw new SubmissionError('too short for a submission header');
  if (bytes[0] !== WIRE_VERSION)
    throw new SubmissionError(`submission format ${bytes[0]}, not ${WIRE_VERSION}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    run: bytes.slice(1, 1 + BINDING_BYTES),
    round: view.getUint32(1 + BINDING_BYTES, true),
    contributor: bytes.slice(5 + BINDING_BYTES, HEADER_BYTES),
  };
}

/** Throws {@link SubmissionError} unless the header was made for `expected`. */
export function checkHeader(header: SubmissionHeader, expected: SubmissionHeader): void {
  if (!bytesEqual(header.run, expected.run.subarray(0, BINDING_BYTES))) {
    throw new SubmissionError('made for another run');
  }
  if (header.round !== expected.round) {
    throw new SubmissionError(`made for round ${header.round}, not ${expected.round}`);
  }
  if (!bytesEqual(header.contributor, expected.contributor.subarray(0, BINDING_BYTES))) {
    throw new SubmissionError('made by another contributor');
  }
}

/** Adaptive models of counts and levels; one set for matrices and one for vectors. */
class ValueModels {
  /** Whether a tile keeps exactly topK positions; whether a vector's chunk is not all zero. */
  readonly full = new BitModels(2, 65536 - 4096);
  /** Zigzag differences of levels, five bits with an escape; one context per use. */
  readonly levels = new BitModels((2 * CODES) << LEVEL_TREE_BITS);
}
const LEVEL_TREE_BITS = 5;
const ESCAPE = 31;
/** Zigzag of a difference of two signed levels: 0..2044. */
const LEVEL_BITS = 11;

const zigzag = (x: number): number => (x < 0 ? -2 * x - 1 : 2 * x);
const unzigzag = (x: number): number => (x & 1 ? -(x + 1) / 2 : x / 2);

function encodeLevel(coder: RangeEncoder, models: BitModels, context: number, difference: number): void {
  const z = zigzag(difference);
  coder.tree(models, context << LEVEL_TREE_BITS, Math.min(z, ESCAPE), LEVEL_TREE_BITS);
  if (z >= ESCAPE) coder.direct(z, LEVEL_BITS);
}

function decodeLevel(coder: RangeDecoder, models: BitModels, context: number): number {
  const z = coder.tree(models, context << LEVEL_TREE_BITS, LEVEL_TREE_BITS);
  if (z < ESCAPE) return unzigzag(z);
  const escaped = coder.direct(LEVEL_BITS);
  if (escaped < ESCAPE) throw new SubmissionError('a level takes more bits than it needs');
  return unzigzag(escaped);
}

/**
 * Wire bytes of an update made for `settings`. `update` must be what the quantiser makes: ascending positions, all of
 * a vector's (or none), tables of the quantiser's form.
 */
export function encodeSubmission(
  update: SparseUpdate,
  header: SubmissionHeader,
  layout: ParameterLayout,
  settings: SparseLoco,
): Uint8Array<ArrayBuffer> {
  const quantiser = quantiserOf(settings);
  const coder = new RangeEncoder(headerBytes(header), Math.ceil(update.entries.length * 1.2));
  const positions = new PositionModel();
  const codes = [0, 1].map(() => new CodeModel(quantiser.bits, quantiser.scope === 'chunk'));
  const values = new ValueModels();
  const { starts, entries, tables } = update;
  const last = new Int16Array(2 * CODES);
  for (const tensor of layout.tensors) {
    const [rows, columns] = tensor.shape;
    const kind = columns === undefined ? 1 : 0;
    const code = codes[kind];
    // A vector is one column of tiles too, of runs as wide as it is.
    const tilesAcross = columns === undefined ? 1 : columns / TILE;
    if (columns !== undefined) positions.startTensor(rows, columns);
    code.startTensor(columns ?? Math.min(rows, CHUNK));
    const mask = columns === undefined ? CHUNK - 1 : TILE - 1;
    if (quantiser.scope === 'tensor') {
      for (let q = 0; q < CODES; q++) {
        const level = tables[tensor.firstChunk * CODES + q];
        encodeLevel(coder, values.levels, kind * CODES + q, level - last[kind * CODES + q]);
        last[kind * CODES + q] = level;
      }
    }
    for (let c = tensor.firstChunk; c < tensor.firstChunk + tensor.chunks; c++) {
      const x = (c - tensor.firstChunk) % tilesAcross;
      const y = (c - tensor.firstChunk - x) / tilesAcross;
      const from = starts[c];
      const to = starts[c + 1];
      if (kind === 0) {
        const full = to - from === settings.topK ? 0 : 1;
        coder.bit(values.full, 0, full);
        if (full === 1) coder.direct(to - from, 10);
        positions.encode(coder, entries, from, to, y, x);
      } else {
        coder.bit(values.full, 1, to > from ? 0 : 1);
      }
      if (to === from) continue;
      if (quantiser.scope === 'chunk') {
        const low = tables[c * CODES];
        encodeLevel(coder, values.levels, kind * CODES, low - last[kind * CODES]);
        last[kind * CODES] = low;
        if (quantiser.bits === 2) {
          encodeLevel(coder, values.levels, kind * CODES + 1, tables[c * CODES + 2] - low);
        }
      }
      const table = tables.subarray(c * CODES, (c + 1) * CODES);
      code.encode(coder, entries, from, to, kind === 0 ? x * TILE : 0, mask, table);
    }
  }
  return coder.finish();
}

/**
 * Decodes a submission for a run's `layout` and `settings`; with `expected`, checks what it is bound to first.
 * Throws {@link SubmissionError} on any bytes that {@link encodeSubmission} would not have made.
 */
export function decodeSubmission(
  bytes: Uint8Array,
  layout: ParameterLayout,
  settings: SparseLoco,
  expected?: SubmissionHeader,
): DecodedSubmission {
  const header = readHeader(bytes);
  if (expected !== undefined) checkHeader(header, expected);
  const limit = maxSubmissionBytes(layout, settings);
  if (bytes.byteLength > limit) {
    throw new SubmissionError(`${bytes.byteLength} bytes, more than the ${limit} this run can need`);
  }
  const quantiser = quantiserOf(settings);
  const coder = new RangeDecoder(bytes, HEADER_BYTES);
  const positions = new PositionModel();
  const codes = [0, 1].map(() => new CodeModel(quantiser.bits, quantiser.scope === 'chunk'));
  const values = new ValueModels();
  const starts = new Uint32Array(layout.chunks + 1);
  const entries = new Uint16Array(maxEntries(layout, settings));
  const tables = new Int16Array(layout.chunks * CODES);
  const places = chunkPlaces(layout);
  const last = new Int16Array(2 * CODES);
  const tensorTable = new Int16Array(CODES);
  let at = 0;
  for (const tensor of layout.tensors) {
    const [rows, columns] = tensor.shape;
    const kind = columns === undefined ? 1 : 0;
    const code = codes[kind];
    // A vector is one column of tiles too, of runs as wide as it is.
    const tilesAcross = columns === undefined ? 1 : columns / TILE;
    if (columns !== undefined) positions.startTensor(rows, columns);
    code.startTensor(columns ?? Math.min(rows, CHUNK));
    const mask = columns === undefined ? CHUNK - 1 : TILE - 1;
    if (quantiser.scope === 'tensor') {
      for (let q = 0; q < CODES; q++) {
        const difference = decodeLevel(coder, values.levels, kind * CODES + q);
        const level = checkLevel(last[kind * CODES + q] + difference, -MAX_LEVEL);
        last[kind * CODES + q] = level;
        tensorTable[q] = level;
      }
    }
    for (let c = tensor.firstChunk; c < tensor.firstChunk + tensor.chunks; c++) {
      const x = (c - tensor.firstChunk) % tilesAcross;
      const y = (c - tensor.firstChunk - x) / tilesAcross;
      let count = 0;
      if (kind === 0) {
        const full = coder.bit(values.full, 0);
        count = full === 0 ? settings.topK : coder.direct(10);
        if (full === 1 && count >= settings.topK) {
          throw new SubmissionError(`a chunk marked as not full has ${count} values`);
        }
        if (!positions.decode(coder, entries, at, count, y, x)) {
          throw new SubmissionError('a position outside its chunk');
        }
      } else if (coder.bit(values.full, 1) === 0) {
        count = places[c].length;
        for (let i = 0; i < count; i++) entries[at + i] = i % CHUNK;
      }
      starts[c + 1] = at + count;
      if (quantiser.scope === 'tensor') {
        tables.set(tensorTable, c * CODES);
      } else if (count > 0) {
        const low = checkLevel(last[kind * CODES] + decodeLevel(coder, values.levels, kind * CODES), 0);
        last[kind * CODES] = low;
        tables[c * CODES] = low;
        tables[c * CODES + 1] = -low;
        if (quantiser.bits === 2) {
          const high = checkLevel(low + decodeLevel(coder, values.levels, kind * CODES + 1), low);
          tables[c * CODES + 2] = high;
          tables[c * CODES + 3] = -high;
        }
      }
      const table = tables.subarray(c * CODES, (c + 1) * CODES);
      code.decode(coder, entries, at, at + count, kind === 0 ? x * TILE : 0, mask, table);
      at += count;
      if (coder.overrun > TRIM) throw new SubmissionError('cut short');
    }
  }
  if (!coder.ended(HEADER_BYTES)) throw new SubmissionError('does not end where its content does');
  return { header, update: { starts, entries: entries.slice(0, at), tables } };
}

function checkLevel(level: number, min: number): number {
  if (level < min || level > MAX_LEVEL) throw new SubmissionError(`a magnitude of level ${level}`);
  return level;
}
