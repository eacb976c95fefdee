/** The plain forms of the row kernels, in f64, one loop a line of mathematics: what each `.wgsl` file is tested against. */

type Numbers = ArrayLike<number>;
const at = (x: Numbers, i: number): number => x[i];
const add = (x: Float64Array, i: number, value: number): void => {
  x[i] = x[i] + value;
};

/** h = x * rsqrt(mean(x²) + eps) * gain for each of `rows` rows of `d`. */
export function rmsnormReference(x: Numbers, gain: Numbers, rows: number, d: number, eps: number) {
  const h = new Float64Array(rows * d);
  const rstd = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let squares = 0;
    for (let i = 0; i < d; i++) squares += at(x, r * d + i) ** 2;
    const scale = 1 / Math.sqrt(squares / d + eps);
    rstd[r] = scale;
    for (let i = 0; i < d; i++) h[r * d + i] = at(x, r * d + i) * scale * at(gain, i);
  }
  return { h, rstd };
}

/** Gradients of x and of the gain from dh. */
export function rmsnormBackwardReference(
  x: Numbers,
  gain: Numbers,
  rstd: Numbers,
  dh: Numbers,
  rows: number,
  d: number,
) {
  const dx = new Float64Array(rows * d);
  const dgain = new Float64Array(d);
  for (let r = 0; r < rows; r++) {
    const scale = at(rstd, r);
    let mean = 0;
    for (let i = 0; i < d; i++) {
      const n = at(x, r * d + i) * scale;
      mean += (at(dh, r * d + i) * at(gain, i) * n) / d;
      add(dgain, i, at(dh, r * d + i) * n);
    }
    for (let i = 0; i < d; i++) {
      const n = at(x, r * d + i) * scale;
      dx[r * d + i] = scale * (at(dh, r * d + i) * at(gain, i) - n * mean);
    }
  }
  return { dx, dgain };
}

/** Rotates the first `heads` heads of each row of `ld` by its position, `sequence` positions a sequence; `sign` -1 undoes it. */
export function ropeReference(
  x: Numbers,
  rows: number,
  sequence: number,
  ld: number,
  heads: number,
  headDim: number,
  theta: number,
  sign: 1 | -1 = 1,
): Float64Array {
  const out = Float64Array.from(x);
  const half = headDim / 2;
  for (let r = 0; r < rows; r++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < half; i++) {
        const angle = sign * (r % sequence) * theta ** (-i / half);
        const p = r * ld + h * headDim + i;
        const [a, b] = [at(x, p), at(x, p + half)];
        out[p] = a * Math.cos(angle) - b * Math.sin(angle);
        out[p + half] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
  }
  return out;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** silu(gate) * up with gate and up side by side in rows of 2f. */
export function swigluReference(gu: Numbers, rows: number, f: number): Float64Array {
  const act = new Float64Array(rows * f);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < f; i++) {
      const gate = at(gu, r * 2 * f + i);
      act[r * f + i] = gate * sigmoid(gate) * at(gu, r * 2 * f + f + i);
    }
  }
  return act;
}

/** Gradient of gu from dact. */
export function swigluBackwardReference(gu: Numbers, dact: Numbers, rows: number, f: number): Float64Array {
  const dgu = new Float64Array(rows * 2 * f);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < f; i++) {
      const gate = at(gu, r * 2 * f + i);
      const up = at(gu, r * 2 * f + f + i);
      const s = sigmoid(gate);
      const d = at(dact, r * f + i);
      dgu[r * 2 * f + i] = d * up * (s + gate * s * (1 - s));
      dgu[r * 2 * f + f + i] = d * gate * s;
    }
  }
  return dgu;
}

/** Summed cross-entropy over targets >= 0, and the gradient of its mean over `count` targets. */
export function crossEntropyReference(
  logits: Numbers,
  targets: ArrayLike<number>,
  vocab: number,
  count: number,
) {
  const gradient = new Float64Array(targets.length * vocab);
  const losses = new Float64Array(targets.length);
  for (let r = 0; r < targets.length; r++) {
    const target = at(targets, r);
    if (target < 0) continue;
    let top = -Infinity;
    for (let i = 0; i < vocab; i++) top = Math.max(top, at(logits, r * vocab + i));
    let sum = 0;
    for (let i = 0; i < vocab; i++) sum += Math.exp(at(logits, r * vocab + i) - top);
    losses[r] = Math.log(sum) - (at(logits, r * vocab + target) - top);
    for (let i = 0; i < vocab; i++) {
      const p = Math.exp(at(logits, r * vocab + i) - top) / sum;
      gradient[r * vocab + i] = (p - (i === target ? 1 : 0)) / count;
    }
  }
  return { losses, gradient };
}

/** One AdamW update in place, step `t` from 1; decay for scalars below `decayed`. */
export function adamwReference(
  p: Float64Array,
  g: Numbers,
  m: Float64Array,
  v: Float64Array,
  t: number,
  learningRate: number,
  decayed: number,
  s: { beta1: number; beta2: number; epsilon: number; weightDecay: number; clipNorm: number },
): { norm: number } {
  let squares = 0;
  for (let i = 0; i < p.length; i++) squares += at(g, i) ** 2;
  const norm = Math.sqrt(squares);
  const clip = Math.min(1, s.clipNorm / (norm + 1e-6));
  for (let i = 0; i < p.length; i++) {
    const gradient = at(g, i) * clip;
    m[i] = s.beta1 * at(m, i) + (1 - s.beta1) * gradient;
    v[i] = s.beta2 * at(v, i) + (1 - s.beta2) * gradient ** 2;
    const denominator = Math.sqrt(at(v, i)) / Math.sqrt(1 - s.beta2 ** t) + s.epsilon;
    const decay = i < decayed ? 1 - learningRate * s.weightDecay : 1;
    p[i] = at(p, i) * decay - ((learningRate / (1 - s.beta1 ** t)) * at(m, i)) / denominator;
  }
  return { norm };
}
