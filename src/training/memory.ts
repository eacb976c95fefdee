/**
 * Every GPU buffer of the training engine, by name and size. The engine allocates exactly this list, so an estimate made
 * without a device is the truth to the byte.
 */
import { PART_TABLE_BYTES } from '../kernels/attention-variants.ts';
import type { Storage } from '../kernels/choice.ts';
import { NORM_BLOCK, NORM_GROUPS, type VocabPart } from '../kernels/rows.ts';
import { type MatmulShape, ROW_PADDING } from '../kernels/matmul-shape.ts';
import type { TuningShapes } from '../kernels/tune.ts';
import { headDim, kvSize, type ModelConfig } from '../model/config.ts';
import { type ModelPart, parameterLayout, wholeModel } from '../model/layout.ts';

export interface MemoryOptions {
  /** Keep only each layer's input and compute the rest again in the backward pass: a third more work, far less memory. */
  readonly recompute?: boolean | undefined;
  /** Which part of the model; default all of it. */
  readonly part?: ModelPart | undefined;
  /** No backward pass: no gradients and no Adam, and two layers' x in all. */
  readonly forwardOnly?: boolean | undefined;
  /** How operands of products are stored beside the f32 weights; default f32. */
  readonly storage?: Storage | undefined;
  /** Largest storage binding in bytes; default WebGPU's guaranteed 128 MiB. */
  readonly maxBinding?: number | undefined;
}

/** Sizes that the buffers and the plan must agree on. */
export interface Dimensions {
  readonly rows: number;
  /** rows, rounded up to whole {@link ROW_PADDING}s. */
  readonly padded: number;
  readonly d: number;
  readonly f: number;
  readonly kv: number;
  /** Columns of qkv: d + 2 kv. */
  readonly ld: number;
  readonly headDim: number;
  readonly norms: number;
  /** Rows of logits that exist at a time. */
  readonly chunk: number;
  /** The vocabulary in parts that fit a binding; usually one. */
  readonly vocabParts: readonly VocabPart[];
  /** Scalars of the flat buffers that one binding may hold. */
  readonly flatPart: number;
  readonly elements: number;
  readonly matrixElements: number;
}

const DEFAULT_BINDING = 128 * 2 ** 20;
/**
 * Logits at a time, at most: four dispatches a chunk, so that the head of a 50,304-word vocabulary at 4096 rows takes 24
 * of them; more would only lengthen single dispatches.
 */
const LOGIT_BYTES = 136 * 2 ** 20;

export const roundUp = (x: number, step: number): number => Math.ceil(x / step) * step;

export function dimensions(
  c: ModelConfig,
  batch: number,
  sequence: number,
  options: MemoryOptions = {},
): Dimensions {
  const maxBinding = options.maxBinding ?? DEFAULT_BINDING;
  const part = options.part ?? wholeModel(c);
  const { elements, matrixElements } = parameterLayout(c, part);
  const rows = batch * sequence;
  const padded = roundUp(rows, ROW_PADDING);
  const d = c.hiddenSize;
  const kv = kvSize(c);
  const fitting =
    Math.floor(Math.min(LOGIT_BYTES, maxBinding) / (c.vocabSize * 4) / ROW_PADDING) * ROW_PADDING;
  // Never all rows at once, unless there are so few that they are one block.
  const chunk = Math.max(ROW_PADDING, Math.min(fitting, roundUp(padded / 2, ROW_PADDING)));
  const partRows = Math.max(64, Math.floor(maxBinding / (d * 4) / 64) * 64);
  const vocabParts: VocabPart[] = [];
  for (let first = 0; first < c.vocabSize; first += partRows) {
    vocabParts.push({ first, count: Math.min(partRows, c.vocabSize - first) });
  }
  return {
    rows,
    padded,
    d,
    f: c.intermediateSize,
    kv,
    ld: d + 2 * kv,
    headDim: headDim(c),
    norms: 2 * (part.layers[1] - part.layers[0]) + (part.head ? 1 : 0),
    chunk,
    vocabParts,
    // Parts start at multiples of 256 bytes, in f16 copies too.
    flatPart: Math.floor(maxBinding / 512) * 128,
    elements,
    matrixElements,
  };
}

/** What a training step runs, for a tuning run. */
export function tuningShapes(c: ModelConfig, batch: number, sequence: number): TuningShapes {
  const attention = { batch, sequence, heads: c.heads, kvHeads: c.kvHeads, headDim: headDim(c) };
  return {
    products: matmulShapes(c, batch, sequence),
    f16: matmulShapes(c, batch, sequence, { storage: 'f16' }),
    attention,
  };
}

