/**
 * One layer: attention and SwiGLU, each behind an RMSNorm and added to the residual stream.
 *
 * Adjacent weights are used as one matrix where the layout allows: q, k, v are one [d + 2 kv, d] product, gate and up one
 * [2 f, d] product, and their gradients likewise.
 */
import type { BufferRange, LaunchSpec } from '../../kernels/program.ts';
import { rmsnormLaunch, ropeLaunch, swigluBackwardLaunch, swigluLaunch } from '../../kernels/rows.ts';
import { roundUp } from '../memory.ts';
import type { PlanFrame, Weight } from './frame.ts';

function weightsOf({ sizes: s }: PlanFrame, layer: number) {
  const p = `model.layers.${layer}.`;
  return {
    qkv: [`${p}self_attn.q_proj.weight`, s.ld * s.d],
    out: [`${p}self_attn.o_proj.weight`, s.d * s.d],
    gateUp: [`${p}mlp.gate_proj.weight`, 2 * s.f * s.d],
    down: [`${p}mlp.down_proj.weight`, s.f * s.d],
    norm1: [`${p}input_layernorm.weight`, s.d],
    norm2: [`${p}post_attention_layernorm.weight`, s.d],
  } as const satisfies Record<string, Weight>;
}

/** Up to and including SwiGLU: everything that the layer's backward pass needs. */
export function blockBody(f: PlanFrame, layer: number): LaunchSpec[] {
  const { rows, d, f: inner, ld, headDim } = f.sizes;
  const { heads, kvHeads, rmsNormEps: eps } = f.config;
  const { sequence, storage } = f.input;
  const w = weightsOf(f, layer);
  const at = (name: string) => f.activation(name, layer);
  const norm = (x: BufferRange, gain: Weight, h: string, rstd: string) =>
    rmsnormLaunch(
      { shape: f.choice.row, rows, d, eps, storage },
      { x, gain: f.weight('parameters', gain), h: at(h), rstd: at(rstd) },
    );
  const [qkv, out, middle] = [at('qkv'), at('attention'), at('middle')];
  return [
    norm(f.x(layer), w.norm1, 'h1', 'rstd1'),
    ...f.matmul({ form: 'NT', m: rows, n: ld, k: d, a: at('h1'), b: f.matrix(w.qkv), c: qkv }),
    ropeLaunch({ rows, sequence, ld, heads: heads + kvHeads, headDim }, { qkv, angles: f.buffer('angles') }),
    ...f.attention('forward', { qkv, out, lse: at('lse') }),
    ...f.matmul(
      { form: 'NT', m: rows, n: d, k: d, a: out, b: f.matrix(w.out), c: middle, d: f.x(layer) },
      'b',
    ),
    norm(middle, w.norm2, 'h2', 'rstd2'),
    ...f.matmul({ form: 'NT', m: rows, n: 2 * inner, k: d, a: at('h2'), b: f.matrix(w.gateUp), c: at('gu') }),
    swigluLaunch({ rows, f: inner, storage }, { gu: at('gu'), act: at('act') }),
  ];
}

/** The whole layer: x of this layer to x of the next. */
export function blockForward(f: PlanFrame, layer: number): LaunchSpec[] {
  const { rows, d, f: inner } = f.sizes;
  const { down } = weightsOf(f, layer);
  const [act, middle] = [f.activation('act', layer), f.activation('middle', layer)];
  return [
    ...blockBody(f, layer),
    ...f.matmul({
      form: 'NT',
      m: rows,
      n: d,
      k: inner,
      a: act,
      b: f.matrix(down),
      c: f.x(layer + 1),
      d: middle,
    }),
  ];
}

/** dx of the next layer's x to dx of this one's, in place, and the gradients of the layer's weights. */
export function blockBackward(f: PlanFrame, layer: number): LaunchSpec[] {
  const { rows, d, f: inner, ld } = f.sizes;
  const w = weightsOf(f, layer);
  const at = (name: string) => f.activation(name, layer);
  const gain = (weight: Weight) => f.weight('parameters', weight);
  const [dx, dh, dact, dqkv] = [f.buffer('dx'), f.buffer('dh'), f.buffer('dact'), f.buffer('dqkv')];
  const [qkv, out, lse] = [at('qkv'), at('attention'), at('lse')];
  const [angles, delta] = [f.buffer('angles'), f.buffer('delta')];
  /** Gradient of a weight [m, n] from that of its output (a) and its input (b). */
  const dW = (m: number, n: number, a: BufferRange, b: BufferRange, weight: Weight, operands?: 'none') =>
    f.matmul(
      // Rows as a length of sums: the rows that pad it are zero.
      { form: 'TN', m, n, k: roundUp(rows, 4), a, b, c: f.weight('gradients', weight), twin: true },
      operands,
    );
  /** Gradient of the input of a weight [k, n] from that of its output (a). */
  const dIn = (k: number, n: number, a: BufferRange, weight: Weight, into: BufferRange) =>
    f.matmul({ form: 'NN', m: rows, n, k, a, b: f.matrix(weight), c: into });
  const norm = 2 * (layer - f.part.layers[0]);
  return [
    ...dW(d, inner, dx, at('act'), w.down),
    ...dIn(d, inner, dx, w.down, dact),
    swigluBackwardLaunch({ rows, f: inner }, { dact, gu: at('gu') }),
    ...dW(2 * inner, d, at('gu'), at('h2'), w.gateUp),
    ...dIn(2 * inner, d, at('gu'), w.gateUp, dh),
    f.normBackward(norm + 1, false, { x: at('middle'), gain: gain(w.norm2), rstd: at('rstd2') }),
    ...dW(d, d, dx, out, w.out, 'none'),
    ...dIn(d, d, dx, w.out, dh),
    ...f.attention('query', { qkv, out, dout: dh, lse, angles, delta, dqkv }),
    ...f.attention('keyValue', { qkv, dout: dh, lse, angles, delta, dqkv }),
    ...dW(ld, d, dqkv, at('h1'), w.qkv),
    ...dIn(ld, d, dqkv, w.qkv, dh),
    f.normBackward(norm, false, { x: f.x(layer), gain: gain(w.norm1), rstd: at('rstd1') }),
  ];
}
