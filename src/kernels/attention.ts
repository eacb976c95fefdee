/**
 * Causal grouped-query attention that never makes a [T, T] matrix (online softmax: Milakov & Gimelshein 2018; Dao et al.,
 * FlashAttention, 2022), one thread a query (forward, dQ) or a key (dK and dV). The portable kernels.
 *
 * The backward pass recomputes the probabilities from the stored log-sum-exp. dQ and dK/dV are two kernels because
 * WGSL has no f32 atomics; each undoes the rotary embedding before it writes, so the gradient of qkv is ready for the
 * projection's backward. A thread keeps its vectors in named registers; neighbours share the other side's loads.
 */
import {
  type AttentionKernel,
  type AttentionShape,
  forwardPerThread,
  keyValuePerThread,
  queryPerThread,
} from './attention-frame.ts';

export const attentionForward = (s: AttentionShape, threads: number): AttentionKernel =>
  forwardPerThread(s, {
    threads,
    loop: (g) => `var kAt = first * ${g.ld}u + keys;
  for (var j = 0u; j <= min(t, ${s.sequence - 1}u); j++) {
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
  }`,
  });

export const attentionBackwardQuery = (s: AttentionShape, threads: number): AttentionKernel =>
  queryPerThread(s, {
    threads,
    loop: (g) => `var kAt = first * ${g.ld}u + keys;
  for (var j = 0u; j <= min(t, ${s.sequence - 1}u); j++) {
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
  }`,
  });

export const attentionBackwardKeyValue = (s: AttentionShape, threads: number): AttentionKernel =>
  keyValuePerThread(s, {
    threads,
    // All threads of a group start at the same query, so that they load the same addresses; earlier ones weigh 0.
    loop: (g) => `for (var t = block * ${threads}u; t < ${s.sequence}u; t++) {
      let row = first + t;
      let qAt = row * ${g.ld}u + h * ${g.head}u;
      let oAt = row * ${g.hidden}u + h * ${g.head}u;
      ${g.each((i) => `let q${i} = qkv[qAt + ${i}u];`)}
      ${g.each((i) => `let e${i} = dout[oAt + ${i}u];`)}
      let s = ${g.dots(
        (i) => `q${i}`,
        (i) => `k${i}`,
      )};
      let p = select(0f, exp(s - lse[row * ${s.heads}u + h]), t >= j);
      let dp = ${g.dots(
        (i) => `e${i}`,
        (i) => `v${i}`,
      )};
      let ds = p * (dp - delta[row * ${s.heads}u + h]);
      ${g.each((i) => `w${i} += p * e${i};`)}
      ${g.each((i) => `g${i} += ds * q${i};`)}
    }`,
  });
