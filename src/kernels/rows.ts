/**
 * The kernels that are not products: norms, rotation, SwiGLU, embedding, loss, gradient norm, AdamW. Each is a `.wgsl` file
 * with its sizes put before it as constants; this file gives them types, grids and reductions.
 */
import adamw from './adamw.wgsl?raw';
import clipFactor from './clip-factor.wgsl?raw';
import crossEntropy from './cross-entropy.wgsl?raw';
import embed from './embed.wgsl?raw';
import embedBackward from './embed-backward.wgsl?raw';
import type { Storage } from './choice.ts';
import { type BufferRange, FOLD, fold, type LaunchSpec, withConstants } from './program.ts';
import { type RowShape, reductions } from './reduce.ts';
import rmsnorm from './rmsnorm.wgsl?raw';
import rmsnormBackward from './rmsnorm-backward.wgsl?raw';
import rope from './rope.wgsl?raw';
import squareSum from './square-sum.wgsl?raw';
import sumColumns from './sum-columns.wgsl?raw';
import sumLoss from './sum-loss.wgsl?raw';
import swiglu from './swiglu.wgsl?raw';
import swigluBackward from './swiglu-backward.wgsl?raw';
import toHalf from './to-half.wgsl?raw';

type Constants = Parameters<typeof withConstants>[2];

/** Rows that one workgroup of the RMSNorm backward takes; the partial gain gradients have ceil(rows / this) rows. */
export const NORM_BLOCK = 8;
/** Workgroups of the gradient norm's first pass. */
export const NORM_GROUPS = 64;
/** Threads of the elementwise kernels. */
const FLAT = 64;

/** The largest numbers that the storage types hold. */
const LARGEST: Readonly<Record<Storage, number>> = { f32: 3.4e38, f16: 65_504 };

/** Gives a shader's H its type: how it stores an operand of a product. */
const storing = (storage: Storage): string =>
  `${storage === 'f16' ? 'enable f16;\n' : ''}alias H = ${storage};\n`;

function rowKernel(label: string, source: string, shape: RowShape, constants: Constants) {
  return withConstants(label, reductions(shape) + source, { FOLD, W: shape.threads, ...constants });
}

function flat(
  label: string,
  source: string,
  items: number,
  constants: Constants,
  ranges: readonly BufferRange[],
  bytes: number,
): LaunchSpec {
  return {
    kernel: withConstants(label, source, { FOLD, W: FLAT, ...constants }),
    ranges,
    grid: fold(Math.ceil(items / FLAT)),
    flops: 0,
    bytes,
  };
}

export function rmsnormLaunch(
  shape: RowShape,
  rows: number,
  d: number,
  eps: number,
  [x, gain, h, rstd]: readonly [BufferRange, BufferRange, BufferRange, BufferRange],
  storage: Storage = 'f32',
): LaunchSpec {
  return {
    kernel: rowKernel('rmsnorm', storing(storage) + rmsnorm, shape, { ROWS: rows, D: d, EPS: { f32: eps } }),
    ranges: [x, gain, h, rstd],
    grid: fold(rows),
    flops: 0,
    bytes: 8 * rows * d,
  };
}

/** `norm`: which of the model's `norms` this is; `fresh`: overwrite dx instead of adding to it. */
export function rmsnormBackwardLaunch(
  shape: RowShape,
  rows: number,
  d: number,
  norms: number,
  norm: number,
  fresh: boolean,
  ranges: readonly [BufferRange, BufferRange, BufferRange, BufferRange, BufferRange, BufferRange],
): LaunchSpec {
  return {
    kernel: rowKernel('rmsnorm backward', rmsnormBackward, shape, {
      ROWS: rows,
      D: d,
      BLOCK: NORM_BLOCK,
      STRIDE: norms * d,
      COLUMN: norm * d,
      FRESH: fresh,
    }),
    ranges,
    grid: fold(Math.ceil(rows / NORM_BLOCK)),
    flops: 0,
    bytes: 20 * rows * d,
  };
}

export function sumColumnsLaunch(
  rows: number,
  columns: number,
  ranges: readonly [BufferRange, BufferRange],
): LaunchSpec {
  const source = (accumulate: boolean) =>
    withConstants('gain gradients', sumColumns, {
      ROWS: rows,
      COLUMNS: columns,
      W: FLAT,
      ACCUMULATE: accumulate,
    });
  return {
    kernel: source(false),
    accumulate: source(true),
    ranges,
    grid: [Math.ceil(columns / FLAT), 1, 1],
    flops: 0,
    bytes: 4 * rows * columns,
  };
}

export function ropeLaunch(
  rows: number,
  sequence: number,
  ld: number,
  heads: number,
  headDim: number,
  ranges: readonly [BufferRange, BufferRange],
): LaunchSpec {
  const items = (rows * heads * headDim) / 2;
  const constants = { ROWS: rows, T: sequence, LD: ld, HEADS: heads, HALF: headDim / 2 };
  return flat('rope', rope, items, constants, ranges, 16 * items);
}

