/**
 * Questions to a helper of the host that answers each by its number, and that is started again after a crash.
 *
 * The heavy work (forward passes, replays) runs in such helpers, so that relay and HTTP never wait. On the CPU a thread
 * is enough. Whatever opens a GPU is a process of its own: a driver that crashes then takes nothing else with it, and it
 * can be ended at any moment, which Dawn in a thread does not survive.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { messageOf } from '../protocol/errors.ts';

/** Lets Node run the sources as they are: threads and processes have module hooks of their own. */
export const EXEC_ARGV = ['--import', new URL('../../scripts/register.mjs', import.meta.url).href];

export type WorkerReply<R> =
  | { readonly id: number; readonly ok: true; readonly value: R }
  | { readonly id: number; readonly ok: false; readonly error: string };

export interface WorkerCallsOptions<Q> {
  readonly script: URL;
  readonly kind: 'thread' | 'process';
  /** What the helper is told at its start (helperData in serve-calls.ts). */
  readonly data: unknown;
  /** Makes the error that callers see. */
  readonly failure: (message: string) => Error;
  /** Asked first of every helper that is started; null: nothing. */
  readonly first: () => Q | null;
}

/** A started thread or process. */
interface Helper {
  send(message: unknown): void;
  end(): Promise<unknown>;
}

export class WorkerCalls<Q extends object, R> {
  readonly #o: WorkerCallsOptions<Q>;
  readonly #waiting = new Map<number, { resolve: (value: R) => void; reject: (error: Error) => void }>();
  #helper: Helper | null = null;
  #next = 0;
  #closed = false;

  constructor(options: WorkerCallsOptions<Q>) {
    this.#o = options;
  }

  /** Whether a helper runs, and so knows what it was asked first. */
  get running(): boolean {
    return this.#helper !== null;
  }

  ask(question: Q): Promise<R> {
    if (this.#closed) return Promise.reject(this.#o.failure('the host is stopping'));
    return this.#send(this.#helper ?? this.start(), question);
  }

  /** Starts the helper now, so that its first question is under way. */
  start(): Helper {
    const events = {
      onReply: (reply: WorkerReply<R>) => this.#settle(reply),
      onEnd: (why: string) => {
        if (this.#helper !== helper) return;
        this.#helper = null;
        this.#failAll(`the helper process stopped: ${why}`);
      },
    };
    const { script, data, kind } = this.#o;
    const helper = kind === 'thread' ? startThread(script, data, events) : startProcess(script, data, events);
    this.#helper = helper;
    const first = this.#o.first();
    if (first !== null) this.#send(helper, first).catch(() => {});
    return helper;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const helper = this.#helper;
    this.#helper = null;
    this.#failAll('the host is stopping');
    await helper?.end();
  }

  #send(helper: Helper, question: Q): Promise<R> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      helper.send({ id, question });
    });
  }

  #settle(reply: WorkerReply<R>): void {
    const waiter = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiter?.resolve(reply.value);
    else waiter?.reject(this.#o.failure(reply.error));
  }

  #failAll(why: string): void {
    for (const { reject } of this.#waiting.values()) reject(this.#o.failure(why));
    this.#waiting.clear();
  }
}

interface HelperEvents<R> {
  readonly onReply: (reply: WorkerReply<R>) => void;
  readonly onEnd: (why: string) => void;
}

function startThread<R>(script: URL, workerData: unknown, { onReply, onEnd }: HelperEvents<R>): Helper {
  const worker = new Worker(script, { workerData, execArgv: EXEC_ARGV });
  worker.on('message', onReply);
  worker.on('error', (error) => onEnd(messageOf(error)));
  worker.on('exit', (code) => onEnd(`exit code ${code}`));
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a Node worker, not a window
    send: (message) => worker.postMessage(message),
    end: () => worker.terminate(),
  };
}

function startProcess<R>(script: URL, data: unknown, { onReply, onEnd }: HelperEvents<R>): Helper {
  const child: ChildProcess = fork(fileURLToPath(script), [], {
    execArgv: EXEC_ARGV,
    // Typed arrays and byte strings cross as they are.
    serialization: 'advanced',
    // Drivers print warnings that nobody here can act on.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.on('message', (message) => onReply(message as WorkerReply<R>));
  child.on('error', (error) => onEnd(messageOf(error)));
  child.on('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
  const send = (message: unknown): void => {
    // When it has ended, onEnd has failed whoever waits.
    if (child.connected) child.send(message as object);
  };
  send({ data });
  return {
    send,
    end: () => {
      child.kill('SIGKILL');
      return ended;
    },
  };
}
