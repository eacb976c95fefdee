/**
 * Compares the engine with a file of golden vectors (test/vectors/make_reference.py: PyTorch's parameters, logits,
 * gradients and three AdamW steps). Runs wherever WebGPU does: tests in Node, and `npm run reference` in Chromium, Node
 * and Deno.
 */
import type { KernelChoice } from '../kernels/choice.ts';
import type { Gpu } from '../kernels/gpu.ts';
import type { ModelConfig } from '../model/config.ts';
import { parameterLayout, type TensorSpec } from '../model/layout.ts';
import * as v from 'valibot';
import { createEngine } from './engine.ts';

/** One compared figure; `value` is a relative error (L2 norms for tensors), which may be at most `tolerance`. */
export interface ReferenceFigure {
  readonly name: string;
  /** The tensor with the largest error, where there are several. */
  readonly worst?: string;
  readonly value: number;
  readonly tolerance: number;
}

/** Tolerances of f32 and of f16 storage. */
export const TOLERANCES = {
  f32: {
    loss: 1e-5,
    logits: 1e-5,
    gradient: 1e-4,
    gradientNorm: 1e-5,
    update: 5e-3,
    lossAfter: 1e-4,
  },
  f16: {
    loss: 2e-3,
    logits: 5e-3,
    gradient: 2e-2,
    gradientNorm: 5e-3,
    update: 1e-1,
    lossAfter: 5e-3,
  },
} as const;

const ConfigSchema = v.object({
  vocab_size: v.number(),
  hidden_size: v.number(),
  intermediate_size: v.number(),
  num_hidden_layers: v.number(),
  num_attention_heads: v.number(),
  num_key_value_heads: v.number(),
  tie_word_embeddings: v.boolean(),
  rope_theta: v.number(),
  rms_norm_eps: v.number(),
  batch: v.number(),
  seq: v.number(),
});
const AdamwSchema = v.object({
  lr: v.number(),
  beta1: v.number(),
  beta2: v.number(),
  eps: v.number(),
  weight_decay: v.number(),
  clip_norm: v.number(),
});

export interface ReferenceFile {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  readonly adamw: v.InferOutput<typeof AdamwSchema>;
  readonly losses: readonly number[];
  readonly gradNorms: readonly number[];
  readonly tensors: ReadonlyMap<string, Float32Array | Int32Array>;
}

/** Reads a safetensors file of make_reference.py. Throws with the reason where it is not one. */
export function readReference(bytes: Uint8Array): ReferenceFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > bytes.length - 8)
    throw new Error('not a safetensors file: the header is longer than the file');
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength))) as Record<
    string,
    { dtype: string; data_offsets: [number, number] } & Record<string, string>
  >;
  const tensors = new Map<string, Float32Array | Int32Array>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [from, to] = entry.data_offsets;
    // A copy: aligned, and also where `bytes` is Node's Buffer, whose slice() is only a view.
    const data = new Uint8Array(bytes.subarray(8 + headerLength + from, 8 + headerLength + to)).buffer;
    tensors.set(name, entry.dtype === 'I32' ? new Int32Array(data) : new Float32Array(data));
  }
  const metadata = header['__metadata__'] as Record<string, string>;
  const json = (key: string): unknown => JSON.parse(metadata[key] ?? 'null');
  const c = v.parse(ConfigSchema, json('config'));
  return {
    // Not ModelConfigSchema: the engine itself takes key widths that are no multiple of SparseLoCo's tiles.
    config: {
      vocabSize: c.vocab_size,
      hiddenSize: c.hidden_size,
      intermediateSize: c.intermediate_size,
      layers: c.num_hidden_layers,
      heads: c.num_attention_heads,
      kvHeads: c.num_key_value_heads,
      tiedEmbeddings: c.tie_word_embeddings,
      ropeTheta: c.rope_theta,
      rmsNormEps: c.rms_norm_eps,
    },
    batch: c.batch,
    sequence: c.seq,
    adamw: v.parse(AdamwSchema, json('adamw')),
    losses: v.parse(v.array(v.number()), json('losses')),
    gradNorms: v.parse(v.array(v.number()), json('grad_norms')),
    tensors,
  };
}

