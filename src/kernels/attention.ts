/**
 * Causal grouped-query attention that never makes a [T, T] matrix (online softmax: Milakov & Gimelshein 2018; Dao et al.,
 * FlashAttention, 2022), one thread a query (forward, dQ) or a key (dK and dV).
 *
 * qkv is `[batch * T, LD]` with LD = hidden + 2 kvSize: queries, keys (both rotated already), values of a position side by
 * side. The backward pass recomputes the probabilities from the stored log-sum-exp. dQ and dK/dV are two kernels because
 * WGSL has no f32 atomics; each undoes the rotary embedding before it writes, so the gradient of qkv is ready for the
 * projection's backward. A thread keeps its vectors in named registers; neighbours share the other side's loads.
 */
import { float, type KernelSource } from './program.ts';

export interface AttentionShape {
  readonly batch: number;
  /** T */
  readonly sequence: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** What all three kernels share: vector type, strides and addresses. */
export function geometry(s: AttentionShape) {
  const half = s.headDim / 2;
  // Halves are rotated against each other, so a vector may not straddle the middle.
  const width = half % 4 === 0 ? 4 : half % 2 === 0 ? 2 : 1;
  const type = width === 1 ? 'f32' : `vec${width}f`;
  const vectors = range(s.headDim / width);
  const hidden = s.heads * s.headDim;
  const kv = s.kvHeads * s.headDim;
  const dot = (a: string, b: string) => (width === 1 ? `${a} * ${b}` : `dot(${a}, ${b})`);
  return {
    width,
    type,
    vectors,
    half: vectors.length / 2,
    ld: (hidden + 2 * kv) / width,
    hidden: hidden / width,
    kv: kv / width,
    head: s.headDim / width,
    group: s.heads / s.kvHeads,
    /** Vectors of qkv. */
    qkvLength: (s.batch * s.sequence * (hidden + 2 * kv)) / width,
    scale: 1 / Math.sqrt(s.headDim),
    dots: (a: (i: number) => string, b: (i: number) => string) =>
      vectors.map((i) => dot(a(i), b(i))).join(' + '),
    each: (line: (i: number) => string) => vectors.map(line).join('\n    '),
  };
}

/** (cos, sin) of position * theta^(-i / half), f32 pairs `[sequence, headDim / 2]`, computed in f64. */
export function ropeTable(sequence: number, headDim: number, theta: number): Float32Array<ArrayBuffer> {
  const half = headDim / 2;
  const table = new Float32Array(sequence * half * 2);
  for (let t = 0; t < sequence; t++) {
    for (let i = 0; i < half; i++) {
      const angle = t * theta ** (-i / half);
      table[2 * (t * half + i)] = Math.cos(angle);
      table[2 * (t * half + i) + 1] = Math.sin(angle);
    }
  }
  return table;
}

/** out [rows, hidden] and lse [rows, heads] from qkv. Grid: {@link queryGrid}. */
export function attentionForward(s: AttentionShape, threads: number): KernelSource {
  const g = geometry(s);
  return {
    label: 'attention forward',
    code: `@group(0) @binding(0) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
@group(0) @binding(1) var<storage, read_write> out: array<${g.type}>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= ${s.sequence}u) { return; }
  let first = id.z * ${s.sequence}u;
  let row = first + t;
  let qAt = row * ${g.ld}u + id.y * ${g.head}u;
  ${g.each((i) => `let q${i} = qkv[qAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `var o${i} = ${g.type}();`)}
  var top = -3.4e38f;
  var sum = 0f;
  var kAt = first * ${g.ld}u + ${g.hidden}u + (id.y / ${g.group}u) * ${g.head}u;
  for (var j = 0u; j <= t; j++) {
    let s = ${g.dots(
      (i) => `q${i}`,
      (i) => `qkv[kAt + ${i}u]`,
    )};
    if (s > top) {
      let shrink = exp(top - s);
      top = s;
      sum *= shrink;
      ${g.each((i) => `o${i} *= shrink;`)}
    }
    let p = exp(s - top);
    sum += p;
    let vAt = kAt + ${g.kv}u;
    ${g.each((i) => `o${i} += p * qkv[vAt + ${i}u];`)}
    kAt += ${g.ld}u;
  }
  let scale = 1f / sum;
  let at = row * ${g.hidden}u + id.y * ${g.head}u;
  ${g.each((i) => `out[at + ${i}u] = o${i} * scale;`)}
  lse[row * ${s.heads}u + id.y] = top + log(sum);
}
`,
  };
}

/** Query columns of dqkv, and delta [rows, heads] = sum(out * dout) for the other kernel. Grid: {@link queryGrid}. */
export function attentionBackwardQuery(s: AttentionShape, threads: number): KernelSource {
  const g = geometry(s);
  return {
    label: 'attention backward dQ',
    code: `@group(0) @binding(0) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
@group(0) @binding(1) var<storage, read> out: array<${g.type}>;
@group(0) @binding(2) var<storage, read> dout: array<${g.type}>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> angles: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> dqkv: array<${g.type}>;
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= ${s.sequence}u) { return; }
  let first = id.z * ${s.sequence}u;
  let row = first + t;
  let qAt = row * ${g.ld}u + id.y * ${g.head}u;
  let oAt = row * ${g.hidden}u + id.y * ${g.head}u;
  let most = lse[row * ${s.heads}u + id.y];
  ${g.each((i) => `let q${i} = qkv[qAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `let e${i} = dout[oAt + ${i}u];`)}
  ${g.each((i) => `var g${i} = ${g.type}();`)}
  let d = ${g.dots(
    (i) => `e${i}`,
    (i) => `out[oAt + ${i}u]`,
  )};
  delta[row * ${s.heads}u + id.y] = d;
  var kAt = first * ${g.ld}u + ${g.hidden}u + (id.y / ${g.group}u) * ${g.head}u;
  for (var j = 0u; j <= t; j++) {
    ${g.each((i) => `let k${i} = qkv[kAt + ${i}u];`)}
    let s = ${g.dots(
      (i) => `q${i}`,
      (i) => `k${i}`,
    )};
    let vAt = kAt + ${g.kv}u;
    let dp = ${g.dots(
      (i) => `e${i}`,
      (i) => `qkv[vAt + ${i}u]`,
    )};
    let ds = exp(s - most) * (dp - d);
    ${g.each((i) => `g${i} += ds * k${i};`)}
    kAt += ${g.ld}u;
  }
  ${unrotate(g, 'g', 'qAt', 't', g.scale)}
}
`,
  };
}

