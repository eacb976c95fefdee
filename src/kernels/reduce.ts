/**
 * Sums and maxima over the threads of a workgroup, as WGSL text put before the row kernels: `rowSum(lane, value)` and
 * `rowMax(lane, value)`, both returning the result to every thread.
 *
 * Two forms: one subgroup instruction where a workgroup is exactly one subgroup (no memory, no barrier), else a tree in
 * workgroup memory. On CPU drivers barriers cost a coroutine switch per thread group, so workgroups there are one
 * subgroup wide.
 */

export interface RowShape {
  /** Threads of a workgroup, a power of two. */
  readonly threads: number;
  /** Whether such a workgroup is exactly one subgroup and the device has `subgroups`. */
  readonly subgroup: boolean;
}

export function reductions({ threads, subgroup }: RowShape): string {
  if (subgroup) {
    return `enable subgroups;
fn rowSum(lane: u32, value: f32) -> f32 { return subgroupAdd(value); }
fn rowMax(lane: u32, value: f32) -> f32 { return subgroupMax(value); }
`;
  }
  const tree = (name: string, combine: string) => `fn ${name}(lane: u32, value: f32) -> f32 {
  scratch[lane] = value;
  workgroupBarrier();
  for (var half = ${threads / 2}u; half > 0u; half >>= 1u) {
    if (lane < half) { scratch[lane] = ${combine}; }
    workgroupBarrier();
  }
  let result = workgroupUniformLoad(&scratch[0]);
  return result;
}
`;
  return `var<workgroup> scratch: array<f32, ${threads}>;
${tree('rowSum', 'scratch[lane] + scratch[lane + half]')}${tree('rowMax', 'max(scratch[lane], scratch[lane + half])')}`;
}
