/** The plain form of attention.ts in f64: the [T, T] matrix of each head, written out. */
import type { AttentionShape } from './attention-frame.ts';

type Numbers = ArrayLike<number>;

function* heads(s: AttentionShape) {
  const hidden = s.heads * s.headDim;
  const kv = s.kvHeads * s.headDim;
  for (let b = 0; b < s.batch; b++) {
    for (let h = 0; h < s.heads; h++) {
      const shared = Math.floor(h / (s.heads / s.kvHeads));
      const row = (t: number) => (b * s.sequence + t) * (hidden + 2 * kv);
      yield {
        h,
        out: (t: number) => (b * s.sequence + t) * hidden + h * s.headDim,
        q: (t: number) => row(t) + h * s.headDim,
        k: (t: number) => row(t) + hidden + shared * s.headDim,
        v: (t: number) => row(t) + hidden + kv + shared * s.headDim,
        lse: (t: number) => (b * s.sequence + t) * s.heads + h,
      };
    }
  }
}

function dot(a: Numbers, i: number, b: Numbers, j: number, n: number): number {
  let sum = 0;
  for (let q = 0; q < n; q++) sum += a[i + q] * b[j + q];
  return sum;
}

function addScaled(into: Float64Array, i: number, x: Numbers, j: number, n: number, scale: number): void {
  for (let q = 0; q < n; q++) into[i + q] = into[i + q] + scale * x[j + q];
}

/** Row t of softmax(q kᵀ / sqrt(headDim)) over keys 0..t, and its log-sum-exp. */
function probabilities(qkv: Numbers, q: number, k: (t: number) => number, t: number, headDim: number) {
  const scores = Float64Array.from(
    { length: t + 1 },
    (_, j) => dot(qkv, q, qkv, k(j), headDim) / Math.sqrt(headDim),
  );
  const top = Math.max(...scores);
  const sum = scores.reduce((total, s) => total + Math.exp(s - top), 0);
  return { p: scores.map((s) => Math.exp(s - top) / sum), lse: top + Math.log(sum) };
}

/** out [rows, hidden] and lse [rows, heads] from rotated qkv. */
export function attentionReference(s: AttentionShape, qkv: Numbers) {
  const rows = s.batch * s.sequence;
  const out = new Float64Array(rows * s.heads * s.headDim);
  const lse = new Float64Array(rows * s.heads);
  for (const head of heads(s)) {
    for (let t = 0; t < s.sequence; t++) {
      const row = probabilities(qkv, head.q(t), head.k, t, s.headDim);
      lse[head.lse(t)] = row.lse;
      for (let j = 0; j <= t; j++) addScaled(out, head.out(t), qkv, head.v(j), s.headDim, row.p[j]);
    }
  }
  return { out, lse };
}

/** Gradient of rotated qkv from dout; the rotation itself is not undone. */
export function attentionBackwardReference(s: AttentionShape, qkv: Numbers, dout: Numbers): Float64Array {
  const dqkv = new Float64Array(qkv.length);
  const scale = 1 / Math.sqrt(s.headDim);
  for (const head of heads(s)) {
    for (let t = 0; t < s.sequence; t++) {
      const { p } = probabilities(qkv, head.q(t), head.k, t, s.headDim);
      const dp = p.map((_, j) => dot(dout, head.out(t), qkv, head.v(j), s.headDim));
      const mean = p.reduce((sum, value, j) => sum + value * dp[j], 0);
      for (let j = 0; j <= t; j++) {
        const pj = p[j];
        const ds = pj * (dp[j] - mean) * scale;
        addScaled(dqkv, head.q(t), qkv, head.k(j), s.headDim, ds);
        addScaled(dqkv, head.k(j), qkv, head.q(t), s.headDim, ds);
        addScaled(dqkv, head.v(j), dout, head.out(t), s.headDim, pj);
      }
    }
  }
  return dqkv;
}
