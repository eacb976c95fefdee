/**
 * Where each tensor of the model lies in one flat buffer of scalars.
 *
 * All matrices come first and all vectors (norm gains) last. So the first `matrixElements` scalars are exactly the
 * ones that get weight decay, and exactly the ones that SparseLoCo cuts into 64x64 tiles; the vectors are sent dense.
 * Every offset is a multiple of 64 scalars = 256 bytes, WebGPU's minimum storage-buffer offset alignment.
 */
import { kvSize, type ModelConfig } from './config.ts';

/** Side of a tile: a chunk is TILE x TILE scalars of one matrix. */
export const TILE = 64;
/** Scalars in a chunk. */
export const CHUNK = TILE * TILE;

/** One tensor: Hugging Face name, shape `[out, in]` or `[size]`, row-major at `offset` scalars. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly [number, number] | readonly [number];
  readonly offset: number;
  readonly size: number;
  /**
   * Index of the tensor's first chunk. Chunks count on through all tensors: a matrix `[m, n]` has (m/64)(n/64) of
   * them, row of tiles by row of tiles; each vector has ceil(size / 4096).
   */
  readonly firstChunk: number;
  readonly chunks: number;
}

export interface ParameterLayout {
  readonly tensors: readonly TensorSpec[];
  readonly byName: ReadonlyMap<string, TensorSpec>;
  /** Scalars in all matrices: `[0, matrixElements)`. */
  readonly matrixElements: number;
  /** Scalars in total. */
  readonly elements: number;
  /** Chunks of matrices, i.e. matrixElements / CHUNK. */
  readonly matrixChunks: number;
  /** Chunks in total. */
  readonly chunks: number;
}

/** A run of a model's layers, with or without what comes before and after them: all of it, or a stage of a pipeline. */
export interface ModelPart {
  /** Layers `[from, to)`. */
  readonly layers: readonly [from: number, to: number];
  /** Whether it begins with the embedding. */
  readonly embed: boolean;
  /** Whether it ends with the last norm and the matrix that makes logits. */
  readonly head: boolean;
}

export const wholeModel = (c: ModelConfig): ModelPart => ({
  layers: [0, c.layers],
  embed: true,
  head: true,
});

/**
 * Matrices in the order of Hugging Face's Llama, then the vectors in the same order. A part has its own tensors only, at
 * offsets of its own; tied embeddings are in each part that uses them.
 */
export function parameterLayout(c: ModelConfig, part: ModelPart = wholeModel(c)): ParameterLayout {
  const [from, to] = part.layers;
  const d = c.hiddenSize;
  const f = c.intermediateSize;
  const kv = kvSize(c);
  const shapes: [string, readonly [number, number] | readonly [number]][] = [];
  if (part.embed || (part.head && c.tiedEmbeddings))
    shapes.push(['model.embed_tokens.weight', [c.vocabSize, d]]);
  for (let i = from; i < to; i++) {
    const p = `model.layers.${i}.`;
    shapes.push(
      [`${p}self_attn.q_proj.weight`, [d, d]],
      [`${p}self_attn.k_proj.weight`, [kv, d]],
      [`${p}self_attn.v_proj.weight`, [kv, d]],
      [`${p}self_attn.o_proj.weight`, [d, d]],
      [`${p}mlp.gate_proj.weight`, [f, d]],
      [`${p}mlp.up_proj.weight`, [f, d]],
      [`${p}mlp.down_proj.weight`, [d, f]],
    );
  }
  if (part.head && !c.tiedEmbeddings) shapes.push(['lm_head.weight', [c.vocabSize, d]]);
  for (let i = from; i < to; i++) {
    const p = `model.layers.${i}.`;
    shapes.push([`${p}input_layernorm.weight`, [d]], [`${p}post_attention_layernorm.weight`, [d]]);
  }
  if (part.head) shapes.push(['model.norm.weight', [d]]);

  const tensors: TensorSpec[] = [];
  let offset = 0;
  let chunk = 0;
  let matrixElements = 0;
  let matrixChunks = 0;
  for (const [name, shape] of shapes) {
    const size = shape.length === 2 ? shape[0] * shape[1] : shape[0];
    const chunks = Math.ceil(size / CHUNK);
    tensors.push({ name, shape, offset, size, firstChunk: chunk, chunks });
    offset += size;
    chunk += chunks;
    if (shape.length === 2) {
      matrixElements = offset;
      matrixChunks = chunk;
    }
  }
  return {
    tensors,
    byName: new Map(tensors.map((t) => [t.name, t])),
    matrixElements,
    elements: offset,
    matrixChunks,
    chunks: chunk,
  };
}
