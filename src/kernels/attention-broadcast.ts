/**
 * The kernels of attention.ts for CPU drivers whose subgroup is four lanes of one SIMD register (SwiftShader). A load
 * there costs four times a broadcast, so a workgroup is one subgroup of four queries (or keys), each lane loads another one of
 * four rows of the other side, and broadcasts hand them round. Same bindings, results and grids as attention.ts with
 * four threads; no lane leaves early, since a broadcast needs all four.
 */
import { type AttentionShape, geometry, unrotate } from './attention.ts';
import { float, type KernelSource } from './program.ts';

/** Lanes of the subgroup this needs, and threads of its workgroups. */
export const LANES = 4;
const R = [0, 1, 2, 3];
const NEVER = '-3.4e38f';

const take = (name: string, lane: number): string => `subgroupBroadcast(${name}, ${lane}u)`;

export function attentionForwardBroadcast(s: AttentionShape): KernelSource {
  const g = geometry(s);
  return {
    label: 'attention forward',
    code: `enable subgroups;
@group(0) @binding(0) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
@group(0) @binding(1) var<storage, read_write> out: array<${g.type}>;
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = wg.x * ${LANES}u + lane;
  let first = wg.z * ${s.sequence}u;
  let row = first + min(t, ${s.sequence - 1}u);
  let qAt = row * ${g.ld}u + wg.y * ${g.head}u;
  ${g.each((i) => `let q${i} = qkv[qAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `var o${i} = ${g.type}();`)}
  var top = ${NEVER};
  var sum = 0f;
  let keys = ${g.hidden}u + (wg.y / ${g.group}u) * ${g.head}u;
  for (var j = 0u; j < min((wg.x + 1u) * ${LANES}u, ${s.sequence}u); j += ${LANES}u) {
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
  }
  if (t < ${s.sequence}u) {
    let scale = 1f / sum;
    let at = row * ${g.hidden}u + wg.y * ${g.head}u;
    ${g.each((i) => `out[at + ${i}u] = o${i} * scale;`)}
    lse[row * ${s.heads}u + wg.y] = top + log(sum);
  }
}
`,
  };
}

export function attentionBackwardQueryBroadcast(s: AttentionShape): KernelSource {
  const g = geometry(s);
  return {
    label: 'attention backward dQ',
    code: `enable subgroups;
@group(0) @binding(0) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
@group(0) @binding(1) var<storage, read> out: array<${g.type}>;
@group(0) @binding(2) var<storage, read> dout: array<${g.type}>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> angles: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> delta: array<f32>;
@group(0) @binding(6) var<storage, read_write> dqkv: array<${g.type}>;
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = wg.x * ${LANES}u + lane;
  let first = wg.z * ${s.sequence}u;
  let row = first + min(t, ${s.sequence - 1}u);
  let qAt = row * ${g.ld}u + wg.y * ${g.head}u;
  let oAt = row * ${g.hidden}u + wg.y * ${g.head}u;
  let most = lse[row * ${s.heads}u + wg.y];
  ${g.each((i) => `let q${i} = qkv[qAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `let e${i} = dout[oAt + ${i}u];`)}
  ${g.each((i) => `var g${i} = ${g.type}();`)}
  let d = ${g.dots(
    (i) => `e${i}`,
    (i) => `out[oAt + ${i}u]`,
  )};
  let keys = ${g.hidden}u + (wg.y / ${g.group}u) * ${g.head}u;
  for (var j = 0u; j < min((wg.x + 1u) * ${LANES}u, ${s.sequence}u); j += ${LANES}u) {
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
  }
  if (t < ${s.sequence}u) {
    delta[row * ${s.heads}u + wg.y] = d;
    ${unrotate(g, 'g', 'qAt', 't', g.scale)}
  }
}
`,
  };
}

export function attentionBackwardKeyValueBroadcast(s: AttentionShape): KernelSource {
  const g = geometry(s);
  return {
    label: 'attention backward dK dV',
    code: `enable subgroups;
@group(0) @binding(0) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
@group(0) @binding(1) var<storage, read> dout: array<${g.type}>;
@group(0) @binding(2) var<storage, read> lse: array<f32>;
@group(0) @binding(3) var<storage, read> angles: array<vec2f>;
@group(0) @binding(4) var<storage, read> delta: array<f32>;
@group(0) @binding(5) var<storage, read_write> dqkv: array<${g.type}>;
@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let j = wg.x * ${LANES}u + lane;
  let first = wg.z * ${s.sequence}u;
  let kAt = (first + min(j, ${s.sequence - 1}u)) * ${g.ld}u + ${g.hidden}u + wg.y * ${g.head}u;
  ${g.each((i) => `let k${i} = qkv[kAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `let v${i} = qkv[kAt + ${g.kv + i}u];`)}
  ${g.each((i) => `var g${i} = ${g.type}();`)}
  ${g.each((i) => `var w${i} = ${g.type}();`)}
  for (var head = wg.y * ${g.group}u; head < (wg.y + 1u) * ${g.group}u; head++) {
    for (var t = wg.x * ${LANES}u; t < ${s.sequence}u; t += ${LANES}u) {
      let row = first + min(t + lane, ${s.sequence - 1}u);
      let qAt = row * ${g.ld}u + head * ${g.head}u;
      let oAt = row * ${g.hidden}u + head * ${g.head}u;
      let most = lse[row * ${s.heads}u + head];
      let d = delta[row * ${s.heads}u + head];
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
    }
  }
  if (j < ${s.sequence}u) {
    ${g.each((i) => `dqkv[kAt + ${g.kv + i}u] = w${i};`)}
    ${unrotate(g, 'g', 'kAt', 'j', g.scale)}
  }
}
`,
  };
}
