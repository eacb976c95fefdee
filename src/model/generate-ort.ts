/**
 * {@link NextToken} on onnxruntime-web: the graph of generate-graph.ts with its cache of keys and values, on WebGPU or
 * in WebAssembly. The runtime is handed in, because each backend is another build of it.
 */
import type { InferenceSession, Tensor } from 'onnxruntime-web';
import { headDim, type ModelConfig } from './config.ts';
import type { NextToken } from './generate.ts';
import { exportDecoder, ONNX_MASK, WEIGHTS_FILE } from './generate-graph.ts';
import { parameterLayout } from './layout.ts';
import { causalMask, ONNX_COS, ONNX_OUTPUT, ONNX_SIN, ONNX_TOKENS, ropeTables } from './onnx.ts';

export type OrtRuntime = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor'>;

export type ChatBackend = 'webgpu' | 'wasm';

export interface OrtDecoderOptions {
  readonly backend: ChatBackend;
  /** Tokens to remember: the sequence length that the model is trained with; past it its positions mean nothing. */
  readonly context: number;
}

export interface OrtDecoder extends NextToken {
  close(): Promise<void>;
}

/** Opens a session on one state. `weights` is flat by parameterLayout and not kept. Throws what the runtime throws. */
export async function createOrtDecoder(
  ort: OrtRuntime,
  config: ModelConfig,
  weights: Float32Array,
  options: OrtDecoderOptions,
): Promise<OrtDecoder> {
  const { elements } = parameterLayout(config);
  if (weights.length !== elements)
    throw new RangeError(`the model has ${elements} parameters, got ${weights.length}`);
  const graph = exportDecoder(config);
  const onGpu = options.backend === 'webgpu';
  const session = await ort.InferenceSession.create(graph.bytes, {
    executionProviders: [options.backend],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 4,
    externalData: [
      { path: WEIGHTS_FILE, data: new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength) },
    ],
    // The cache never leaves the GPU.
    ...(onGpu && {
      preferredOutputLocation: Object.fromEntries(graph.cache.map((c) => [c.present, 'gpu-buffer' as const])),
    }),
  });
  return new Decoder(ort, session, config, graph.cache, options.context);
}

class Decoder implements OrtDecoder {
  readonly context: number;
  #used = 0;
  readonly #ort: OrtRuntime;
  readonly #session: InferenceSession;
  readonly #config: ModelConfig;
  readonly #names: ReturnType<typeof exportDecoder>['cache'];
  readonly #angles: ReturnType<typeof ropeTables>;
  #cache: readonly Tensor[] = [];

  constructor(
    ort: OrtRuntime,
    session: InferenceSession,
    config: ModelConfig,
    names: ReturnType<typeof exportDecoder>['cache'],
    context: number,
  ) {
    this.context = context;
    this.#ort = ort;
    this.#session = session;
    this.#config = config;
    this.#names = names;
    this.#angles = ropeTables(context, headDim(config), config.ropeTheta);
  }

  get used(): number {
    return this.#used;
  }

  async feed(tokens: Int32Array): Promise<Float32Array> {
    const { heads, kvHeads, vocabSize } = this.#config;
    const n = tokens.length;
    const total = this.#used + n;
    if (n === 0 || total > this.context)
      throw new RangeError(`${n} tokens after ${this.#used} do not fit a context of ${this.context}`);
    if (tokens.some((t) => t < 0 || t >= vocabSize))
      throw new RangeError(`a token is outside the vocabulary of ${vocabSize}`);
    const { Tensor } = this.#ort;
    const hd = headDim(this.#config);
    const group = heads / kvHeads;
    const angles = (table: Float32Array) =>
      new Tensor('float32', table.slice(this.#used * hd, total * hd), [n, 1, hd]);
    const mask = new Float32Array(group * n * total);
    const once = causalMask(n, total);
    for (let i = 0; i < group; i++) mask.set(once, i * once.length);
    const feeds: Record<string, Tensor> = {
      [ONNX_TOKENS]: new Tensor('int32', tokens, [1, n]),
      [ONNX_COS]: angles(this.#angles.cos),
      [ONNX_SIN]: angles(this.#angles.sin),
      [ONNX_MASK]: new Tensor('float32', mask, [group * n, total]),
    };
    this.#names.forEach(({ past }, i) => {
      feeds[past] = this.#cache[i] ?? new Tensor('float32', new Float32Array(0), [1, kvHeads, 0, hd]);
    });
    const outputs = await this.#session.run(feeds);
    this.reset();
    this.#cache = this.#names.map(({ present }) => outputs[present]);
    this.#used = total;
    const logits = await outputs[ONNX_OUTPUT].getData();
    if (!(logits instanceof Float32Array)) throw new TypeError('the logits are not f32');
    return logits;
  }

  reset(): void {
    for (const tensor of this.#cache) tensor.dispose();
    this.#cache = [];
    this.#used = 0;
  }

  async close(): Promise<void> {
    this.reset();
    await this.#session.release();
  }
}
