/**
 * The run's Llama as an ONNX graph that continues a text: keys and values of the tokens so far go in, those of all
 * tokens come out, so a further token costs one row and not the whole text again.
 *
 * The weights are external data: the file is a few kilobytes and the flat parameters reach the runtime uncopied.
 */
import { headDim, type ModelConfig } from './config.ts';
import { llama, ONNX_COS, ONNX_OUTPUT, ONNX_SIN, ONNX_TOKENS } from './onnx.ts';
import { OnnxGraph } from './onnx-graph.ts';

/** Where the graph looks for the flat f32 parameters. */
export const WEIGHTS_FILE = 'parameters';
/** f32 `[heads per key/value head x new, total]`, added to the scores: the causal mask once for each head of a group. */
export const ONNX_MASK = 'mask';

/** Cached keys or values of one layer, f32 `[1, key/value heads, tokens, head dim]`: as input and as output. */
export interface CacheNames {
  readonly past: string;
  readonly present: string;
}

export interface DecoderGraph {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly cache: readonly CacheNames[];
}

/**
 * Inputs: {@link ONNX_TOKENS} i32 `[1, new]`, {@link ONNX_COS} and {@link ONNX_SIN} `[new, 1, head dim]` of their
 * positions, {@link ONNX_MASK}, the cache. Outputs: {@link ONNX_OUTPUT} f32 `[1, vocab]`, the logits after the last
 * token, and the longer cache.
 */
export function exportDecoder(config: ModelConfig): DecoderGraph {
  const { heads, kvHeads, vocabSize } = config;
  const hd = headDim(config);
  const g = new OnnxGraph('tabswarm-llama-decoder');
  const cache: CacheNames[] = [];
  g.input(ONNX_TOKENS, 'int32', [1, 'new']);
  g.input(ONNX_COS, 'float32', ['new', 1, hd]);
  g.input(ONNX_SIN, 'float32', ['new', 1, hd]);
  g.input(ONNX_MASK, 'float32', ['rows', 'total']);

  const reshape = (x: string, ...shape: number[]) => g.node('Reshape', [x, g.integers(...shape)]);
  const transpose = (x: string, ...perm: number[]) => g.node('Transpose', [x], { perm });
  /** What the cache held, then the new rows. */
  const extended = (name: string, x: string): string => {
    const names = { past: `past.${name}`, present: `present.${name}` };
    g.input(names.past, 'float32', [1, kvHeads, 'past', hd]);
    g.node('Concat', [names.past, transpose(x, 0, 2, 1, 3)], { axis: 2 }, names.present);
    g.output(names.present, 'float32', [1, kvHeads, 'total', hd]);
    cache.push(names);
    return names.present;
  };
  const { hidden, head } = llama(g, config, {
    batch: 1,
    sequence: -1,
    store: ({ name, shape, offset }) => g.external(name, shape, WEIGHTS_FILE, 4 * offset),
    attend: (layer, q, k, v) => {
      const keys = extended(`${layer}.key`, k);
      const values = extended(`${layer}.value`, v);
      const queries = reshape(transpose(q, 0, 2, 1, 3), 1, kvHeads, -1, hd);
      const scores = g.node('MatMul', [queries, transpose(keys, 0, 1, 3, 2)]);
      const shares = g.node('Softmax', [g.node('Add', [scores, ONNX_MASK])], { axis: -1 });
      return reshape(g.node('MatMul', [shares, values]), 1, heads, -1, hd);
    },
  });
  const last = g.node('Slice', [hidden, g.integers(-1), g.integers(2 ** 31 - 1), g.integers(0)]);
  g.node('Gemm', [last, head], { transB: 1 }, ONNX_OUTPUT);
  g.output(ONNX_OUTPUT, 'float32', [1, vocabSize]);
  return { bytes: g.finish(), cache };
}
