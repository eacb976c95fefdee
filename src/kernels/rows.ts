/**
 * The kernels that are not products: norms, rotation, SwiGLU, embedding, loss, gradient norm, AdamW. Each is a `.wgsl` file
 * with its sizes put before it as constants; this file gives them types, grids and reductions. A launch takes its sizes and
 * its buffers by name; the buffers' names are those of the WGSL.
 */
import adamw from './adamw.wgsl?raw';
import clipFactor from './clip-factor.wgsl?raw';
import crossEntropy from './cross-entropy.wgsl?raw';
import embed from './embed.wgsl?raw';
import embedBackward from './embed-backward.wgsl?raw';
import type { Storage } from './choice.ts';
import { type Buffers, FOLD, fold, type LaunchSpec, withConstants } from './program.ts';
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

/** How a kernel reduces over the threads of a workgroup. */
interface Reducing {
  readonly shape: RowShape;
}

function rowKernel(label: string, source: string, shape: RowShape, constants: Constants) {
  return withConstants(label, reductions(shape) + source, { FOLD, W: shape.threads, ...constants });
}

function flat(
  label: string,
  source: string,
  items: number,
  constants: Constants,
  buffers: Buffers,
  bytes: number,
): LaunchSpec {
  return {
    kernel: withConstants(label, source, { FOLD, W: FLAT, ...constants }),
    buffers,
    grid: fold(Math.ceil(items / FLAT)),
    flops: 0,
    bytes,
  };
}

/** h = RMSNorm of x `[rows, d]`; `storage` is h's. */
export function rmsnormLaunch(
  sizes: Reducing & {
    readonly rows: number;
    readonly d: number;
    readonly eps: number;
    readonly storage?: Storage;
  },
  buffers: Buffers<'x' | 'gain' | 'h' | 'rstd'>,
): LaunchSpec {
  const { shape, rows, d, eps, storage = 'f32' } = sizes;
  return {
    kernel: rowKernel('rmsnorm', storing(storage) + rmsnorm, shape, { ROWS: rows, D: d, EPS: { f32: eps } }),
    buffers,
    grid: fold(rows),
    flops: 0,
    bytes: 8 * rows * d,
  };
}

/** `norm`: which of the model's `norms` this is; `fresh`: overwrite dx instead of adding to it. */
export function rmsnormBackwardLaunch(
  sizes: Reducing & {
    readonly rows: number;
    readonly d: number;
    readonly norms: number;
    readonly norm: number;
    readonly fresh: boolean;
  },
  buffers: Buffers<'x' | 'gain' | 'rstd' | 'dh' | 'dx' | 'partial'>,
): LaunchSpec {
  const { shape, rows, d, norms, norm, fresh } = sizes;
  return {
    kernel: rowKernel('rmsnorm backward', rmsnormBackward, shape, {
      ROWS: rows,
      D: d,
      BLOCK: NORM_BLOCK,
      STRIDE: norms * d,
      COLUMN: norm * d,
      FRESH: fresh,
    }),
    buffers,
    grid: fold(Math.ceil(rows / NORM_BLOCK)),
    flops: 0,
    bytes: 20 * rows * d,
  };
}

export function sumColumnsLaunch(
  { rows, columns }: { readonly rows: number; readonly columns: number },
  buffers: Buffers<'partial' | 'out'>,
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
    buffers,
    grid: [Math.ceil(columns / FLAT), 1, 1],
    flops: 0,
    bytes: 4 * rows * columns,
  };
}

/** `ld`: columns of qkv; `heads`: of queries and keys together. */
export function ropeLaunch(
  sizes: {
    readonly rows: number;
    readonly sequence: number;
    readonly ld: number;
    readonly heads: number;
    readonly headDim: number;
  },
  buffers: Buffers<'qkv' | 'angles'>,
): LaunchSpec {
  const { rows, sequence, ld, heads, headDim } = sizes;
  const items = (rows * heads * headDim) / 2;
  const constants = { ROWS: rows, T: sequence, LD: ld, HEADS: heads, HALF: headDim / 2 };
  return flat('rope', rope, items, constants, buffers, 16 * items);
}

/** `storage` is that of act. */
export function swigluLaunch(
  { rows, f, storage = 'f32' }: { readonly rows: number; readonly f: number; readonly storage?: Storage },
  buffers: Buffers<'gu' | 'act'>,
): LaunchSpec {
  const constants = { ROWS: rows, F4: f / 4, LARGEST: { f32: LARGEST[storage] } };
  return flat('swiglu', storing(storage) + swiglu, (rows * f) / 4, constants, buffers, 12 * rows * f);
}

