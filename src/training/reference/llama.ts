/**
 * The whole model in plain f64 TypeScript: forward, loss, gradients. Built from the kernels' references in the order of
 * plan.ts but with separate weights and no fusion; its gradients are checked by finite differences.
 */
import { attentionBackwardReference, attentionReference } from '../../kernels/attention.reference.ts';
import { matmulReference } from '../../kernels/matmul.reference.ts';
import {
  crossEntropyReference,
  rmsnormBackwardReference,
  rmsnormReference,
  ropeReference,
  swigluBackwardReference,
  swigluReference,
} from '../../kernels/rows.reference.ts';
import { headDim, kvSize, type ModelConfig } from '../../model/config.ts';
import { parameterLayout } from '../../model/layout.ts';
import type { Batch } from '../types.ts';

type Numbers = ArrayLike<number>;

export interface LlamaResult {
  readonly logits: Float64Array;
  /** Mean cross-entropy over targets >= 0. */
  readonly loss: number;
  /** Flat, laid out as the parameters. */
  readonly gradients: Float64Array;
}

const sum = (a: Float64Array, b: Numbers): Float64Array => a.map((x, i) => x + b[i]);

/** `parameters` flat by {@link parameterLayout}; `count` targets share the mean, default those of this batch. */
export function llamaReference(
  c: ModelConfig,
  parameters: Float64Array,
  { tokens, targets }: Batch,
  batch: number,
  count = targets.filter((t) => t >= 0).length,
): LlamaResult {
  const layout = parameterLayout(c);
  const sequence = tokens.length / batch;
  const [rows, d, f, kv, hd] = [tokens.length, c.hiddenSize, c.intermediateSize, kvSize(c), headDim(c)];
  const ld = d + 2 * kv;
  const shape = { batch, sequence, heads: c.heads, kvHeads: c.kvHeads, headDim: hd };
  const range = (name: string, elements?: number): [number, number] => {
    const t = layout.byName.get(name);
    if (t === undefined) throw new Error(`no tensor ${name}`);
    return [t.offset, t.offset + (elements ?? t.size)];
  };
  const weight = (name: string, elements?: number) => parameters.subarray(...range(name, elements));
  const gradients = new Float64Array(layout.elements);
  const addGradient = (name: string, values: Float64Array) => {
    const into = gradients.subarray(...range(name, values.length));
    for (let i = 0; i < values.length; i++) into[i] = into[i] + values[i];
  };
  const names = (i: number) => {
    const p = `model.layers.${i}.`;
    return {
      qkv: `${p}self_attn.q_proj.weight`,
      out: `${p}self_attn.o_proj.weight`,
      gu: `${p}mlp.gate_proj.weight`,
      down: `${p}mlp.down_proj.weight`,
      norm1: `${p}input_layernorm.weight`,
      norm2: `${p}post_attention_layernorm.weight`,
    };
  };

  const embedding = weight('model.embed_tokens.weight');
  let x = new Float64Array(rows * d);
  for (let r = 0; r < rows; r++) {
    const t = tokens[r];
    x.set(embedding.subarray(t * d, (t + 1) * d), r * d);
  }
  const saved = [];
  for (let i = 0; i < c.layers; i++) {
    const n = names(i);
    const norm1 = rmsnormReference(x, weight(n.norm1), rows, d, c.rmsNormEps);
    const projected = matmulReference('NT', rows, ld, d, norm1.h, weight(n.qkv, ld * d));
    const qkv = ropeReference(projected, rows, sequence, ld, c.heads + c.kvHeads, hd, c.ropeTheta);
    const attention = attentionReference(shape, qkv);
    const middle = sum(matmulReference('NT', rows, d, d, attention.out, weight(n.out)), x);
    const norm2 = rmsnormReference(middle, weight(n.norm2), rows, d, c.rmsNormEps);
    const gu = matmulReference('NT', rows, 2 * f, d, norm2.h, weight(n.gu, 2 * f * d));
    const act = swigluReference(gu, rows, f);
    saved.push({ x, norm1, qkv, attention, middle, norm2, gu, act });
    x = sum(matmulReference('NT', rows, d, f, act, weight(n.down)), middle) as Float64Array<ArrayBuffer>;
  }
  const head = c.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
  const final = rmsnormReference(x, weight('model.norm.weight'), rows, d, c.rmsNormEps);
  const logits = matmulReference('NT', rows, c.vocabSize, d, final.h, weight(head));
  const { losses, gradient } = crossEntropyReference(logits, targets, c.vocabSize, Math.max(1, count));
  const loss = losses.reduce((total, l) => total + l, 0) / Math.max(1, count);

  addGradient(head, matmulReference('TN', c.vocabSize, d, rows, gradient, final.h));
  const dFinal = matmulReference('NN', rows, d, c.vocabSize, gradient, weight(head));
  const back = rmsnormBackwardReference(x, weight('model.norm.weight'), final.rstd, dFinal, rows, d);
  addGradient('model.norm.weight', back.dgain);
  let dx: Float64Array = back.dx;
  for (let i = c.layers - 1; i >= 0; i--) {
    const n = names(i);
    const s = saved[i];
    addGradient(n.down, matmulReference('TN', d, f, rows, dx, s.act));
    const dact = matmulReference('NN', rows, f, d, dx, weight(n.down));
    const dgu = swigluBackwardReference(s.gu, dact, rows, f);
    addGradient(n.gu, matmulReference('TN', 2 * f, d, rows, dgu, s.norm2.h));
    const dh2 = matmulReference('NN', rows, d, 2 * f, dgu, weight(n.gu, 2 * f * d));
    const b2 = rmsnormBackwardReference(s.middle, weight(n.norm2), s.norm2.rstd, dh2, rows, d);
    addGradient(n.norm2, b2.dgain);
    dx = sum(b2.dx, dx);
    addGradient(n.out, matmulReference('TN', d, d, rows, dx, s.attention.out));
    const dout = matmulReference('NN', rows, d, d, dx, weight(n.out));
    const rotated = attentionBackwardReference(shape, s.qkv, dout);
    const dqkv = ropeReference(rotated, rows, sequence, ld, c.heads + c.kvHeads, hd, c.ropeTheta, -1);
    addGradient(n.qkv, matmulReference('TN', ld, d, rows, dqkv, s.norm1.h));
    const dh1 = matmulReference('NN', rows, d, ld, dqkv, weight(n.qkv, ld * d));
    const b1 = rmsnormBackwardReference(s.x, weight(n.norm1), s.norm1.rstd, dh1, rows, d);
    addGradient(n.norm1, b1.dgain);
    dx = sum(b1.dx, dx);
  }
  const dEmbedding = gradients.subarray(...range('model.embed_tokens.weight'));
  for (let r = 0; r < rows; r++) {
    const t = tokens[r];
    for (let i = 0; i < d; i++) dEmbedding[t * d + i] = dEmbedding[t * d + i] + dx[r * d + i];
  }
  return { logits, loss, gradients };
}
