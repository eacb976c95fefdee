/**
 * All kernel variants of a matrix product that a tuning run may choose from, each WGSL made for one shape.
 *
 *   block4       4x4 outputs a thread, vec4 loads from global memory: the portable choice
 *   lanes RxC    RxC outputs a thread, a subgroup's threads on neighbouring columns: CPU drivers, where a lane is a SIMD
 *                lane, loads of B are consecutive and loads of A uniform
 *   broadcast RxC  as lanes, but the lanes share the loading of A: CPU drivers with subgroups of 4, e.g. SwiftShader
 *   tiled MxNxK  blocks staged in workgroup memory: GPUs with real caches to spare
 */
import { block4, broadcast, lanes } from './matmul-registers.ts';
import type { MatmulVariant } from './matmul-shape.ts';
import { tiled } from './matmul-tiled.ts';

/** Whether the device has what the variant's shader needs. */
export function runsOn(
  { subgroup }: MatmulVariant,
  adapter: { subgroups: boolean; subgroupMinSize: number; subgroupMaxSize: number },
): boolean {
  if (subgroup === undefined) return true;
  return adapter.subgroups && adapter.subgroupMinSize === subgroup && adapter.subgroupMaxSize === subgroup;
}

/** All that a tuning run tries, the portable one first. */
export const MATMUL_VARIANTS: readonly MatmulVariant[] = [
  block4,
  lanes(8, 8),
  lanes(16, 8, 4, 1),
  lanes(8, 4, 8, 8),
  broadcast(8, 4, 4),
  broadcast(16, 8, 4),
  tiled({ blockM: 32, blockN: 32, blockK: 8, threadM: 4, threadN: 4 }),
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 4, threadN: 4 }),
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 8, threadN: 4 }),
  tiled({ blockM: 64, blockN: 64, blockK: 8, threadM: 8, threadN: 8 }),
  tiled({ blockM: 128, blockN: 64, blockK: 8, threadM: 8, threadN: 8 }),
  tiled({ blockM: 128, blockN: 128, blockK: 8, threadM: 8, threadN: 8 }),
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 8, threadN: 4, half: true }),
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 8, threadN: 8, half: true }),
  tiled({ blockM: 128, blockN: 128, blockK: 16, threadM: 8, threadN: 8, half: true }),
];