export function swigluLaunch(
  rows: number,
  f: number,
  ranges: readonly [BufferRange, BufferRange],
  storage: Storage = 'f32',
): LaunchSpec {
  const constants = { ROWS: rows, F4: f / 4, LARGEST: { f32: LARGEST[storage] } };
  return flat('swiglu', storing(storage) + swiglu, (rows * f) / 4, constants, ranges, 12 * rows * f);
}

/** `elements` f32 scalars copied as f16. */
export function toHalfLaunch(elements: number, ranges: readonly [BufferRange, BufferRange]): LaunchSpec {
  return flat('weights to f16', toHalf, elements / 4, { COUNT: elements / 4 }, ranges, 6 * elements);
}

export function swigluBackwardLaunch(
  rows: number,
  f: number,
  ranges: readonly [BufferRange, BufferRange],
): LaunchSpec {
  const constants = { ROWS: rows, F4: f / 4 };
  return flat('swiglu backward', swigluBackward, (rows * f) / 4, constants, ranges, 20 * rows * f);
}

/** A part of the vocabulary: rows `[first, first + count)` of the embedding. */
export interface VocabPart {
  readonly first: number;
  readonly count: number;
}

export function embedLaunch(
  rows: number,
  d: number,
  { first, count }: VocabPart,
  ranges: readonly [BufferRange, BufferRange, BufferRange],
): LaunchSpec {
  const constants = { ROWS: rows, D4: d / 4, FIRST: first, COUNT: count };
  return flat('embed', embed, (rows * d) / 4, constants, ranges, 8 * rows * d);
}

export function embedBackwardLaunch(
  rows: number,
  d: number,
  { first, count }: VocabPart,
  ranges: readonly [BufferRange, BufferRange, BufferRange, BufferRange],
): LaunchSpec {
  const constants = { ROWS: rows, D4: d / 4, FIRST: first, COUNT: count };
  return flat('embed backward', embedBackward, (rows * d) / 4, constants, ranges, 12 * rows * d);
}

/** Rows `[first, first + rows)` of the batch in a chunk of `padded` rows. */
export function crossEntropyLaunch(
  shape: RowShape,
  first: number,
  rows: number,
  padded: number,
  vocab: number,
  ranges: readonly [BufferRange, BufferRange, BufferRange, BufferRange],
): LaunchSpec {
  return {
    kernel: rowKernel('cross-entropy', crossEntropy, shape, {
      ROWS: rows,
      PADDED: padded,
      FIRST: first,
      V: vocab,
    }),
    ranges,
    grid: fold(padded),
    flops: 0,
    bytes: 16 * padded * vocab,
  };
}

export function sumLossLaunch(
  shape: RowShape,
  rows: number,
  slot: number,
  ranges: readonly [BufferRange, BufferRange],
): LaunchSpec {
  const source = (accumulate: boolean) =>
    rowKernel('sum of losses', sumLoss, shape, { ROWS: rows, SLOT: slot, ACCUMULATE: accumulate });
  return {
    kernel: source(false),
    accumulate: source(true),
    ranges,
    grid: [1, 1, 1],
    flops: 0,
    bytes: 4 * rows,
  };
}

/** `part`: which binding-sized part of the flat buffer this is. */
export function squareSumLaunch(
  shape: RowShape,
  elements: number,
  part: number,
  ranges: readonly [BufferRange, BufferRange],
): LaunchSpec {
  return {
    kernel: rowKernel('gradient norm', squareSum, shape, {
      COUNT: elements / 4,
      GROUPS: NORM_GROUPS,
      SLOT: part * NORM_GROUPS,
    }),
    ranges,
    grid: [NORM_GROUPS, 1, 1],
    flops: 0,
    bytes: 4 * elements,
  };
}

export function clipFactorLaunch(
  shape: RowShape,
  partials: number,
  clipNorm: number,
  ranges: readonly [BufferRange, BufferRange],
): LaunchSpec {
  return {
    kernel: rowKernel('clip factor', clipFactor, shape, { COUNT: partials, CLIP: { f32: clipNorm } }),
    ranges,
    grid: [1, 1, 1],
    flops: 0,
    bytes: 4 * partials,
  };
}

export interface AdamwSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** Scalars `[first, first + elements)` of the flat buffers; decay below `decayed`. */
export function adamwLaunch(
  first: number,
  elements: number,
  decayed: number,
  s: AdamwSettings,
  ranges: readonly [BufferRange, BufferRange, BufferRange, BufferRange, BufferRange, BufferRange],
): LaunchSpec {
  return flat(
    'adamw',
    adamw,
    elements / 4,
    {
      COUNT: elements / 4,
      FIRST: first / 4,
      DECAYED: decayed / 4,
      BETA1: { f32: s.beta1 },
      BETA2: { f32: s.beta2 },
      EPSILON: { f32: s.epsilon },
      DECAY: { f32: s.weightDecay },
    },
    ranges,
    28 * elements,
  );
}
