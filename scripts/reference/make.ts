/**
 * Makes a golden file of any shape without PyTorch, from the plain f64 model that the kernels are tested against:
 *
 *   node --import ./scripts/register.mjs scripts/reference/make.ts OUT.safetensors '{"vocab_size":128,"batch":3,"seq":37}'
 *
 * The JSON overrides make_reference.py's configuration (see DEFAULTS). For shapes that the two PyTorch files do not
 * have; the files of PyTorch remain the judge from outside.
 */
import { writeFileSync } from 'node:fs';
import { adamwReference } from '../../src/kernels/rows.reference.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import { createRandom } from '../../src/model/random.ts';
import { type SafetensorsTensor, writeSafetensors } from '../../src/model/safetensors.ts';
import { llamaReference } from '../../src/training/reference/llama.ts';
import { REFERENCE_STEPS, referenceConfig, referenceOptimizer } from '../../src/training/reference-file.ts';

const DEFAULTS = {
  vocab_size: 192,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  tie_word_embeddings: true,
  rope_theta: 10_000,
  rms_norm_eps: 1e-5,
  batch: 3,
  seq: 37,
  /** Positions whose target is -1 at each sequence's start. */
  masked: 5,
  seed: 1,
};
const ADAMW = { lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, clip_norm: 1 };

const [out, overrides = '{}'] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: scripts/reference/make.ts OUT.safetensors [JSON]');
  process.exit(2);
}
const c = { ...DEFAULTS, ...(JSON.parse(overrides) as Partial<typeof DEFAULTS>) };
const config = referenceConfig(c);
const layout = parameterLayout(config);
const seed = new Uint8Array(16);
new DataView(seed.buffer).setUint32(0, c.seed);
const random = createRandom(seed);
const uniform = () => (random.uint32() + 0.5) / 2 ** 32;
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());

// The file holds f32, so that is what both sides start from.
const initial = Float32Array.from({ length: layout.elements }, (_, i) =>
  i < layout.matrixElements ? 0.08 * normal() : 1 + 0.1 * normal(),
);
const rows = c.batch * c.seq;
const ids = Int32Array.from({ length: c.batch * (c.seq + 1) }, () => random.below(c.vocab_size));
const tokens = Int32Array.from({ length: rows }, (_, i) => ids[i + Math.floor(i / c.seq)] ?? 0);
const targets = Int32Array.from({ length: rows }, (_, i) =>
  i % c.seq < c.masked ? -1 : (ids[i + Math.floor(i / c.seq) + 1] ?? 0),
);

const tensors: [string, SafetensorsTensor][] = [
  ['tokens', { dtype: 'I32', shape: [c.batch, c.seq], data: tokens }],
  ['targets', { dtype: 'I32', shape: [c.batch, c.seq], data: targets }],
];
const addAll = (prefix: string, flat: ArrayLike<number>) => {
  const values = Float32Array.from(flat);
  for (const { name, shape, offset, size } of layout.tensors) {
    tensors.push([prefix + name, { dtype: 'F32', shape, data: values.subarray(offset, offset + size) }]);
  }
};

const parameters = Float64Array.from(initial);
const [m, v] = [new Float64Array(layout.elements), new Float64Array(layout.elements)];
const losses: number[] = [];
const norms: number[] = [];
const settings = referenceOptimizer(ADAMW);
addAll('param.', initial);
for (let step = 0; step <= REFERENCE_STEPS; step++) {
  const { loss, logits, gradients } = llamaReference(config, parameters, { tokens, targets }, c.batch);
  losses.push(loss);
  if (step === 0) {
    addAll('grad.', gradients);
    const shape = [c.batch, c.seq, c.vocab_size];
    tensors.push(['logits', { dtype: 'F32', shape, data: Float32Array.from(logits) }]);
  }
  if (step === REFERENCE_STEPS) {
    addAll(`step${REFERENCE_STEPS}.param.`, parameters);
    norms.push(Math.sqrt(gradients.reduce((sum, x) => sum + x * x, 0)));
    break;
  }
  const update = adamwReference(
    parameters,
    gradients,
    m,
    v,
    step + 1,
    ADAMW.lr,
    layout.matrixElements,
    settings,
  );
  norms.push(update.norm);
}
const { seed: _, ...kept } = c;
const metadata = Object.entries({ config: kept, adamw: ADAMW, losses, grad_norms: norms });
writeFileSync(
  out,
  writeSafetensors(
    tensors,
    metadata.map(([key, value]) => [key, JSON.stringify(value)] as const),
  ),
);
console.log(
  `${out}: losses ${losses.map((loss) => loss.toFixed(6)).join(' ')}, norms ${norms.map((n) => n.toFixed(6)).join(' ')}`,
);
