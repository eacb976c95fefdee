/**
 * Where a training step's time goes: each launch of the engine's plan timed on the device by timestamp queries (WebGPU
 * specification, section 20), or, where the adapter has none, alone in a submission by the wall clock.
 */
import type { Launch } from '../../src/kernels/program.ts';

export interface KernelTime {
  readonly label: string;
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Launches per submission, so that none runs long enough for a watchdog. */
const SLICE = 16;
const QUERY_RESOLVE = 0x200;
const COPY_SRC = 0x4;
const COPY_DST = 0x8;
const MAP_READ = 0x1;

/** Runs the launches `repeats` times in order and gives each one's smallest time. */
export async function kernelTimes(
  device: GPUDevice,
  launches: readonly Launch[],
  repeats: number,
): Promise<KernelTime[]> {
  const measure = device.features.has('timestamp-query') ? byTimestamps : byClock;
  const best = launches.map(() => Number.POSITIVE_INFINITY);
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (let first = 0; first < launches.length; first += SLICE) {
      const times = await measure(device, launches.slice(first, first + SLICE));
      for (const [i, ms] of times.entries()) best[first + i] = Math.min(best[first + i] ?? ms, ms);
    }
  }
  return launches.map(({ label, flops, bytes }, i) => ({ label, flops, bytes, ms: best[i] ?? Number.NaN }));
}

function encode(pass: GPUComputePassEncoder, launch: Launch): void {
  pass.setPipeline(launch.pipeline);
  pass.setBindGroup(0, launch.group);
  pass.dispatchWorkgroups(launch.grid[0], launch.grid[1], launch.grid[2]);
  pass.end();
}

async function byTimestamps(device: GPUDevice, launches: readonly Launch[]): Promise<number[]> {
  const count = 2 * launches.length;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = device.createBuffer({ size: 8 * count, usage: QUERY_RESOLVE | COPY_SRC });
  const staging = device.createBuffer({ size: 8 * count, usage: MAP_READ | COPY_DST });
  try {
    const encoder = device.createCommandEncoder();
    for (const [i, launch] of launches.entries()) {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      encode(encoder.beginComputePass({ timestampWrites }), launch);
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 8 * count);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(MAP_READ);
    const ticks = new BigInt64Array(staging.getMappedRange());
    // Nanoseconds, by the specification.
    return launches.map((_, i) => Number((ticks[2 * i + 1] ?? 0n) - (ticks[2 * i] ?? 0n)) / 1e6);
  } finally {
    querySet.destroy();
    resolved.destroy();
    staging.destroy();
  }
}

async function byClock(device: GPUDevice, launches: readonly Launch[]): Promise<number[]> {
  const times: number[] = [];
  for (const launch of launches) {
    const encoder = device.createCommandEncoder();
    encode(encoder.beginComputePass(), launch);
    const begin = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    times.push(performance.now() - begin);
  }
  return times;
}
