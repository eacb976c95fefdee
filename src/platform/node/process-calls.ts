/**
 * An object in a process of its own, called by its methods: what comlink is for a Web Worker. comlink itself passes
 * callbacks through MessagePorts, which do not cross processes.
 *
 * Arguments and results are copied (Node's `advanced` serialization keeps typed arrays and maps; 120 MB take 0.25 s
 * each way and hold up this side for at most 0.1 s). Calls run side by side, so that `stop()` reaches a running
 * `train()`. The last argument of a call may be a function, which the other side calls as often as it likes.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../protocol/errors.ts';

/** Lets Node run the sources as they are: a process has module hooks of its own. */
const EXEC_ARGV = ['--import', new URL('../../../scripts/register.mjs', import.meta.url).href];
/** Characters kept of what the process wrote last, for a report of its crash. */
const MAX_OUTPUT = 2000;

/** The same methods, each answering later: what the process has to offer. */
export type AsyncMethods<T> = {
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

interface Question {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
  /** Whether a function follows the arguments. */
  readonly reports: boolean;
}

type Reply =
  | { readonly id: number; readonly kind: 'value'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'report'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'error'; readonly error: SentError };

/** What crosses of an error: its class is lost. `known`: code and facts, as typed errors have them. */
interface SentError {
  readonly name: string;
  readonly message: string;
  readonly known: { readonly code?: unknown; readonly facts?: unknown };
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly report: ((value: unknown) => void) | null;
}

/** How a process ended: a signal or an exit code, and the last that it wrote to stderr. */
export interface ProcessEnd {
  readonly cause: string;
  readonly output: string;
}

export interface ProcessOptions {
  readonly script: URL;
  readonly env: NodeJS.ProcessEnv;
  /** Makes the error of every call that has no answer when the process ends, and of each later one. */
  readonly ended: (end: ProcessEnd) => Error;
}

export class CalledProcess<T> {
  readonly #child: ChildProcess;
  readonly #options: ProcessOptions;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #output = '';
  #ended: Error | null = null;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#child = fork(fileURLToPath(options.script), [], {
      execArgv: EXEC_ARGV,
      env: options.env,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-MAX_OUTPUT);
    });
    this.#child.on('message', (reply) => this.#settle(reply as Reply));
    this.#child.on('error', (error) => this.#end(messageOf(error)));
    this.#child.on('exit', (code, signal) => this.#end(signal ?? `exit code ${code}`));
  }

  /** Calls a method there. An error of the method keeps its name, message, code and facts. */
  call<K extends keyof T & string>(
    method: K,
    ...args: Parameters<AsyncMethods<T>[K]>
  ): Promise<Awaited<ReturnType<AsyncMethods<T>[K]>>> {
    const last: unknown = args.at(-1);
    const report = typeof last === 'function' ? (last as (value: unknown) => void) : null;
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      const id = this.#next++;
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, report });
      const plain = report === null ? args : args.slice(0, -1);
      const question: Question = { id, method, args: plain, reports: report !== null };
      // Where sending fails, 'exit' is on its way and settles the call.
      if (this.#child.connected) this.#child.send(question, () => {});
    });
  }

  /** Ends the process whatever it is doing, a driver's call that never returns included. */
  kill(): void {
    this.#child.kill('SIGKILL');
    this.#end('killed');
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (reply.kind === 'report') {
      waiting?.report?.(reply.value);
      return;
    }
    this.#waiting.delete(reply.id);
    if (reply.kind === 'value') waiting?.resolve(reply.value);
    else waiting?.reject(revived(reply.error));
  }

  #end(cause: string): void {
    if (this.#ended !== null) return;
    this.#ended = this.#options.ended({ cause, output: this.#output });
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

/** The other end, in the process: answers calls by the methods of `api` until the parent is gone. */
export function serveMethods(api: object): void {
  const send = (reply: Reply): void => {
    if (process.connected) process.send?.(reply, undefined, undefined, () => {});
  };
  const answer = async ({ id, method, args, reports }: Question): Promise<void> => {
    const report = (value: unknown): void => send({ id, kind: 'report', value });
    try {
      const call: unknown = Reflect.get(api, method);
      if (typeof call !== 'function') throw new TypeError(`no method "${method}"`);
      const value: unknown = await call.apply(api, reports ? [...args, report] : args);
      send({ id, kind: 'value', value });
    } catch (error) {
      send({ id, kind: 'error', error: sent(error) });
    }
  };
  process.on('message', (question: Question) => void answer(question));
  process.on('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole group of processes. The parent decides when this one ends.
  process.on('SIGINT', () => {});
}

function sent(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: messageOf(error), known: {} };
  const { name, message } = error;
  return {
    name,
    message,
    known: {
      ...('code' in error ? { code: error.code } : {}),
      ...('facts' in error ? { facts: error.facts } : {}),
    },
  };
}

const revived = ({ name, message, known }: SentError): Error =>
  Object.assign(new Error(message), { name, ...known });
