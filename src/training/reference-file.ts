/**
 * Parses a file of golden vectors: a Llama training step computed by an outside judge (PyTorch), as safetensors.
 *
 * The file holds `param.*`, `tokens`, `targets`, `logits`, `grad.*` and `step3.param.*` under Hugging Face's tensor
 * names, weights `[out, in]`; its metadata holds `config`, `adamw`, `losses` and `grad_norms` as JSON.
 */
import * as v from 'valibot';
import type { ModelConfig } from '../model/config.ts';
import { type ParameterLayout, parameterLayout } from '../model/layout.ts';
import { readSafetensors, type SafetensorsFile } from '../model/safetensors.ts';
import type { Batch, OptimizerSettings } from './types.ts';

/** The file is no golden vector that the engine can be held against; `message` names what is missing or off. */
export class ReferenceFileError extends Error {
  static override readonly name = 'ReferenceFileError';
  override readonly name = 'ReferenceFileError';
}

/** AdamW steps between `param.*` and `step3.param.*`. */
export const REFERENCE_STEPS = 3;

export interface ReferenceFile {
  readonly config: ModelConfig;
  readonly layout: ParameterLayout;
  readonly batchSize: number;
  readonly sequence: number;
  readonly batch: Batch;
  readonly optimizer: OptimizerSettings;
  readonly learningRate: number;
  /** Flat, in the order of {@link ParameterLayout}, as are the gradients and the parameters after three steps. */
  readonly parameters: Float32Array;
  readonly gradients: Float32Array;
  readonly after: Float32Array;
  /** `[batch, sequence, vocabSize]` at the initial parameters. */
  readonly logits: Float32Array;
  /** Loss and gradient norm before steps 1, 2, 3 and after step 3. */
  readonly losses: readonly number[];
  readonly gradientNorms: readonly number[];
}

const size = v.pipe(v.number(), v.integer(), v.minValue(1));
const dimension = v.pipe(size, v.multipleOf(64));
/** Hugging Face's names; unknown keys are left alone, since the maker of a file may note more. */
const ConfigSchema = v.pipe(
  v.object({
    vocab_size: dimension,
    hidden_size: dimension,
    intermediate_size: dimension,
    num_hidden_layers: size,
    num_attention_heads: size,
    num_key_value_heads: size,
    tie_word_embeddings: v.boolean(),
    rope_theta: v.number(),
    rms_norm_eps: v.number(),
    batch: size,
    seq: size,
  }),
  v.check(
    (c) => c.hidden_size % (2 * c.num_attention_heads) === 0,
    'the head dimension must be whole and even',
  ),
  v.check(
    (c) => c.num_attention_heads % c.num_key_value_heads === 0,
    'heads must be a multiple of key/value heads',
  ),
);
const AdamWSchema = v.object({
  lr: v.number(),
  beta1: v.number(),
  beta2: v.number(),
  eps: v.number(),
  weight_decay: v.number(),
  clip_norm: v.number(),
});
const CurveSchema = v.pipe(v.array(v.pipe(v.number(), v.finite())), v.length(REFERENCE_STEPS + 1));

/** A golden file's `config` in this project's names. */
export function referenceConfig(hf: v.InferOutput<typeof ConfigSchema>): ModelConfig {
  return {
    vocabSize: hf.vocab_size,
    hiddenSize: hf.hidden_size,
    intermediateSize: hf.intermediate_size,
    layers: hf.num_hidden_layers,
    heads: hf.num_attention_heads,
    kvHeads: hf.num_key_value_heads,
    tiedEmbeddings: hf.tie_word_embeddings,
    ropeTheta: hf.rope_theta,
    rmsNormEps: hf.rms_norm_eps,
  };
}

/** A golden file's `adamw` in this project's names. */
export function referenceOptimizer(adamw: v.InferOutput<typeof AdamWSchema>): OptimizerSettings {
  return {
    beta1: adamw.beta1,
    beta2: adamw.beta2,
    epsilon: adamw.eps,
    weightDecay: adamw.weight_decay,
    clipNorm: adamw.clip_norm,
  };
}

/** @throws {SafetensorsError} when the bytes are broken, {@link ReferenceFileError} when the content is. */
export function parseReferenceFile(bytes: Uint8Array): ReferenceFile {
  const file = readSafetensors(bytes);
  const hf = metadata(file, 'config', ConfigSchema);
  const adamw = metadata(file, 'adamw', AdamWSchema);
  // Not ModelConfigSchema: the engine takes key widths that are no multiple of SparseLoCo's tiles.
  const config = referenceConfig(hf);
  const layout = parameterLayout(config);
  return {
    config,
    layout,
    batchSize: hf.batch,
    sequence: hf.seq,
    batch: {
      tokens: indices(file, 'tokens', [hf.batch, hf.seq], 0, config.vocabSize),
      targets: indices(file, 'targets', [hf.batch, hf.seq], -1, config.vocabSize),
    },
    optimizer: referenceOptimizer(adamw),
    learningRate: adamw.lr,
    parameters: flatten(file, layout, 'param.'),
    gradients: flatten(file, layout, 'grad.'),
    after: flatten(file, layout, `step${REFERENCE_STEPS}.param.`),
    logits: floats(file, 'logits', [hf.batch, hf.seq, config.vocabSize]),
    losses: metadata(file, 'losses', CurveSchema),
    gradientNorms: metadata(file, 'grad_norms', CurveSchema),
  };
}

function metadata<const S extends v.GenericSchema>(
  file: SafetensorsFile,
  key: string,
  schema: S,
): v.InferOutput<S> {
  const text = file.metadata.get(key);
  if (text === undefined) throw new ReferenceFileError(`the file's metadata has no "${key}"`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ReferenceFileError(`the file's metadata "${key}" is not JSON`);
  }
  const parsed = v.safeParse(schema, value);
  if (!parsed.success)
    throw new ReferenceFileError(`the file's metadata "${key}": ${explain(parsed.issues)}`);
  return parsed.output;
}

function explain(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues.map((issue) => `${v.getDotPath(issue) ?? 'value'}: ${issue.message}`).join('; ');
}

function tensor(file: SafetensorsFile, name: string, dtype: 'F32' | 'I32', shape: readonly number[]) {
  const found = file.tensors.get(name);
  if (found === undefined) throw new ReferenceFileError(`the file has no tensor "${name}"`);
  if (found.dtype !== dtype || found.shape.join() !== shape.join()) {
    throw new ReferenceFileError(
      `tensor "${name}" is ${found.dtype} [${found.shape.join(', ')}], not ${dtype} [${shape.join(', ')}]`,
    );
  }
  return found.data;
}

const floats = (file: SafetensorsFile, name: string, shape: readonly number[]) =>
  tensor(file, name, 'F32', shape) as Float32Array;

/** Token ids in [min, end). */
function indices(file: SafetensorsFile, name: string, shape: readonly number[], min: number, end: number) {
  const data = tensor(file, name, 'I32', shape) as Int32Array;
  const bad = data.find((id) => id < min || id >= end);
  if (bad !== undefined) throw new ReferenceFileError(`"${name}" holds ${bad}, outside [${min}, ${end})`);
  return data;
}

function flatten(file: SafetensorsFile, layout: ParameterLayout, prefix: string): Float32Array {
  const flat = new Float32Array(layout.elements);
  for (const spec of layout.tensors) flat.set(floats(file, prefix + spec.name, spec.shape), spec.offset);
  return flat;
}
