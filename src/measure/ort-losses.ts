/** Losses without a GPU: onnxruntime-web's WebAssembly backend, in Node and in a browser's worker. */
import type { ModelConfig } from '../model/config.ts';
import { thetaToFloat } from '../model/init.ts';
import { type ParameterLayout, parameterLayout } from '../model/layout.ts';
import { createOrtEvaluator, type OrtEvaluator, type OrtModule } from '../model/ort-evaluator.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { addScaled } from '../sparseloco/update.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
import type { Batch } from '../training/types.ts';
import { LossError, type LossMeter, type TrialStep } from '../gauntlet/loss-meter.ts';

export interface OrtLossOptions {
  readonly model: ModelConfig;
  readonly sparseloco: SparseLoco;
  readonly sequence: number;
  /** WebAssembly threads. */
  readonly threads?: number;
  /** See OrtEvaluatorOptions. */
  readonly runtime?: () => Promise<OrtModule>;
}

export class OrtLossMeter implements LossMeter {
  readonly #o: OrtLossOptions;
  readonly #layout: ParameterLayout;
  /** One sequence a run of the graph: the gauntlet compares losses sequence by sequence. */
  readonly #evaluator: Promise<OrtEvaluator>;
  #base: Float32Array | null = null;

  constructor(options: OrtLossOptions) {
    this.#o = options;
    this.#layout = parameterLayout(options.model);
    const { sequence, threads, runtime } = options;
    this.#evaluator = createOrtEvaluator(options.model, {
      batch: 1,
      sequence,
      ...(threads === undefined ? {} : { threads }),
      ...(runtime === undefined ? {} : { runtime }),
    });
    this.#evaluator.catch(() => {}); // reported by the first request
  }

  async load(theta: Int32Array): Promise<void> {
    this.#base = thetaToFloat(theta, this.#o.sparseloco.fractionBits);
  }

  async losses({ tokens, targets }: Batch, step?: TrialStep): Promise<number[]> {
    if (this.#base === null) throw new LossError('no state was loaded');
    const { sparseloco, sequence } = this.#o;
    let parameters = this.#base;
    if (step !== undefined) {
      parameters = this.#base.slice();
      const { update } = decodeSubmission(step.bytes, this.#layout, sparseloco);
      // The outer step subtracts alpha times the pseudo-gradient; a scaled one ranks more stably (arXiv 2505.21684).
      addScaled(parameters, update, this.#layout, -sparseloco.alpha * step.scale);
    }
    const evaluator = await this.#evaluator;
    const losses: number[] = [];
    for (let at = 0; at < tokens.length; at += sequence) {
      const [t, g] = [tokens.slice(at, at + sequence), targets.slice(at, at + sequence)];
      losses.push(await evaluator.evaluate(parameters, t, g));
    }
    return losses;
  }

  async close(): Promise<void> {
    await (await this.#evaluator).close();
  }
}
