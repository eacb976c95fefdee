/**
 * Where a training step's time goes: each launch of the engine's plan timed on the device by timestamp queries (WebGPU
 * specification, section 20), or, where the adapter has none, alone in a submission by the wall clock.
 */
import { COPY_SRC, encode, type Launch, whole } from '../../src/kernels/program.ts';
import { ReadBack } from '../../src/kernels/read-back.ts';

export interface KernelTime {
  readonly label: string;
  readonly ms: number;
  readonly flops: number;
  readonly bytes: number;
}

/** Launches per submission, so that none runs long enough for a watchdog. */
const SLICE = 16;
const QUERY_RESOLVE = 0x200;

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

function encodeAlone(pass: GPUComputePassEncoder, launch: Launch): void {
  encode(pass, launch);
  pass.end();
}

async function byTimestamps(device: GPUDevice, launches: readonly Launch[]): Promise<number[]> {
  const count = 2 * launches.length;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = device.createBuffer({ size: 8 * count, usage: QUERY_RESOLVE | COPY_SRC });
  const reads = new ReadBack(device);
  try {
    const encoder = device.createCommandEncoder();
    for (const [i, launch] of launches.entries()) {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      encodeAlone(encoder.beginComputePass({ timestampWrites }), launch);
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    const [data] = await reads.read([whole(resolved)], encoder);
    const ticks = new BigInt64Array(data ?? new ArrayBuffer(0));
    // Nanoseconds, by the specification.
    return launches.map((_, i) => Number((ticks[2 * i + 1] ?? 0n) - (ticks[2 * i] ?? 0n)) / 1e6);
  } finally {
    querySet.destroy();
    resolved.destroy();
    reads.destroy();
  }
}

async function byClock(device: GPUDevice, launches: readonly Launch[]): Promise<number[]> {
  const times: number[] = [];
  for (const launch of launches) {
    const encoder = device.createCommandEncoder();
    encodeAlone(encoder.beginComputePass(), launch);
    const begin = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    times.push(performance.now() - begin);
  }
  return times;
}
