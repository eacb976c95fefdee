/**
 * Measures losses with no GPU: the exported graph in onnxruntime-web's WebAssembly backend, in Node and in a browser.
 *
 * It is the validator's second opinion, made by other people's code than our kernels. onnxruntime-web is loaded on first use only.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import type { ModelConfig } from './config.ts';
import { parameterLayout } from './layout.ts';
import { exportOnnx, ONNX_OUTPUT, ONNX_TARGETS, ONNX_TOKENS } from './onnx.ts';

export interface OrtEvaluatorOptions {
  /** Sequences in one run of the graph. */
  readonly batch: number;
  readonly sequence: number;
  /** WebAssembly threads. Default: half of the machine's cores, 1 to 4. */
  readonly threads?: number;
  /** Loads onnxruntime-web; a browser's bundle has a build of its own. Default: what Node resolves. */
  readonly runtime?: () => Promise<OrtModule>;
}

export type OrtModule = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor' | 'env'>;

/** The runtime could not be loaded or refused to run; the message says what to do, `cause` has the details. */
export class EvaluatorError extends Error {
  static override readonly name = 'EvaluatorError';
  override readonly name = 'EvaluatorError';
}

export interface OrtEvaluator {
  /**
   * Mean loss in nats over the targets that are not -1. `params` is flat by parameterLayout; `tokens` and `targets`
   * are row-major `[n, sequence]` for any n. Throws {@link EvaluatorError}; NaN when the model gives NaN.
   */
  evaluate(params: Float32Array, tokens: Int32Array, targets: Int32Array): Promise<number>;
  close(): Promise<void>;
}

/** Builds the graph and opens a session: about a second, most of it loading 14 MB of WebAssembly. */
export async function createOrtEvaluator(
  config: ModelConfig,
  options: OrtEvaluatorOptions,
): Promise<OrtEvaluator> {
  const { batch, sequence } = options;
  const { elements } = parameterLayout(config);
  const model = exportOnnx(config, { batch, sequence, output: 'loss' });
  const ort = await loadRuntime(options);
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model.bytes, {
      executionProviders: ['wasm'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
    });
  } catch (cause) {
    throw new EvaluatorError('onnxruntime-web cannot open the model graph.', { cause });
  }
  const rows = batch * sequence;
  // A session runs one request at a time; callers may overlap.
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;

  const evaluate: OrtEvaluator['evaluate'] = async (params, tokens, targets) => {
    if (closed) throw new EvaluatorError('the evaluator is closed');
    if (params.length !== elements)
      throw new EvaluatorError(`the model has ${elements} parameters, got ${params.length}`);
    if (tokens.length !== targets.length || tokens.length === 0 || tokens.length % sequence !== 0)
      throw new EvaluatorError(
        `tokens (${tokens.length}) and targets (${targets.length}) must be whole sequences of ${sequence}`,
      );
    for (let i = 0; i < tokens.length; i++) {
      const token = tokens[i];
      const target = targets[i];
      if (token < 0 || token >= config.vocabSize || target < -1 || target >= config.vocabSize)
        throw new EvaluatorError(
          `token ${token} or target ${target} is outside the vocabulary of ${config.vocabSize}`,
        );
    }
    const feeds: Record<string, Tensor> = {};
    for (const { name, shape, offset, size } of model.inputs)
      feeds[name] = new ort.Tensor('float32', params.subarray(offset, offset + size), shape);
    let sum = 0;
    let counted = 0;
    for (let from = 0; from < tokens.length; from += rows) {
      // The last batch is filled up with zeros that do not count.
      const tokenRows = new Int32Array(rows);
      const targetRows = new Int32Array(rows);
      tokenRows.set(tokens.subarray(from, from + rows));
      const part = targets.subarray(from, from + rows);
      part.forEach((target, i) => {
        targetRows[i] = Math.max(0, target);
      });
      feeds[ONNX_TOKENS] = new ort.Tensor('int32', tokenRows, [batch, sequence]);
      feeds[ONNX_TARGETS] = new ort.Tensor('int32', targetRows, [batch, sequence]);
      let losses: Float32Array;
      try {
        const output = (await session.run(feeds))[ONNX_OUTPUT];
        losses = output.data as Float32Array;
      } catch (cause) {
        throw new EvaluatorError('onnxruntime-web failed while measuring a loss.', { cause });
      }
      part.forEach((target, i) => {
        if (target < 0) return;
        sum += losses[i];
        counted++;
      });
    }
    if (counted === 0) throw new EvaluatorError('no target counts: every one is -1');
    return sum / counted;
  };

  return {
    evaluate(params, tokens, targets) {
      const run = last.then(() => evaluate(params, tokens, targets));
      last = run.catch(() => undefined);
      return run;
    },
    async close() {
      if (closed) return;
      await last;
      closed = true;
      await session.release();
    },
  };
}

async function loadRuntime({
  threads,
  runtime = () => import('onnxruntime-web'),
}: OrtEvaluatorOptions): Promise<OrtModule> {
  let ort: OrtModule;
  try {
    ort = await runtime();
  } catch (cause) {
    throw new EvaluatorError('onnxruntime-web is not installed: run `npm ci`.', { cause });
  }
  const cores = globalThis.navigator?.hardwareConcurrency ?? 2;
  ort.env.wasm.numThreads = threads ?? Math.min(4, Math.max(1, Math.floor(cores / 2)));
  ort.env.wasm.proxy = false;
  ort.env.logLevel = 'fatal';
  return ort;
}
