/** Inputs for tests and benches of this folder: a small layout and deterministic, heavy-tailed pseudo-gradients. */
import type { ModelConfig } from '../model/config.ts';
import { CHUNK, type ParameterLayout, parameterLayout } from '../model/layout.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { levelOf } from './levels.ts';
import { type ChunkPlace, chunkPlaces, CODES, flatIndex, type SparseUpdate } from './update.ts';
import type { SubmissionHeader } from './wire.ts';

/** Mulberry32: a 32-bit generator, uniform in [0, 1). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** About 0.12 M parameters: 29 tiles and 5 vectors. */
export const smallConfig: ModelConfig = {
  vocabSize: 192,
  hiddenSize: 64,
  intermediateSize: 192,
  layers: 2,
  heads: 2,
  kvHeads: 2,
  tiedEmbeddings: true,
  ropeTheta: 10_000,
  rmsNormEps: 1e-5,
};

export const smallLayout = (): ParameterLayout => parameterLayout(smallConfig);

export const testSettings = (change: Partial<SparseLoco> = {}): SparseLoco => ({
  topK: 64,
  quantiser: 'sign1',
  beta: 0.95,
  alpha: 1,
  average: 'senders',
  fractionBits: 24,
  ...change,
});

export const testHeader = (round = 7, seed = 1): SubmissionHeader => ({
  run: new Uint8Array(32).fill(0xa0 + seed),
  round,
  contributor: new Uint8Array(32).fill(seed),
});

/** θ of ordinary size. */
export function randomTheta(layout: ParameterLayout, seed: number, fractionBits = 24): Int32Array {
  const random = randomSource(seed);
  return Int32Array.from({ length: layout.elements }, () =>
    Math.round((random() - 0.5) * 0.2 * 2 ** fractionBits),
  );
}

/** Laplace-like values, each row and column of a tensor with its own scale, as real pseudo-gradients have. */
export function randomDelta(layout: ParameterLayout, seed: number): Float32Array {
  const random = randomSource(seed);
  const out = new Float32Array(layout.elements);
  const draw = () => (random() < 0.5 ? 1 : -1) * -Math.log(1 - random());
  for (const { shape, offset, size } of layout.tensors) {
    const columns = shape.length === 2 ? shape[1] : size;
    const columnScale = Array.from({ length: columns }, () => 0.5 + random());
    for (let i = 0, rowScale = 1; i < size; i++) {
      if (i % columns === 0) rowScale = 0.5 + random();
      out[offset + i] = 0.002 * rowScale * columnScale[i % columns] * draw();
    }
  }
  return out;
}

/**
 * Parameters (around a zero state) whose first chunk has 3900 equal magnitudes from position 100 on, whose second
 * has five values other than zero, and which are zero in all others.
 */
export function tiedDelta(layout: ParameterLayout): Float32Array {
  const out = new Float32Array(layout.elements);
  const [first, second] = chunkPlaces(layout) as [ChunkPlace, ChunkPlace];
  for (let p = 100; p < 4000; p++) out[flatIndex(first, p)] = p % 3 === 0 ? 0.5 : -0.5;
  for (const p of [0, 63, 64, 2000, 4095]) out[flatIndex(second, p)] = 0.25;
  return out;
}

/** A matrix of two by three tiles and a vector of two chunks, the second of them short. */
export function wideLayout(): ParameterLayout {
  const tensors: ParameterLayout['tensors'] = [
    { name: 'matrix', shape: [128, 192], offset: 0, size: 6 * CHUNK, firstChunk: 0, chunks: 6 },
    { name: 'vector', shape: [CHUNK + 100], offset: 6 * CHUNK, size: CHUNK + 100, firstChunk: 6, chunks: 2 },
  ];
  return {
    tensors,
    byName: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    matrixElements: 6 * CHUNK,
    elements: 7 * CHUNK + 100,
    matrixChunks: 6,
    chunks: 8,
  };
}

/** Some entries in every chunk but the second, each chunk with four levels of its own around `scale`. */
export function randomUpdate(layout: ParameterLayout, seed: number, scale = 1): SparseUpdate {
  const random = randomSource(seed);
  const starts = new Uint32Array(layout.chunks + 1);
  const tables = new Int16Array(layout.chunks * CODES);
  const entries: number[] = [];
  chunkPlaces(layout).forEach(({ length }, c) => {
    const end = c === 1 ? 0 : length;
    for (let p = Math.floor(random() * 9); p < end; p += 1 + Math.floor(random() * 400))
      entries.push(p | (Math.floor(random() * CODES) << 12));
    starts[c + 1] = entries.length;
    for (let q = 0; q < CODES; q++)
      tables[c * CODES + q] = (q === 1 ? -1 : 1) * (levelOf(scale) + Math.round((random() - 0.5) * 20));
  });
  return { starts, entries: Uint16Array.from(entries), tables };
}
