/**
 * Questions to a worker thread that answers each by its number, and that is started again after a crash.
 *
 * The heavy work of the host (forward passes, replays) runs in such threads, so that its relay and HTTP never wait.
 */
import { messageOf } from '../protocol/errors.ts';
import { Worker, type WorkerOptions } from 'node:worker_threads';

/** Lets Node run the sources as they are. */
const REGISTER = new URL('../../scripts/register.mjs', import.meta.url).href;

export type WorkerReply<R> =
  | { readonly id: number; readonly ok: true; readonly value: R }
  | { readonly id: number; readonly ok: false; readonly error: string };

export interface WorkerCallsOptions<Q> {
  readonly script: URL;
  readonly worker?: WorkerOptions;
  /** Makes the error that callers see. */
  readonly failure: (message: string) => Error;
  /** Asked first of every worker that is started; null: nothing. */
  readonly first: () => Q | null;
}

export class WorkerCalls<Q extends object, R> {
  readonly #o: WorkerCallsOptions<Q>;
  readonly #waiting = new Map<number, { resolve: (value: R) => void; reject: (error: Error) => void }>();
  #worker: Worker | null = null;
  #next = 0;
  #closed = false;

  constructor(options: WorkerCallsOptions<Q>) {
    this.#o = options;
  }

  /** Whether a worker runs, and so knows what it was asked first. */
  get running(): boolean {
    return this.#worker !== null;
  }

  ask(question: Q): Promise<R> {
    if (this.#closed) return Promise.reject(this.#o.failure('The host is stopping.'));
    return this.#send(this.#worker ?? this.start(), question);
  }

  /** Starts the worker now, so that its first question is under way. */
  start(): Worker {
    const worker = new Worker(this.#o.script, {
      ...this.#o.worker,
      // A thread has module hooks of its own: without them it could not read kernels.
      execArgv: ['--import', REGISTER],
    });
    this.#worker = worker;
    worker.on('message', (reply: WorkerReply<R>) => {
      const waiter = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.ok) waiter?.resolve(reply.value);
      else waiter?.reject(this.#o.failure(reply.error));
    });
    const onEnd = (why: string): void => {
      if (this.#worker !== worker) return;
      this.#worker = null;
      this.#failAll(`The worker stopped: ${why}`);
    };
    worker.on('error', (error) => onEnd(messageOf(error)));
    worker.on('exit', (code) => onEnd(`exit code ${code}`));
    const first = this.#o.first();
    if (first !== null) this.#send(worker, first).catch(() => {});
    return worker;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll('The host is stopping.');
    await worker?.terminate();
  }

  #send(worker: Worker, question: Q): Promise<R> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Node worker, not a window
      worker.postMessage({ id, question });
    });
  }

  #failAll(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(this.#o.failure(why));
    this.#waiting.clear();
  }
}
