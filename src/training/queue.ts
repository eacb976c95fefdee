/**
 * Keeps submissions to the GPU short and the queue shallow, so that no driver watchdog resets the device and the desktop
 * stays smooth: a list of launches is cut into submissions of about {@link TARGET_MS} by a cost model whose one number,
 * the device's speed, is measured from how long submissions really take.
 */
import { encode, type Launch } from '../kernels/program.ts';

/** Aim per submission; half of the 100 ms that must not be passed, since the model is rough. */
const TARGET_MS = 50;
/** Submissions that may wait on the device at a time: one running, one ready. */
const DEPTH = 2;
/** A byte moved counts as so many operations. */
const OPS_PER_BYTE = 4;
/** Fixed cost of a launch, in operations. */
const OPS_PER_LAUNCH = 20_000;

const cost = (l: Launch): number => l.flops + OPS_PER_BYTE * l.bytes + OPS_PER_LAUNCH;

export class SubmitQueue {
  readonly #device: GPUDevice;
  readonly #guard: <T>(work: Promise<T>) => Promise<T>;
  /** Operations per millisecond. */
  #speed: number;
  readonly #pending: Promise<void>[] = [];
  #lastDone = 0;
  /** The longest submission so far, ms. */
  longest = 0;
  /** Milliseconds of JavaScript spent on steps so far: what this thread could not do otherwise. */
  javascriptMs = 0;

  /** `guard` wraps device promises so that they fail when the device is lost. */
  constructor(device: GPUDevice, software: boolean, guard: <T>(work: Promise<T>) => Promise<T>) {
    this.#device = device;
    this.#guard = guard;
    // A low first guess only means that the first step is cut finer than needed.
    this.#speed = software ? 1e6 : 2e8;
  }

  /** Encodes and submits the launches; waits while more than {@link DEPTH} submissions are under way. */
  async run(
    launches: readonly Launch[],
    accumulate: boolean,
    before?: (encoder: GPUCommandEncoder) => void,
  ): Promise<void> {
    let start = 0;
    let first = true;
    while (start < launches.length) {
      let total = cost(launches[start]);
      let end = start + 1;
      while (end < launches.length && (total + cost(launches[end])) / this.#speed <= TARGET_MS) {
        total += cost(launches[end]);
        end++;
      }
      await this.room();
      this.timed(() => {
        const encoder = this.#device.createCommandEncoder();
        if (first) before?.(encoder);
        const pass = encoder.beginComputePass();
        for (let i = start; i < end; i++) {
          encode(pass, launches[i], accumulate);
        }
        pass.end();
        this.#device.queue.submit([encoder.finish()]);
        this.#track(total);
      });
      first = false;
      start = end;
    }
  }

  /** Counts the time that `work` takes into {@link javascriptMs}. */
  timed<T>(work: () => T): T {
    const begin = performance.now();
    const result = work();
    this.javascriptMs += performance.now() - begin;
    return result;
  }

  /** Resolves when another submission may be made. */
  async room(): Promise<void> {
    while (this.#pending.length >= DEPTH) await this.#pending[0];
  }

  /** Resolves when the device has done everything submitted. */
  async idle(): Promise<void> {
    while (this.#pending.length > 0) await this.#pending[0];
  }

  #track(operations: number): void {
    const submitted = performance.now();
    const done = this.#guard(this.#device.queue.onSubmittedWorkDone()).then(() => {
      const now = performance.now();
      // The device was busy with this one since it was submitted, or since the one before was done.
      const ms = now - Math.max(submitted, this.#lastDone);
      this.#lastDone = now;
      this.longest = Math.max(this.longest, ms);
      // Very short times are latency, not speed; changes are damped.
      if (ms > 2) this.#speed *= Math.min(2, Math.max(0.5, operations / ms / this.#speed)) ** 0.5;
      else this.#speed *= 1.1;
    });
    const entry = done.finally(() => {
      const at = this.#pending.indexOf(entry);
      if (at >= 0) void this.#pending.splice(at, 1);
    });
    this.#pending.push(entry);
    // Whoever waits gets the error; a queue nobody waits on must not crash the process.
    entry.catch(() => {});
  }
}
