/**
 * Which variant of each kernel a device runs: defaults by kind of adapter, replaced by what a tuning run measured.
 */
import type { AdapterReport } from './gpu.ts';
import { block4, broadcast, lanes, type MatmulShape, type MatmulVariant, tiled } from './matmul-variants.ts';
import type { RowShape } from './reduce.ts';

export interface KernelChoice {
  readonly row: RowShape;
  readonly attentionThreads: number;
  matmul(shape: MatmulShape): MatmulVariant;
}

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
    attentionThreads: adapter.software ? 16 : 64,
    matmul: (shape) => order.find((v) => v.supports(shape)) ?? block4,
  };
}
