/** Buffers and launches for kernel tests: upload, run, read back. Never imported by the app. */
import type { Gpu } from './gpu.ts';
import {
  type BufferRange,
  COPY_DST,
  COPY_SRC,
  encode,
  type LaunchSpec,
  Programs,
  STORAGE,
  UNIFORM,
} from './program.ts';
import { ReadBack } from './read-back.ts';

/** A storage buffer with these contents, or of so many zeroed scalars. */
export function storage(
  gpu: Gpu,
  data: Float32Array | Int32Array | Uint32Array | number,
  uniform = false,
): BufferRange {
  const size = Math.max(16, typeof data === 'number' ? data * 4 : data.byteLength);
  const usage = (uniform ? UNIFORM : STORAGE) | COPY_SRC | COPY_DST;
  const buffer = gpu.device.createBuffer({ size, usage });
  if (typeof data !== 'number') {
    gpu.device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, data.byteLength);
  }
  return { buffer, offset: 0, size };
}

/** Runs launches in order; `accumulate` takes the accumulating twins. */
export async function runLaunches(gpu: Gpu, specs: readonly LaunchSpec[], accumulate = false): Promise<void> {
  gpu.device.pushErrorScope('validation');
  const launches = await Programs.of(gpu.device).prepare(specs);
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const launch of launches) encode(pass, launch, accumulate);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  const error = await gpu.device.popErrorScope();
  if (error !== null) throw new Error(error.message);
}

export async function readBack(gpu: Gpu, range: BufferRange): Promise<Float32Array> {
  const reads = new ReadBack(gpu.device);
  try {
    return await reads.floats(range);
  } finally {
    reads.destroy();
  }
}

export function free(...ranges: BufferRange[]): void {
  for (const r of ranges) r.buffer.destroy();
}

/** Repeatable values, roughly uniform in [-1, 1). */
export function noise(length: number, seed = 1): Float32Array<ArrayBuffer> {
  const out = new Float32Array(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    out[i] = state / 2 ** 31 - 1;
  }
  return out;
}

/** ‖a − b‖ / ‖b‖; NaN where anything is. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}