/** `elements` f32 scalars copied as f16. */
export function toHalfLaunch(elements: number, buffers: Buffers<'values' | 'half'>): LaunchSpec {
  return flat('weights to f16', toHalf, elements / 4, { COUNT: elements / 4 }, buffers, 6 * elements);
}

export function swigluBackwardLaunch(
  { rows, f }: { readonly rows: number; readonly f: number },
  buffers: Buffers<'dact' | 'gu'>,
): LaunchSpec {
  const constants = { ROWS: rows, F4: f / 4 };
  return flat('swiglu backward', swigluBackward, (rows * f) / 4, constants, buffers, 20 * rows * f);
}

/** A part of the vocabulary: rows `[first, first + count)` of the embedding. */
export interface VocabPart {
  readonly first: number;
  readonly count: number;
}

interface EmbedSizes {
  readonly rows: number;
  readonly d: number;
  readonly part: VocabPart;
}

const embedConstants = ({ rows, d, part }: EmbedSizes) => ({
  ROWS: rows,
  D4: d / 4,
  FIRST: part.first,
  COUNT: part.count,
});

export function embedLaunch(sizes: EmbedSizes, buffers: Buffers<'tokens' | 'table' | 'x'>): LaunchSpec {
  const scalars = sizes.rows * sizes.d;
  return flat('embed', embed, scalars / 4, embedConstants(sizes), buffers, 8 * scalars);
}

export function embedBackwardLaunch(
  sizes: EmbedSizes,
  buffers: Buffers<'tokens' | 'order' | 'dx' | 'table'>,
): LaunchSpec {
  const scalars = sizes.rows * sizes.d;
  return flat('embed backward', embedBackward, scalars / 4, embedConstants(sizes), buffers, 12 * scalars);
}

/** Rows `[first, first + rows)` of the batch in a chunk of `padded` rows. */
export function crossEntropyLaunch(
  sizes: Reducing & {
    readonly first: number;
    readonly rows: number;
    readonly padded: number;
    readonly vocab: number;
  },
  buffers: Buffers<'step' | 'targets' | 'logits' | 'loss'>,
): LaunchSpec {
  const { shape, first, rows, padded, vocab } = sizes;
  return {
    kernel: rowKernel('cross-entropy', crossEntropy, shape, {
      ROWS: rows,
      PADDED: padded,
      FIRST: first,
      V: vocab,
    }),
    buffers,
    grid: fold(padded),
    flops: 0,
    bytes: 16 * padded * vocab,
  };
}

/** `slot`: where in stats the sum goes. */
export function sumLossLaunch(
  { shape, rows, slot }: Reducing & { readonly rows: number; readonly slot: number },
  buffers: Buffers<'loss' | 'stats'>,
): LaunchSpec {
  const source = (accumulate: boolean) =>
    rowKernel('sum of losses', sumLoss, shape, { ROWS: rows, SLOT: slot, ACCUMULATE: accumulate });
  return {
    kernel: source(false),
    accumulate: source(true),
    buffers,
    grid: [1, 1, 1],
    flops: 0,
    bytes: 4 * rows,
  };
}

/** `part`: which binding-sized part of the flat buffer this is. */
export function squareSumLaunch(
  { shape, elements, part }: Reducing & { readonly elements: number; readonly part: number },
  buffers: Buffers<'values' | 'partial'>,
): LaunchSpec {
  return {
    kernel: rowKernel('gradient norm', squareSum, shape, {
      COUNT: elements / 4,
      GROUPS: NORM_GROUPS,
      SLOT: part * NORM_GROUPS,
    }),
    buffers,
    grid: [NORM_GROUPS, 1, 1],
    flops: 0,
    bytes: 4 * elements,
  };
}

export function clipFactorLaunch(
  { shape, partials, clipNorm }: Reducing & { readonly partials: number; readonly clipNorm: number },
  buffers: Buffers<'partial' | 'stats'>,
): LaunchSpec {
  return {
    kernel: rowKernel('clip factor', clipFactor, shape, { COUNT: partials, CLIP: { f32: clipNorm } }),
    buffers,
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
  sizes: { readonly first: number; readonly elements: number; readonly decayed: number },
  settings: AdamwSettings,
  buffers: Buffers<'step' | 'stats' | 'gradients' | 'parameters' | 'moment1' | 'moment2'>,
): LaunchSpec {
  const { first, elements, decayed } = sizes;
  return flat(
    'adamw',
    adamw,
    elements / 4,
    {
      COUNT: elements / 4,
      FIRST: first / 4,
      DECAYED: decayed / 4,
      BETA1: { f32: settings.beta1 },
      BETA2: { f32: settings.beta2 },
      EPSILON: { f32: settings.epsilon },
      DECAY: { f32: settings.weightDecay },
    },
    buffers,
    28 * elements,
  );
}
