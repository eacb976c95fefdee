/**
 * Which variant of each kernel a device runs: defaults by kind of adapter, replaced by what a tuning run measured.
 */
import type { AttentionShape } from './attention-frame.ts';
import {
  type AttentionVariant,
  broadcastAttention,
  plainAttention,
  tiledAttention,
} from './attention-variants.ts';
import type { AdapterReport } from './gpu.ts';
import { block4, broadcast, lanes } from './matmul-registers.ts';
import type { MatmulShape, MatmulVariant } from './matmul-shape.ts';
import { tiled } from './matmul-tiled.ts';
import type { RowShape } from './reduce.ts';

export interface KernelChoice {
  readonly row: RowShape;
  /**
   * f16: copies of the weights and the activations that are operands of products are stored f16; sums, gradients, the
   * residual stream and the weights themselves stay f32. Needs `shader-f16`.
   */
  readonly storage: Storage;
  /** Operations of one matmul dispatch at most; larger products are cut. */
  readonly dispatchFlops: number;
  /** The same for one attention dispatch. */
  readonly attentionFlops: number;
  matmul(shape: MatmulShape): MatmulVariant;
  attention(shape: AttentionShape): AttentionVariant;
}

export type Storage = 'f32' | 'f16';

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
    attentionFlops: adapter.software ? 3e7 : 2e10,
    storage: 'f32',
    attention(shape) {
      if (order === ON_SWIFTSHADER) return broadcastAttention;
      const blocks = tiledAttention(adapter.workgroupBytes);
      const usable = !adapter.software && blocks.kernel('keyValue', shape) !== undefined;
      return usable ? blocks : plainAttention(adapter.software ? 16 : 64);
    },
    matmul: (shape) => order.find((v) => v.supports(shape)) ?? block4,
  };
}