function matmulShapes(
  c: ModelConfig,
  batch: number,
  sequence: number,
  options: MemoryOptions = {},
): MatmulShape[] {
  const s = dimensions(c, batch, sequence, options);
  const half = options.storage === 'f16';
  const products = (rows: number, out: number, inner: number, stored = half): MatmulShape[] => [
    { form: 'NT', m: rows, n: out, k: inner, f16: stored ? 'ab' : half ? 'b' : undefined },
    { form: 'NN', m: rows, n: inner, k: out, f16: half ? 'b' : undefined },
    { form: 'TN', m: out, n: inner, k: roundUp(rows, 4), f16: stored ? 'b' : undefined },
  ];
  return [
    ...products(s.rows, s.ld, s.d),
    // The output projection's input is stored f32.
    ...products(s.rows, s.d, s.d, false),
    ...products(s.rows, 2 * s.f, s.d),
    ...products(s.rows, s.d, s.f),
    ...s.vocabParts.flatMap((part) => products(Math.min(s.chunk, s.rows), part.count, s.d)),
  ];
}

/** Name of one layer's saved activation; `shared`: all layers use one set. */
export const layerBuffer = (name: string, layer: number, shared: boolean): string =>
  shared ? `shared.${name}` : `${layer}.${name}`;

/** Name of the residual stream before a layer; without a backward pass two take turns. */
export const xBuffer = (layer: number, forwardOnly: boolean): string =>
  `${forwardOnly ? layer % 2 : layer}.x`;

/** Name to bytes, of every buffer. */
export function planBuffers(
  c: ModelConfig,
  batch: number,
  sequence: number,
  options: MemoryOptions = {},
): Map<string, number> {
  const s = dimensions(c, batch, sequence, options);
  const { layers, embed, head } = options.part ?? wholeModel(c);
  const forwardOnly = options.forwardOnly === true;
  const shared = options.recompute === true || forwardOnly;
  const buffers = new Map<string, number>();
  const add = (name: string, elements: number) => buffers.set(name, roundUp(Math.max(elements, 4), 4) * 4);
  /** An operand of products: f16 where the storage is. */
  const addOperand = (name: string, elements: number) =>
    add(name, options.storage === 'f16' ? elements / 2 : elements);
  add('parameters', s.elements);
  if (!forwardOnly) for (const name of ['gradients', 'moment1', 'moment2']) add(name, s.elements);
  if (options.storage === 'f16') addOperand('weights', s.matrixElements);
  if (embed) {
    add('tokens', s.rows);
    if (!forwardOnly) add('order', 2 * s.rows + 2);
  }
  add('angles', sequence * s.headDim);
  add('parts', PART_TABLE_BYTES / 4);
  for (let i = layers[0]; i <= layers[1]; i++) add(xBuffer(i, forwardOnly), s.padded * s.d);
  for (let i = layers[0]; i < (shared ? Math.min(layers[0] + 1, layers[1]) : layers[1]); i++) {
    const layer = (name: string, elements: number) => add(layerBuffer(name, i, shared), elements);
    const operand = (name: string, elements: number) => addOperand(layerBuffer(name, i, shared), elements);
    operand('h1', s.padded * s.d);
    layer('rstd1', s.padded);
    layer('qkv', s.padded * s.ld);
    // Stays f32: the backward pass takes sum(out * dout) from it, which must match the probabilities it recomputes.
    layer('attention', s.padded * s.d);
    layer('lse', s.padded * c.heads);
    layer('middle', s.padded * s.d);
    operand('h2', s.padded * s.d);
    layer('rstd2', s.padded);
    layer('gu', s.padded * 2 * s.f);
    operand('act', s.padded * s.f);
  }
  if (head) {
    add('targets', s.rows);
    addOperand('hFinal', s.padded * s.d);
    add('rstdFinal', s.padded);
    add('logits', s.chunk * c.vocabSize);
    add('loss', s.rows);
  }
  if (!forwardOnly) {
    add('dx', s.padded * s.d);
    add('dh', s.padded * s.d);
    add('dqkv', s.padded * s.ld);
    add('dact', s.padded * s.f);
    add('delta', s.padded * c.heads);
    add('gainPartials', Math.ceil(s.rows / NORM_BLOCK) * s.norms * s.d);
    add('normPartials', Math.ceil(s.elements / s.flatPart) * NORM_GROUPS);
  }
  add('stats', 4);
  add('step', 4);
  add('readback', 4);
  return buffers;
}

export interface MemoryEstimate {
  /** Bytes of everything. */
  readonly total: number;
  /** Parameters and, where there is a backward pass, gradients and Adam's two moments. */
  readonly state: number;
  /** The rest: activations, their gradients, one chunk of logits. */
  readonly activations: number;
  /** The largest single buffer. */
  readonly largestBuffer: number;
}

/** Bytes of GPU memory that `createEngine` will allocate for this configuration; needs no device. */
export function estimateMemory(
  c: ModelConfig,
  batch: number,
  sequence: number,
  options: MemoryOptions = {},
): MemoryEstimate {
  const buffers = planBuffers(c, batch, sequence, options);
  let total = 0;
  for (const bytes of buffers.values()) total += bytes;
  let state = 0;
  for (const name of ['parameters', 'gradients', 'moment1', 'moment2']) state += buffers.get(name) ?? 0;
  return { total, state, activations: total - state, largestBuffer: Math.max(...buffers.values()) };
}
