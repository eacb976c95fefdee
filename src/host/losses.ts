/** Losses of the certified state and of scaled steps from it, sequence by sequence, measured in a worker thread. */
import { messageOf } from '../protocol/errors.ts';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { ModelConfig } from '../model/config.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import type { Batch } from '../training/types.ts';

/** What the validator needs; tests put a double behind it. */
export interface LossMeter {
  /** Takes over a certified state θ. */
  load(theta: Int32Array): Promise<void>;
  /**
   * Mean loss in nats per token of each sequence, for the loaded state or, with `step`, after a step with that
   * submission times `scale`. Throws {@link LossError} when the bytes or the runtime fail.
   */
  losses(batch: Batch, step?: { readonly bytes: Uint8Array; readonly scale: number }): Promise<number[]>;
  close(): Promise<void>;
}

/** A loss could not be measured. */
export class LossError extends Error {
  static override readonly name = 'LossError';
  override readonly name = 'LossError';
}

export interface LossMeterOptions {
  readonly model: ModelConfig;
  readonly sparseloco: SparseLoco;
  readonly sequence: number;
  /** WebAssembly threads. Default: half of the machine's cores, 1 to 4; the relay and HTTP need the others. */
  readonly threads?: number;
}

export type LossWorkerData = Required<LossMeterOptions>;

export type LossRequest =
  | { readonly id: number; readonly kind: 'load'; readonly theta: Int32Array }
  | {
      readonly id: number;
      readonly kind: 'losses';
      readonly tokens: Int32Array;
      readonly targets: Int32Array;
      readonly step: { readonly bytes: Uint8Array; readonly scale: number } | null;
    }
  | { readonly id: number; readonly kind: 'close' };

export type LossReply =
  | { readonly id: number; readonly losses: number[] }
  | { readonly id: number; readonly error: string };

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/** Starts the worker thread; it comes up again by itself after a crash, with the state it had. */
export function createLossMeter(options: LossMeterOptions): LossMeter {
  const threads = Math.max(1, Math.min(4, availableParallelism() >> 1));
  return new WorkerLossMeter({ threads, ...options });
}

class WorkerLossMeter implements LossMeter {
  readonly #data: LossWorkerData;
  #worker: Worker | null = null;
  #theta: Int32Array | null = null;
  #next = 0;
  readonly #waiting = new Map<number, { resolve: (losses: number[]) => void; reject: (e: Error) => void }>();
  #closed = false;

  constructor(data: LossWorkerData) {
    this.#data = data;
  }

  async load(theta: Int32Array): Promise<void> {
    this.#theta = theta;
    if (this.#worker === null) this.#open();
    else await this.#ask({ kind: 'load', theta });
  }

  losses(batch: Batch, step?: { bytes: Uint8Array; scale: number }): Promise<number[]> {
    return this.#ask({ kind: 'losses', tokens: batch.tokens, targets: batch.targets, step: step ?? null });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = null;
    for (const { reject } of this.#waiting.values()) reject(new LossError('The host is stopping.'));
    this.#waiting.clear();
    await worker?.terminate();
  }

  #ask(request: Unnumbered<LossRequest>): Promise<number[]> {
    if (this.#closed) return Promise.reject(new LossError('The host is stopping.'));
    const worker = this.#worker ?? this.#open();
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Node worker, not a window
      worker.postMessage({ ...request, id });
    });
  }

  #open(): Worker {
    const worker = new Worker(new URL('./losses.worker.ts', import.meta.url), { workerData: this.#data });
    this.#worker = worker;
    worker.on('message', (reply: LossReply) => {
      const waiter = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('losses' in reply) waiter?.resolve(reply.losses);
      else waiter?.reject(new LossError(reply.error));
    });
    const onEnd = (why: string): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      for (const { reject } of this.#waiting.values())
        reject(new LossError(`The loss worker stopped: ${why}`));
      this.#waiting.clear();
    };
    worker.on('error', (error) => onEnd(messageOf(error)));
    worker.on('exit', (code) => onEnd(`exit code ${code}`));
    if (this.#theta !== null) this.#ask({ kind: 'load', theta: this.#theta }).catch(() => {});
    return worker;
  }
}
