/**
 * Which variant of each kernel a device runs: defaults by kind of adapter, replaced by what a tuning run measured.
 */
import type { AdapterReport } from './gpu.ts';
import { block4, lanes, type MatmulShape, type MatmulVariant, tiled } from './matmul-variants.ts';
import type { RowShape } from './reduce.ts';

export interface KernelChoice {
  readonly row: RowShape;
  readonly attentionThreads: number;
  matmul(shape: MatmulShape): MatmulVariant;
}

const ON_CPU: readonly MatmulVariant[] = [lanes(8, 8), block4];
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
  const order = adapter.software ? ON_CPU : ON_GPU;
  // A bigger block takes a CPU driver twice as long to compile (0.2 s), which small products never earn back.
  const worth = adapter.software ? 8e6 : 0;
  return {
    row,
    attentionThreads: adapter.software ? 16 : 64,
    matmul: (shape) =>
      2 * shape.m * shape.n * shape.k < worth ? block4 : (order.find((v) => v.supports(shape)) ?? block4),
  };
}
