/**
 * A sparse, quantised update of the model: what a submission says once its bytes are decoded, and before it is
 * encoded. All chunks look alike here: matrices keep at most topK positions of a tile, vectors keep all of theirs.
 */
import { CHUNK, type ParameterLayout, TILE, type TensorSpec } from '../model/layout.ts';
import { signedLevelValue } from './levels.ts';

/** Codes a chunk's table has room for: two bits. */
export const CODES = 4;

export interface SparseUpdate {
  /** Entries of chunk c are `[starts[c], starts[c + 1])`; length layout.chunks + 1. */
  readonly starts: Uint32Array;
  /**
   * `position | code << 12`. A position is row-major in the tile, or the offset within a vector's run of 4096; they
   * ascend within a chunk.
   */
  readonly entries: Uint16Array;
  /** Signed level (levels.ts) of each code of each chunk: `[chunks][4]`. */
  readonly tables: Int16Array;
}

/** Where a chunk's scalars lie in the flat buffer: position p is at `base + (p >> 6) * stride + (p & 63)`. */
export interface ChunkPlace {
  readonly tensor: TensorSpec;
  readonly base: number;
  /** Scalars from one row of the tile to the next: the matrix's row length, or 64 for a vector (then it is a run). */
  readonly stride: number;
  /** Scalars in the chunk: 4096, or fewer at a vector's end. */
  readonly length: number;
}

const places = new WeakMap<ParameterLayout, readonly ChunkPlace[]>();

/** Places of all chunks, in chunk order. Computed once per layout. */
export function chunkPlaces(layout: ParameterLayout): readonly ChunkPlace[] {
  const known = places.get(layout);
  if (known !== undefined) return known;
  const out: ChunkPlace[] = [];
  for (const tensor of layout.tensors) {
    if (tensor.shape.length === 2) {
      const [rows, columns] = tensor.shape;
      for (let r = 0; r < rows; r += TILE) {
        for (let c = 0; c < columns; c += TILE) {
          out.push({ tensor, base: tensor.offset + r * columns + c, stride: columns, length: CHUNK });
        }
      }
    } else {
      for (let at = 0; at < tensor.size; at += CHUNK) {
        const length = Math.min(CHUNK, tensor.size - at);
        out.push({ tensor, base: tensor.offset + at, stride: TILE, length });
      }
    }
  }
  places.set(layout, out);
  return out;
}

/** Index of a chunk's position in the flat buffer. */
export const flatIndex = (place: ChunkPlace, position: number): number =>
  place.base + (position >> 6) * place.stride + (position & 63);

/** Dequantised value of every code of every chunk: `[chunks][4]`, exact in f32. */
export function tableValues(update: SparseUpdate): Float64Array {
  return Float64Array.from(update.tables, signedLevelValue);
}

/**
 * L2 norm of each tensor's dequantised values. Summed chunk by chunk and code by code in one stated order, so that
 * every peer that decodes the same bytes computes the same doubles.
 */
export function tensorNorms(update: SparseUpdate, layout: ParameterLayout): Float64Array {
  const norms = new Float64Array(layout.tensors.length);
  const counts = new Int32Array(CODES);
  layout.tensors.forEach((tensor, t) => {
    let sum = 0;
    for (let c = tensor.firstChunk; c < tensor.firstChunk + tensor.chunks; c++) {
      counts.fill(0);
      const end = update.starts[c + 1];
      for (let i = update.starts[c]; i < end; i++) {
        const code = update.entries[i] >> 12;
        counts[code] = counts[code] + 1;
      }
      for (let q = 0; q < CODES; q++) {
        const value = signedLevelValue(update.tables[c * CODES + q]);
        sum += counts[q] * (value * value);
      }
    }
    norms[t] = Math.sqrt(sum);
  });
  return norms;
}

/** Adds `scale` x the update to `target` (f32, `[layout.elements]`), each tensor's share times `factors` if given. */
export function addScaled(
  target: Float32Array,
  update: SparseUpdate,
  layout: ParameterLayout,
  scale: number,
  factors?: Float64Array,
): void {
  const places = chunkPlaces(layout);
  layout.tensors.forEach((tensor, t) => {
    const s = scale * (factors?.[t] ?? 1);
    const values = new Float64Array(CODES);
    for (let c = tensor.firstChunk; c < tensor.firstChunk + tensor.chunks; c++) {
      const { base, stride } = places[c];
      for (let q = 0; q < CODES; q++) {
        values[q] = s * signedLevelValue(update.tables[c * CODES + q]);
      }
      const end = update.starts[c + 1];
      for (let i = update.starts[c]; i < end; i++) {
        const entry = update.entries[i];
        const p = entry & 0xfff;
        const at = base + (p >> 6) * stride + (p & 63);
        target[at] = target[at] + values[entry >> 12];
      }
    }
  });
}

/** The update as one dense array of `layout.elements` values, for measuring the loss of a step with it. */
export function dequantise(update: SparseUpdate, layout: ParameterLayout): Float32Array {
  const dense = new Float32Array(layout.elements);
  addScaled(dense, update, layout, 1);
  return dense;
}
