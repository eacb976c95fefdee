/**
 * Compression in plain TypeScript: the reference for the GPU path and what a peer without a GPU would use.
 *
 * a = β e + Δ with Δ = θ(round start) - θ(after inner steps); sent = Q(top-k of each chunk of a); e = a - sent
 * (SparseLoCo, arXiv 2508.15706, equations 1 and 2). The error of quantisation stays in e too.
 */
import { thetaToFloat } from '../model/init.ts';
import type { ParameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { quantiseUpdate } from './quantise-update.ts';
import { selectTopK } from './select.ts';
import { NotFiniteError } from './types.ts';
import { addScaled, type ChunkPlace, chunkPlaces, type SparseUpdate } from './update.ts';
import { maxEntries } from './wire.ts';

export interface CompressCpuInput {
  /** θ at the start of the round, `[layout.elements]`. */
  readonly theta: Int32Array;
  /** The model after the inner steps, f32. */
  readonly parameters: Float32Array;
  /** e of the last round, f32; not changed. */
  readonly error: Float32Array;
}

export interface CompressCpuOutput {
  readonly update: SparseUpdate;
  /** e for the next round. */
  readonly error: Float32Array<ArrayBuffer>;
}

/** A parameter this large is no training result; kernels/sparseloco/check-finite.wgsl refuses the same. */
const MAX_PARAMETER = 2 ** 64;

/** Throws {@link NotFiniteError}, naming the tensor, when the model has a NaN or infinity. */
export function compressCpu(
  input: CompressCpuInput,
  layout: ParameterLayout,
  settings: SparseLoco,
): CompressCpuOutput {
  const start = thetaToFloat(input.theta, settings.fractionBits);
  const accumulated = new Float32Array(layout.elements);
  const { parameters, error } = input;
  for (const tensor of layout.tensors) {
    for (let i = tensor.offset; i < tensor.offset + tensor.size; i++) {
      const delta = start[i] - parameters[i];
      if (!(Math.abs(parameters[i]) < MAX_PARAMETER)) throw new NotFiniteError(tensor.name);
      accumulated[i] = settings.beta * error[i] + delta;
    }
  }
  const capacity = maxEntries(layout, settings);
  const starts = new Uint32Array(layout.chunks + 1);
  const entries = new Uint16Array(capacity);
  const values = new Float32Array(capacity);
  const chunk = new Float32Array(4096);
  const bits = new Uint32Array(chunk.buffer);
  let at = 0;
  chunkPlaces(layout).forEach((place, c) => {
    const count =
      c < layout.matrixChunks
        ? selectTile(place, accumulated, chunk, bits, settings.topK, entries, at)
        : selectVector(place, accumulated, entries, at);
    for (let i = at; i < at + count; i++) {
      const p = entries[i];
      values[i] = accumulated[place.base + (p >> 6) * place.stride + (p & 63)];
    }
    at += count;
    starts[c + 1] = at;
  });
  const selection = { starts, entries: entries.slice(0, at), values: values.subarray(0, at) };
  const update = quantiseUpdate(selection, layout, settings);
  addScaled(accumulated, update, layout, -1);
  return { update, error: accumulated };
}

function selectTile(
  place: ChunkPlace,
  accumulated: Float32Array,
  chunk: Float32Array,
  bits: Uint32Array,
  topK: number,
  entries: Uint16Array,
  at: number,
): number {
  for (let row = 0; row < 64; row++) {
    const from = place.base + row * place.stride;
    chunk.set(accumulated.subarray(from, from + 64), row * 64);
  }
  return selectTopK(bits, topK, entries, at);
}

/** A vector's chunk is sent whole, unless it is all zero. */
function selectVector(
  place: ChunkPlace,
  accumulated: Float32Array,
  entries: Uint16Array,
  at: number,
): number {
  if (!accumulated.subarray(place.base, place.base + place.length).some((x) => x !== 0)) return 0;
  for (let i = 0; i < place.length; i++) entries[at + i] = i;
  return place.length;
}