/** Key and value columns of dqkv. Grid: {@link keyGrid}. */
export function attentionBackwardKeyValue(s: AttentionShape, threads: number): KernelSource {
  const g = geometry(s);
  return {
    label: 'attention backward dK dV',
    code: `@group(0) @binding(0) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
@group(0) @binding(1) var<storage, read> dout: array<${g.type}>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> angles: array<vec2f>;
@group(0) @binding(4) var<storage, read> delta: array<f32>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<${g.type}>;
@compute @workgroup_size(${threads})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) wg: vec3u) {
  let j = id.x;
  if (j >= ${s.sequence}u) { return; }
  let first = id.z * ${s.sequence}u;
  let kAt = (first + j) * ${g.ld}u + ${g.hidden}u + id.y * ${g.head}u;
  ${g.each((i) => `let k${i} = qkv[kAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `let v${i} = qkv[kAt + ${g.kv}u + ${i}u];`)}
  ${g.each((i) => `var g${i} = ${g.type}();`)}
  ${g.each((i) => `var w${i} = ${g.type}();`)}
  for (var head = id.y * ${g.group}u; head < (id.y + 1u) * ${g.group}u; head++) {
    // All threads of a group start at the same query, so that they load the same addresses; earlier ones weigh 0.
    for (var t = wg.x * ${threads}u; t < ${s.sequence}u; t++) {
      let row = first + t;
      let qAt = row * ${g.ld}u + head * ${g.head}u;
      let oAt = row * ${g.hidden}u + head * ${g.head}u;
      ${g.each((i) => `let q${i} = qkv[qAt + ${i}u];`)}
      ${g.each((i) => `let e${i} = dout[oAt + ${i}u];`)}
      let s = ${g.dots(
        (i) => `q${i}`,
        (i) => `k${i}`,
      )};
      let p = select(0f, exp(s - lse[row * ${s.heads}u + head]), t >= j);
      let dp = ${g.dots(
        (i) => `e${i}`,
        (i) => `v${i}`,
      )};
      let ds = p * (dp - delta[row * ${s.heads}u + head]);
      ${g.each((i) => `w${i} += p * e${i};`)}
      ${g.each((i) => `g${i} += ds * q${i};`)}
    }
  }
  ${g.each((i) => `dqkv[kAt + ${g.kv}u + ${i}u] = w${i};`)}
  ${unrotate(g, 'g', 'kAt', 'j', g.scale)}
}
`,
  };
}

/** Writes the vectors `name0…` to dqkv[at…], scaled and turned back by position `t`'s angles. */
export function unrotate(
  g: ReturnType<typeof geometry>,
  name: string,
  at: string,
  t: string,
  scale: number,
): string {
  const lines: string[] = [];
  const pack = (values: string[]) => (g.width === 1 ? values[0] : `${g.type}(${values.join(', ')})`);
  for (const i of range(g.half)) {
    const angle = range(g.width).map((q) => `r${i}_${q}`);
    for (const q of range(g.width))
      lines.push(
        `let ${angle[q]} = angles[${t} * ${g.half * g.width}u + ${i * g.width + q}u] * ${float(scale)};`,
      );
    const cos = pack(angle.map((a) => `${a}.x`));
    const sin = pack(angle.map((a) => `${a}.y`));
    lines.push(
      `dqkv[${at} + ${i}u] = ${name}${i} * ${cos} + ${name}${i + g.half} * ${sin};`,
      `dqkv[${at} + ${i + g.half}u] = ${name}${i + g.half} * ${cos} - ${name}${i} * ${sin};`,
    );
  }
  return lines.join('\n  ');
}

/** Workgroups for one thread a query. */
export const queryGrid = (s: AttentionShape, threads: number) =>
  [Math.ceil(s.sequence / threads), s.heads, s.batch] as const;
/** Workgroups for one thread a key. */
export const keyGrid = (s: AttentionShape, threads: number) =>
  [Math.ceil(s.sequence / threads), s.kvHeads, s.batch] as const;
