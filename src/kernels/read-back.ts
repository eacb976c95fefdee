/**
 * Copies from GPU buffers to JavaScript memory: the one place that maps a buffer.
 *
 * A small ring of staging buffers is kept and taken in turn, so that figures read in every step create no GPU object.
 * Large copies (a whole model) get a staging buffer of their own and free it: kept, it would hold as much memory again.
 */
import { type BufferRange, COPY_DST, MAP_READ } from './program.ts';

/** GPUMapMode.READ; that global is a browser's, its value is fixed by the specification. */
const READ = 0x1;
/** Larger staging buffers are not kept. */
const KEPT_BYTES = 2 ** 16;
/** Staging buffers that are kept, at most. */
const SLOTS = 4;

export interface ReadBackOptions {
  /** A staging buffer (MAP_READ, COPY_DST) to begin with; the ring owns it from then on. */
  readonly staging?: GPUBuffer;
  /** Wraps the wait for the device, so that it fails in the caller's words when the device is lost. */
  readonly guard?: <T>(work: Promise<T>) => Promise<T>;
}

export class ReadBack {
  readonly #device: GPUDevice;
  readonly #guard: <T>(work: Promise<T>) => Promise<T>;
  /** Free staging buffers, the one that has rested longest first. */
  readonly #free: GPUBuffer[] = [];
  #destroyed = false;

  constructor(device: GPUDevice, { staging, guard = (work) => work }: ReadBackOptions = {}) {
    this.#device = device;
    this.#guard = guard;
    if (staging !== undefined) this.#free.push(staging);
  }

  /**
   * Submits what `encoder` holds and gives the contents of the ranges as they are then, in order. Sizes and offsets are
   * multiples of 4. Several reads may be under way; they resolve in the order of the calls. Rejects when the device is lost.
   */
  async read(
    ranges: readonly BufferRange[],
    encoder: GPUCommandEncoder = this.#device.createCommandEncoder(),
  ): Promise<ArrayBuffer[]> {
    const total = ranges.reduce((sum, { size }) => sum + size, 0);
    const staging = this.#take(total);
    let kept = false;
    try {
      let at = 0;
      for (const { buffer, offset, size } of ranges) {
        encoder.copyBufferToBuffer(buffer, offset, staging, at, size);
        at += size;
      }
      this.#device.queue.submit([encoder.finish()]);
      await this.#guard(staging.mapAsync(READ, 0, total));
      const all = staging.getMappedRange(0, total);
      at = 0;
      const contents = ranges.map(({ size }) => {
        at += size;
        return all.slice(at - size, at);
      });
      staging.unmap();
      kept = this.#keep(staging);
      return contents;
    } finally {
      if (!kept) staging.destroy();
    }
  }

  /** One range as f32 scalars. */
  async floats(range: BufferRange): Promise<Float32Array<ArrayBuffer>> {
    const [data] = await this.read([range]);
    return new Float32Array(data);
  }

  /** Frees the staging buffers; reads under way free theirs. */
  destroy(): void {
    this.#destroyed = true;
    for (const buffer of this.#free.splice(0)) buffer.destroy();
  }

  #take(bytes: number): GPUBuffer {
    const at = this.#free.findIndex(({ size }) => size >= bytes);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    return this.#device.createBuffer({
      label: 'read-back',
      size: Math.max(16, bytes),
      usage: MAP_READ | COPY_DST,
    });
  }

  #keep(staging: GPUBuffer): boolean {
    if (this.#destroyed || staging.size > KEPT_BYTES || this.#free.length >= SLOTS) return false;
    this.#free.push(staging);
    return true;
  }
}
