/**
 * Which variant of each kernel a device runs: defaults by kind of adapter, replaced by what a tuning run measured.
 */
import type { AdapterReport } from './gpu.ts';
import { block4, type MatmulShape, type MatmulVariant } from './matmul.ts';
import type { RowShape } from './reduce.ts';

export interface KernelChoice {
  readonly row: RowShape;
  readonly attentionThreads: number;
  matmul(shape: MatmulShape): MatmulVariant;
}

/** CPU drivers run a subgroup of 4 (SwiftShader) in step, and dislike barriers; GPUs want 256 threads a row. */
export function defaultChoice(adapter: AdapterReport): KernelChoice {
  const lanes =
    adapter.subgroups && adapter.subgroupMinSize === adapter.subgroupMaxSize ? adapter.subgroupMinSize : 0;
  const row: RowShape = adapter.software
    ? { threads: lanes || 4, subgroup: lanes > 1 }
    : { threads: 256, subgroup: false };
  return { row, attentionThreads: adapter.software ? 16 : 64, matmul: () => block4 };
}
