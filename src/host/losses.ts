/** Losses measured in a helper, so that the relay and the HTTP server never wait for a forward pass. */
import { availableParallelism } from 'node:os';
import { LossError, type LossMeter, type TrialStep } from '../gauntlet/loss-meter.ts';
import type { ModelConfig } from '../model/config.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import type { Batch } from '../training/types.ts';
import { WorkerCalls } from './worker-calls.ts';

/** auto: a real GPU where there is one, else the CPU. */
export const EVALUATORS = ['auto', 'ort', 'webgpu'] as const;
export type EvaluatorName = (typeof EVALUATORS)[number];

export interface LossMeterOptions {
  readonly model: ModelConfig;
  readonly sparseloco: SparseLoco;
  readonly sequence: number;
  /** WebAssembly threads. Default: half of the machine's cores, 1 to 4; the relay and HTTP need the others. */
  readonly threads?: number;
  /** Default: ort. webgpu takes a CPU driver too. */
  readonly evaluator?: EvaluatorName;
}

export type LossWorkerData = Required<LossMeterOptions>;

export type LossQuestion =
  | { readonly kind: 'load'; readonly theta: Int32Array }
  | { readonly kind: 'losses'; readonly batch: Batch; readonly step: TrialStep | null }
  | { readonly kind: 'name' };
/** Losses, or what measures them in words. */
export type LossAnswer = readonly number[] | string;

/** A meter that says what it runs on. */
export interface NamedLossMeter extends LossMeter {
  /** For the log and the validator's sign of life. Rejects with LossError when it cannot be opened. */
  name(): Promise<string>;
}

/** Starts the helper; it comes up again by itself after a crash, with the state it had. */
export function createLossMeter(options: LossMeterOptions): NamedLossMeter {
  const threads = Math.max(1, Math.min(4, availableParallelism() >> 1));
  return new WorkerLossMeter({ threads, evaluator: 'ort', ...options });
}

class WorkerLossMeter implements NamedLossMeter {
  readonly #calls: WorkerCalls<LossQuestion, LossAnswer>;
  #theta: Int32Array | null = null;

  constructor(data: LossWorkerData) {
    this.#calls = new WorkerCalls({
      script: new URL('./losses.worker.ts', import.meta.url),
      kind: data.evaluator === 'ort' ? 'thread' : 'process',
      data,
      failure: (message) => new LossError(message),
      first: () => (this.#theta === null ? null : { kind: 'load', theta: this.#theta }),
    });
  }

  async load(theta: Int32Array): Promise<void> {
    this.#theta = theta;
    if (this.#calls.running) await this.#calls.ask({ kind: 'load', theta });
    else this.#calls.start();
  }

  async losses(batch: Batch, step?: TrialStep): Promise<number[]> {
    const answer = await this.#calls.ask({ kind: 'losses', batch, step: step ?? null });
    if (typeof answer === 'string') throw new LossError('the loss worker answered something else');
    return [...answer];
  }

  async name(): Promise<string> {
    return String(await this.#calls.ask({ kind: 'name' }));
  }

  close(): Promise<void> {
    return this.#calls.close();
  }
}
