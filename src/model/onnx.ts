/**
 * The run's Llama as an ONNX graph: for measuring losses without a GPU; generate-graph.ts
 * makes the graph that continues a text from the same decoder.
 *
 * The weights are graph inputs by default, so that one session evaluates any state; or they are stored in the file.
 * Matrices that lie side by side in the flat layout and read the same input (q, k, v; gate, up) are one weight here:
 * the rows of `[out, in]` matrices concatenate, so the fused weight is a plain view of the flat array.
 */
import { headDim, kvSize, type ModelConfig } from './config.ts';
import { parameterLayout } from './layout.ts';
import { OnnxGraph } from './onnx-graph.ts';

export interface OnnxOptions {
  readonly batch: number;
  readonly sequence: number;
  /** `loss`: f32 `[batch x sequence]`, the cross-entropy of each token in nats. `logits`: f32 `[batch, sequence, vocab]`. */
  readonly output: 'loss' | 'logits';
  /** Flat parameters to store in the file; absent: they are inputs. */
  readonly weights?: Float32Array | undefined;
}

/** One weight of the graph: a view of the flat parameters. */
export interface OnnxWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
}

export interface OnnxModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The weight inputs, in order; empty when the weights are stored. */
  readonly inputs: readonly OnnxWeight[];
}

/** Names of the data inputs (i32 `[batch, sequence]`) and of the output. */
export const ONNX_TOKENS = 'tokens';
export const ONNX_TARGETS = 'targets';
export const ONNX_OUTPUT = 'output';
/** Names of the rotary tables, `[sequence, 1, head dim]`. */
export const ONNX_COS = 'cos';
export const ONNX_SIN = 'sin';

/**
 * Exports the forward pass for a fixed batch and sequence. With output `loss`, targets must lie in [0, vocab): the
 * caller leaves out what should not count.
 */
export function exportOnnx(config: ModelConfig, options: OnnxOptions): OnnxModel {
  const { batch: B, sequence: T, weights } = options;
  const hd = headDim(config);
  const group = config.heads / config.kvHeads;
  const rows = B * T;
  const g = new OnnxGraph('tabswarm-llama');
  const inputs: OnnxWeight[] = [];

  g.input(ONNX_TOKENS, 'int32', [B, T]);
  const { cos, sin } = ropeTables(T, hd, config.ropeTheta);
  g.constant(ONNX_COS, [T, 1, hd], cos);
  g.constant(ONNX_SIN, [T, 1, hd], sin);
  g.constant('mask', [T, T], causalMask(T, T));

  const reshape = (x: string, ...shape: number[]) => g.node('Reshape', [x, g.integers(...shape)]);
  const { hidden, head } = llama(g, config, {
    batch: B,
    sequence: T,
    store: (weight) => {
      if (weights !== undefined) {
        const values = weights.subarray(weight.offset, weight.offset + weight.size);
        return g.constant(weight.name, weight.shape, values);
      }
      inputs.push(weight);
      return g.input(weight.name, 'float32', weight.shape);
    },
    // Heads of one group share a key/value head: they are stacked along the rows of one product.
    attend: (_layer, q, k, v) => {
      const transposed = g.node('Transpose', [q], { perm: [0, 2, 1, 3] });
      const queries = reshape(transposed, B, config.kvHeads, group * T, hd);
      const keys = g.node('Transpose', [k], { perm: [0, 2, 3, 1] });
      const values = g.node('Transpose', [v], { perm: [0, 2, 1, 3] });
      const scores = reshape(g.node('MatMul', [queries, keys]), B, config.heads, T, T);
      const shares = g.node('Softmax', [g.node('Add', [scores, 'mask'])], { axis: -1 });
      const mixed = g.node('MatMul', [reshape(shares, B, config.kvHeads, group * T, T), values]);
      return reshape(mixed, B, config.heads, T, hd);
    },
  });
  const logits = g.node('Gemm', [hidden, head], { transB: 1 });

  if (options.output === 'logits') {
    g.node('Reshape', [logits, g.integers(B, T, config.vocabSize)], {}, ONNX_OUTPUT);
    g.output(ONNX_OUTPUT, 'float32', [B, T, config.vocabSize]);
  } else {
    g.input(ONNX_TARGETS, 'int32', [B, T]);
    const picked = g.node('GatherElements', [logits, reshape(ONNX_TARGETS, rows, 1)], { axis: 1 });
    const normalizer = g.node('ReduceLogSumExp', [logits], { axes: [1], keepdims: 1 });
    g.node('Reshape', [g.node('Sub', [normalizer, picked]), g.integers(rows)], {}, ONNX_OUTPUT);
    g.output(ONNX_OUTPUT, 'float32', [rows]);
  }
  return { bytes: g.finish(), inputs };
}

/** What differs between the graphs that share {@link llama}. */
interface LlamaParts {
  readonly batch: number;
  /** -1: known at run time only. */
  readonly sequence: number;
  /** Puts one weight into the graph and returns its name. */
  readonly store: (weight: OnnxWeight) => string;
  /**
   * Attention of one layer: `q` `[batch, sequence, heads, head dim]`, rotated and scaled, `k` (rotated) and `v` with
   * the key/value heads, to `[batch, heads, sequence, head dim]`.
   */
  readonly attend: (layer: number, q: string, k: string, v: string) => string;
}

/**
 * The decoder from {@link ONNX_TOKENS} to the last norm: `hidden` is `[batch x sequence, width]`, `head` the name of
 * the output projection `[vocab, width]`. {@link ONNX_COS} and {@link ONNX_SIN} must be in the graph.
 */