/** Tensors `prefix + name` of the file in one flat array, as the engine lays them out. */
export function flatten(file: ReferenceFile, prefix: string): Float32Array {
  const layout = parameterLayout(file.config);
  const flat = new Float32Array(layout.elements);
  for (const t of layout.tensors) flat.set(tensor(file, prefix + t.name) as Float32Array, t.offset);
  return flat;
}

function tensor(file: ReferenceFile, name: string): Float32Array | Int32Array {
  const found = file.tensors.get(name);
  if (found === undefined) throw new Error(`the reference file has no tensor "${name}"`);
  return found;
}

/** Runs the file's model three steps and compares every figure. */
export async function checkReference(
  gpu: Gpu,
  file: ReferenceFile,
  options: {
    readonly choice?: KernelChoice;
    readonly recompute?: boolean;
    readonly precision?: 'f32' | 'f16';
  } = {},
): Promise<ReferenceFigure[]> {
  const tolerance = TOLERANCES[options.precision ?? 'f32'];
  const { adamw } = file;
  const engine = await createEngine({
    gpu,
    config: file.config,
    batch: file.batch,
    sequence: file.sequence,
    accumulation: 1,
    optimizer: {
      beta1: adamw.beta1,
      beta2: adamw.beta2,
      epsilon: adamw.eps,
      weightDecay: adamw.weight_decay,
      clipNorm: adamw.clip_norm,
    },
    recompute: options.recompute,
    choice: options.choice,
  });
  try {
    const initial = flatten(file, 'param.');
    const batch = {
      tokens: tensor(file, 'tokens') as Int32Array,
      targets: tensor(file, 'targets') as Int32Array,
    };
    engine.setParameters(initial);
    engine.resetOptimizer();
    const figures: ReferenceFigure[] = [];
    figures.push({
      name: 'logits',
      value: relative(await engine.logits(batch), tensor(file, 'logits')),
      tolerance: tolerance.logits,
    });

    await engine.step([batch], adamw.lr);
    const first = await engine.report();
    figures.push({
      name: 'loss',
      value: Math.abs(first.loss / (file.losses[0] as number) - 1),
      tolerance: tolerance.loss,
    });
    figures.push({
      name: 'gradient_norm',
      value: Math.abs(first.gradientNorm / (file.gradNorms[0] as number) - 1),
      tolerance: tolerance.gradientNorm,
    });
    const gradients = await engine.readGradients();
    const expected = flatten(file, 'grad.');
    const { tensors } = engine.layout;
    figures.push(
      worst('gradient', tensors, tolerance.gradient, (t) => [slice(gradients, t), slice(expected, t)]),
    );
    figures.push(
      worst('tensor_gradient_norm', tensors, tolerance.gradientNorm, (t) => [
        [norm(slice(gradients, t))],
        [norm(slice(expected, t))],
      ]),
    );
    for (let i = 1; i < 3; i++) await engine.step([batch], adamw.lr);
    const after = await engine.readParameters();
    const wanted = flatten(file, 'step3.param.');
    const change = (p: Float32Array) => p.map((value, i) => value - (initial[i] as number));
    const [got, want] = [change(after), change(wanted)];
    figures.push(worst('update', tensors, tolerance.update, (t) => [slice(got, t), slice(want, t)]));
    figures.push({
      name: 'loss_after_three_steps',
      value: Math.abs((await engine.evaluate(batch)) / (file.losses[3] as number) - 1),
      tolerance: tolerance.lossAfter,
    });
    return figures;
  } finally {
    engine.destroy();
  }
}

const slice = (flat: Float32Array, t: TensorSpec): Float32Array => flat.subarray(t.offset, t.offset + t.size);

function norm(a: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) ** 2;
  return Math.sqrt(sum);
}

/** ‖a − b‖ / ‖b‖; NaN where a is not finite, so that it fails every tolerance. */
export function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  for (let i = 0; i < b.length; i++) difference += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(difference) / norm(b);
}

function worst(
  name: string,
  tensors: readonly TensorSpec[],
  tolerance: number,
  pair: (t: TensorSpec) => [ArrayLike<number>, ArrayLike<number>],
): ReferenceFigure {
  let found: ReferenceFigure = { name, value: -1, tolerance };
  for (const t of tensors) {
    const value = relative(...pair(t));
    if (!(value <= found.value)) found = { name, worst: t.name, value, tolerance };
  }
  return found;
}
