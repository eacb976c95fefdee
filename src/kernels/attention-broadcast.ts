/**
 * The kernels of attention.ts for CPU drivers whose subgroup is four lanes of one SIMD register (SwiftShader). A load
 * there costs four times a broadcast, so a workgroup is one subgroup of four queries (or keys), each lane loads another one of
 * four rows of the other side, and broadcasts hand them round.
 */
import {
  type AttentionKernel,
  type AttentionShape,
  forwardPerThread,
  keyValuePerThread,
  NEVER,
  queryPerThread,
} from './attention-frame.ts';

/** Lanes of the subgroup this needs, and threads of its workgroups. */
const LANES = 4;
const R = [0, 1, 2, 3];
const common = { threads: LANES, directives: 'enable subgroups;\n' };

const take = (name: string, lane: number): string => `subgroupBroadcast(${name}, ${lane}u)`;

export const attentionForwardBroadcast = (s: AttentionShape): AttentionKernel =>
  forwardPerThread(s, {
    ...common,
    loop: (g) => `for (var j = 0u; j < min((block + 1u) * ${LANES}u, ${s.sequence}u); j += ${LANES}u) {
    let kAt = (first + min(j + lane, ${s.sequence - 1}u)) * ${g.ld}u + keys;
    ${g.each((i) => `let k${i} = qkv[kAt + ${i}u];`)}
    ${R.map(
      (r) =>
        `let d${r} = ${g.dots(
          (i) => `q${i}`,
          (i) => take(`k${i}`, r),
        )};`,
    ).join('\n    ')}
    ${R.map((r) => `let s${r} = select(${NEVER}, d${r}, j + ${r}u <= t);`).join('\n    ')}
    let most = max(top, max(max(s0, s1), max(s2, s3)));
    let shrink = exp(top - most);
    top = most;
    ${R.map((r) => `let p${r} = exp(s${r} - most);`).join('\n    ')}
    sum = sum * shrink + (p0 + p1 + p2 + p3);
    ${g.each((i) => `let v${i} = qkv[kAt + ${g.kv + i}u];`)}
    ${g.each((i) => `o${i} = o${i} * shrink + (${R.map((r) => `p${r} * ${take(`v${i}`, r)}`).join(' + ')});`)}
  }`,
  });

export const attentionBackwardQueryBroadcast = (s: AttentionShape): AttentionKernel =>
  queryPerThread(s, {
    ...common,
    loop: (g) => `for (var j = 0u; j < min((block + 1u) * ${LANES}u, ${s.sequence}u); j += ${LANES}u) {
    let kAt = (first + min(j + lane, ${s.sequence - 1}u)) * ${g.ld}u + keys;
    ${g.each((i) => `let k${i} = qkv[kAt + ${i}u];`)}
    ${g.each((i) => `let v${i} = qkv[kAt + ${g.kv + i}u];`)}
    ${R.map(
      (r) => `${g.each((i) => `let k${i}_${r} = ${take(`k${i}`, r)};`)}
    let s${r} = ${g.dots(
      (i) => `q${i}`,
      (i) => `k${i}_${r}`,
    )};
    let dp${r} = ${g.dots(
      (i) => `e${i}`,
      (i) => take(`v${i}`, r),
    )};
    let ds${r} = select(0f, exp(s${r} - most), j + ${r}u <= t) * (dp${r} - d);`,
    ).join('\n    ')}
    ${g.each((i) => `g${i} += ${R.map((r) => `ds${r} * k${i}_${r}`).join(' + ')};`)}
  }`,
  });

export const attentionBackwardKeyValueBroadcast = (s: AttentionShape): AttentionKernel =>
  keyValuePerThread(s, {
    ...common,
    loop: (g) => `for (var t = block * ${LANES}u; t < ${s.sequence}u; t += ${LANES}u) {
      let row = first + min(t + lane, ${s.sequence - 1}u);
      let qAt = row * ${g.ld}u + h * ${g.head}u;
      let oAt = row * ${g.hidden}u + h * ${g.head}u;
      let most = lse[row * ${s.heads}u + h];
      let d = delta[row * ${s.heads}u + h];
      ${g.each((i) => `let q${i} = qkv[qAt + ${i}u];`)}
      ${g.each((i) => `let e${i} = dout[oAt + ${i}u];`)}
      ${R.map(
        (r) => `${g.each((i) => `let q${i}_${r} = ${take(`q${i}`, r)};`)}
      ${g.each((i) => `let e${i}_${r} = ${take(`e${i}`, r)};`)}
      let s${r} = ${g.dots(
        (i) => `q${i}_${r}`,
        (i) => `k${i}`,
      )};
      let dp${r} = ${g.dots(
        (i) => `e${i}_${r}`,
        (i) => `v${i}`,
      )};
      let p${r} = select(0f, exp(s${r} - ${take('most', r)}), t + ${r}u >= j && t + ${r}u < ${s.sequence}u);
      let ds${r} = p${r} * (dp${r} - ${take('d', r)});`,
      ).join('\n      ')}
      ${g.each((i) => `w${i} += ${R.map((r) => `p${r} * e${i}_${r}`).join(' + ')};`)}
      ${g.each((i) => `g${i} += ${R.map((r) => `ds${r} * q${i}_${r}`).join(' + ')};`)}
    }`,
  });