export function llama(
  g: OnnxGraph,
  config: ModelConfig,
  { batch: B, sequence: T, store, attend }: LlamaParts,
): { readonly hidden: string; readonly head: string } {
  const d = config.hiddenSize;
  const f = config.intermediateSize;
  const kv = kvSize(config);
  const hd = headDim(config);
  const rows = T < 0 ? -1 : B * T;
  const layout = parameterLayout(config);

  /** One weight from tensors that follow each other in the layout, stacked along their first axis. */
  const weight = (name: string, ...parts: string[]): string => {
    const specs = (parts.length === 0 ? [name] : parts).map((part) => {
      const spec = layout.byName.get(part);
      if (spec === undefined) throw new RangeError(`the layout has no tensor ${part}`);
      return spec;
    });
    const [first] = specs as [(typeof specs)[0]];
    let end = first.offset;
    let out = 0;
    for (const spec of specs) {
      if (spec.offset !== end)
        throw new RangeError(`${spec.name} does not follow its neighbour in the layout`);
      end += spec.size;
      out += spec.shape[0];
    }
    const shape = first.shape.length === 2 ? [out, first.shape[1]] : [out];
    return store({ name, shape, offset: first.offset, size: end - first.offset });
  };
  const reshape = (x: string, ...shape: number[]) => g.node('Reshape', [x, g.integers(...shape)]);
  /** x `[rows, in]` times the transpose of `[out, in]`. */
  const linear = (x: string, w: string) => g.node('Gemm', [x, w], { transB: 1 });
  const slice = (x: string, axis: number, from: number, to: number) =>
    g.node('Slice', [x, g.integers(from), g.integers(to), g.integers(axis)]);
  const scalar = (name: string, value: number) => g.constant(name, [], Float32Array.of(value));
  const epsilon = scalar('epsilon', config.rmsNormEps);
  const two = scalar('two', 2);
  const scale = scalar('scale', 1 / Math.sqrt(hd));
  const rmsNorm = (x: string, gain: string) => {
    const mean = g.node('ReduceMean', [g.node('Pow', [x, two])], { axes: [-1], keepdims: 1 });
    const norm = g.node('Sqrt', [g.node('Add', [mean, epsilon])]);
    return g.node('Mul', [g.node('Div', [x, norm]), weight(gain)]);
  };
  const rotate = (x: string) => {
    const turned = g.node('Concat', [slice(x, 3, hd / 2, hd), slice(x, 3, 0, hd / 2)], { axis: 3 });
    return g.node('Add', [g.node('Mul', [x, ONNX_COS]), g.node('Mul', [turned, ONNX_SIN])]);
  };

  const embedding = weight('model.embed_tokens.weight');
  let x = reshape(g.node('Gather', [embedding, ONNX_TOKENS]), rows, d);
  for (let i = 0; i < config.layers; i++) {
    const p = `model.layers.${i}.`;
    const attention = `${p}self_attn.`;
    let h = rmsNorm(x, `${p}input_layernorm.weight`);
    const fused = weight(
      `${attention}qkv_proj.weight`,
      ...['q', 'k', 'v'].map((part) => `${attention}${part}_proj.weight`),
    );
    const [q, k, v] = [0, 1, 2].map((part) => `${attention}${part}`) as [string, string, string];
    g.nodes('Split', [linear(h, fused), g.integers(d, kv, kv)], { axis: 1 }, [q, k, v]);
    const mixed = attend(
      i,
      g.node('Mul', [rotate(reshape(q, B, T, config.heads, hd)), scale]),
      rotate(reshape(k, B, T, config.kvHeads, hd)),
      reshape(v, B, T, config.kvHeads, hd),
    );
    const heads = g.node('Transpose', [mixed], { perm: [0, 2, 1, 3] });
    x = g.node('Add', [x, linear(reshape(heads, rows, d), weight(`${attention}o_proj.weight`))]);

    h = rmsNorm(x, `${p}post_attention_layernorm.weight`);
    const both = linear(
      h,
      weight(`${p}mlp.gate_up_proj.weight`, `${p}mlp.gate_proj.weight`, `${p}mlp.up_proj.weight`),
    );
    const gate = `${p}gate`;
    const up = `${p}up`;
    g.nodes('Split', [both, g.integers(f, f)], { axis: 1 }, [gate, up]);
    const silu = g.node('Mul', [gate, g.node('Sigmoid', [gate])]);
    x = g.node('Add', [x, linear(g.node('Mul', [silu, up]), weight(`${p}mlp.down_proj.weight`))]);
  }
  const hidden = rmsNorm(x, 'model.norm.weight');
  return { hidden, head: config.tiedEmbeddings ? embedding : weight('lm_head.weight') };
}

/**
 * Added to attention scores: row i of `rows` may see columns up to `total - rows + i`. Finite, so that no kernel meets
 * infinity minus infinity.
 */
export function causalMask(rows: number, total: number): Float32Array {
  const mask = new Float32Array(rows * total);
  for (let i = 0; i < rows; i++) mask.fill(-1e30, i * total + total - rows + i + 1, (i + 1) * total);
  return mask;
}

/**
 * RoPE: cos and signed sin of position x frequency, `[T, head dim]`, both halves alike ("rotate half"); the sine's first
 * half is negative, as the rotated half enters with a minus.
 */
export function ropeTables(T: number, hd: number, theta: number): { cos: Float32Array; sin: Float32Array } {
  const half = hd / 2;
  const cos = new Float32Array(T * hd);
  const sin = new Float32Array(T * hd);
  for (let t = 0; t < T; t++) {
    for (let j = 0; j < half; j++) {
      const angle = t * theta ** (-j / half);
      const at = t * hd + j;
      cos[at] = cos[at + half] = Math.cos(angle);
      sin[at] = -Math.sin(angle);
      sin[at + half] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
