/**
 * Which variant of each kernel a device runs: defaults by kind of adapter, replaced by what a tuning run measured.
 */
import {
  type AttentionShape,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionForward,
} from './attention.ts';
import {
  attentionBackwardKeyValueBroadcast,
  attentionBackwardQueryBroadcast,
  attentionForwardBroadcast,
  LANES,
} from './attention-broadcast.ts';
import type { AdapterReport } from './gpu.ts';
import { block4, broadcast, lanes, type MatmulShape, type MatmulVariant, tiled } from './matmul-variants.ts';
import type { KernelSource } from './program.ts';
import type { RowShape } from './reduce.ts';

export interface KernelChoice {
  readonly row: RowShape;
  readonly attention: AttentionKernels;
  /** Operations of one matmul dispatch at most; larger products are cut. */
  readonly dispatchFlops: number;
  matmul(shape: MatmulShape): MatmulVariant;
}

/** The three attention kernels of one kind; `threads` of them make a workgroup. */
export interface AttentionKernels {
  readonly threads: number;
  forward(shape: AttentionShape): KernelSource;
  backwardQuery(shape: AttentionShape): KernelSource;
  backwardKeyValue(shape: AttentionShape): KernelSource;
}

export const plainAttention = (threads: number): AttentionKernels => ({
  threads,
  forward: (shape) => attentionForward(shape, threads),
  backwardQuery: (shape) => attentionBackwardQuery(shape, threads),
  backwardKeyValue: (shape) => attentionBackwardKeyValue(shape, threads),
});

export const broadcastAttention: AttentionKernels = {
  threads: LANES,
  forward: attentionForwardBroadcast,
  backwardQuery: attentionBackwardQueryBroadcast,
  backwardKeyValue: attentionBackwardKeyValueBroadcast,
};

const ON_SWIFTSHADER: readonly MatmulVariant[] = [broadcast(8, 4, 4), block4];
const ON_CPU: readonly MatmulVariant[] = [lanes(8, 4), block4];
const ON_GPU: readonly MatmulVariant[] = [
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 8, threadN: 4 }),
  block4,
];

/** CPU drivers run a subgroup of 4 (SwiftShader) in step, and dislike barriers; GPUs want 256 threads a row. */
export function defaultChoice(adapter: AdapterReport): KernelChoice {
  const lanesInStep = adapter.subgroupMinSize === adapter.subgroupMaxSize ? adapter.subgroupMinSize : 0;
  const row: RowShape = adapter.software
    ? { threads: lanesInStep || 4, subgroup: adapter.subgroups && lanesInStep > 1 }
    : { threads: 256, subgroup: false };
  const order = !adapter.software ? ON_GPU : row.subgroup && row.threads === 4 ? ON_SWIFTSHADER : ON_CPU;
  return {
    row,
    // About 50 ms at 1 GFLOP/s; on a GPU 60 ms at 1 TFLOP/s. A tuning run puts the measured speed in its place.
    dispatchFlops: adapter.software ? 5e7 : 6e10,
    attention: order === ON_SWIFTSHADER ? broadcastAttention : plainAttention(adapter.software ? 16 : 64),
    matmul: (shape) => order.find((v) => v.supports(shape)) ?? block4,
  };
}
