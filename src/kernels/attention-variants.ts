/** The kinds of attention kernels that a device may run, and their launches, cut so that none holds the GPU for long. */
import { attentionBackwardKeyValue, attentionBackwardQuery, attentionForward } from './attention.ts';
import {
  attentionBackwardKeyValueBroadcast,
  attentionBackwardQueryBroadcast,
  attentionForwardBroadcast,
} from './attention-broadcast.ts';
import type { AttentionKernel, AttentionPass, AttentionShape } from './attention-frame.ts';
import {
  attentionBackwardKeyValueTiled,
  attentionBackwardQueryTiled,
  attentionBlock,
  attentionForwardTiled,
} from './attention-tiled.ts';
import { type BufferRange, type Buffers, fold, type LaunchSpec } from './program.ts';

/** The three attention kernels of one kind. */
export interface AttentionVariant {
  readonly name: string;
  /** The kernel of a pass, or undefined where it does not take the shape. */
  kernel(pass: AttentionPass, shape: AttentionShape): AttentionKernel | undefined;
}

/** One thread a query (or key), `threads` in a workgroup; takes every shape. */
export const plainAttention = (
  threads: number,
): AttentionVariant & {
  kernel(pass: AttentionPass, shape: AttentionShape): AttentionKernel;
} => ({
  name: `thread a row, ${threads}`,
  kernel: (pass, shape) =>
    ({ forward: attentionForward, query: attentionBackwardQuery, keyValue: attentionBackwardKeyValue })[pass](
      shape,
      threads,
    ),
});

/** Needs `subgroups`, all of four lanes. */
export const broadcastAttention: AttentionVariant = {
  name: 'broadcast',
  kernel: (pass, shape) =>
    ({
      forward: attentionForwardBroadcast,
      query: attentionBackwardQueryBroadcast,
      keyValue: attentionBackwardKeyValueBroadcast,
    })[pass](shape),
};

/** `workgroupBytes`: workgroup memory that the device grants; 16 KiB is guaranteed. */
export const tiledAttention = (workgroupBytes: number): AttentionVariant => ({
  name: `tiled, ${workgroupBytes / 1024} KiB`,
  kernel(pass, shape) {
    const block = attentionBlock(shape, workgroupBytes);
    if (block === undefined) return undefined;
    return {
      forward: attentionForwardTiled,
      query: attentionBackwardQueryTiled,
      keyValue: attentionBackwardKeyValueTiled,
    }[pass](shape, block);
  },
});

/** Uniform bindings must start at multiples of this. */
const PART_BYTES = 256;
/** Parts of one kernel at most, however slow the device. */
const MOST_PARTS = 64;
/** Bytes of the buffer of a {@link PartTable}: three kernels' parts. */
export const PART_TABLE_BYTES = 3 * MOST_PARTS * PART_BYTES;

/** The uniforms that tell a dispatch which workgroups it does; equal parts share one. */
export class PartTable {
  /** To be written to the buffer before the first launch. */
  readonly data = new Uint32Array(PART_TABLE_BYTES / 4);
  readonly #buffer: GPUBuffer;
  readonly #slots = new Map<string, number>();

  constructor(buffer: GPUBuffer) {
    this.#buffer = buffer;
  }

  range(first: number, end: number): BufferRange {
    const key = `${first} ${end}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#slots.size;
      if ((slot + 1) * PART_BYTES > PART_TABLE_BYTES) throw new Error('the part table is full');
      this.#slots.set(key, slot);
      this.data.set([first, end], (slot * PART_BYTES) / 4);
    }
    return { buffer: this.#buffer, offset: slot * PART_BYTES, size: 8 };
  }
}

/** Products of length headDim per query and key that see each other, twice (multiply, add). */
const PRODUCTS: Readonly<Record<AttentionPass, number>> = { forward: 2, query: 3, keyValue: 4 };

/** Operations of one pass, the causal half only. */
export const attentionFlops = (pass: AttentionPass, s: AttentionShape): number =>
  2 * PRODUCTS[pass] * s.batch * s.heads * s.headDim * ((s.sequence * (s.sequence + 1)) / 2);

/** A pass's buffers beside its part. */
export interface AttentionBuffers {
  readonly forward: Buffers<'qkv' | 'out' | 'lse'>;
  readonly query: Buffers<'qkv' | 'out' | 'dout' | 'lse' | 'angles' | 'delta' | 'dqkv'>;
  readonly keyValue: Buffers<'qkv' | 'dout' | 'lse' | 'angles' | 'delta' | 'dqkv'>;
}

/** One pass as launches of at most about `flops` operations each. */
export function attentionLaunches<P extends AttentionPass>(
  variant: AttentionVariant,
  pass: P,
  shape: AttentionShape,
  buffers: AttentionBuffers[P],
  parts: PartTable,
  flops: number,
): LaunchSpec[] {
  const kernel = variant.kernel(pass, shape);
  if (kernel === undefined) throw new Error(`attention "${variant.name}" does not take this shape`);
  const { batch, sequence, heads, kvHeads, headDim } = shape;
  const perBlock = batch * (pass === 'keyValue' ? kvHeads : heads);
  const blocks = Math.ceil(sequence / kernel.block);
  const total = attentionFlops(pass, shape);
  const most = Math.max(flops, total / (MOST_PARTS / 2 - 1));
  const launches: LaunchSpec[] = [];
  let first = 0;
  let work = 0;
  const close = (end: number) => {
    const share = work / total;
    launches.push({
      kernel,
      buffers: { part: parts.range(first, end), ...buffers },
      grid: fold(end - first),
      flops: work,
      bytes: 4 * share * batch * sequence * heads * headDim * (PRODUCTS[pass] + 2),
    });
    first = end;
    work = 0;
  };
  for (let id = 0; id < blocks * perBlock; id++) {
    // Ordered by work: both the last queries and the first keys meet `sequence` of the other side.
    const met = sequence - Math.floor(id / perBlock) * kernel.block;
    const rows = Math.min(kernel.block, met);
    const own = 2 * PRODUCTS[pass] * (heads / (perBlock / batch)) * headDim * rows * (met - (rows - 1) / 2);
    if (work > 0 && work + own > most) close(id);
    work += own;
  }
  close(blocks * perBlock);
  return launches;
}
