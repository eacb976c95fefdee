/**
 * What all attention kernels share: bindings, addresses, which block a workgroup takes, what surrounds the loop where a
 * thread owns one query or key. The kernels themselves are in attention.ts, attention-broadcast.ts and attention-tiled.ts.
 *
 * qkv is `[batch * T, LD]` with LD = hidden + 2 kvSize: queries, keys (both rotated already), values of a position side by
 * side. A workgroup takes `block` queries (or keys) of one head of one sequence; the workgroups are numbered in one line,
 * the longest first, and a dispatch does the numbers [first, end) that its uniform says.
 */
import { FOLD, float, type KernelSource } from './program.ts';

export interface AttentionShape {
  readonly batch: number;
  /** T */
  readonly sequence: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** A kernel and the queries (or keys) that one of its workgroups takes. */
export interface AttentionKernel extends KernelSource {
  readonly block: number;
}

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Below every score: what the maximum starts from and what a masked score is. */
export const NEVER = '-3.4e38f';

/** Vector type, strides and addresses. */
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
    each: (line: (i: number) => string) => vectors.map(line).join('\n  '),
  };
}
export type Geometry = ReturnType<typeof geometry>;

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

/** forward: out, lse from qkv; query: dQ and delta; keyValue: dK and dV. */
export type AttentionPass = 'forward' | 'query' | 'keyValue';

interface KernelText {
  readonly pass: AttentionPass;
  readonly threads: number;
  readonly block: number;
  /** `enable` lines. */
  readonly directives?: string;
  /** Module-scope declarations. */
  readonly declarations?: string;
  /** Sees lane, block, head (of queries, or of keys for keyValue), first (row of the sequence) and starts in uniform flow. */
  readonly body: string;
}

const LABELS: Readonly<Record<AttentionPass, string>> = {
  forward: 'attention forward',
  query: 'attention backward dQ',
  keyValue: 'attention backward dK dV',
};

/** Bindings, and the way from a workgroup's number to its block of queries or keys. */
export function attentionKernel(s: AttentionShape, text: KernelText): AttentionKernel {
  const g = geometry(s);
  const { pass, block } = text;
  const bindings = {
    forward: [`read_write> out: array<${g.type}>`, 'read_write> lse: array<f32>'],
    query: [
      `read> out: array<${g.type}>`,
      `read> dout: array<${g.type}>`,
      'read> lse: array<f32>',
      'read> angles: array<vec2f>',
      'read_write> delta: array<f32>',
      `read_write> dqkv: array<${g.type}>`,
    ],
    keyValue: [
      `read> dout: array<${g.type}>`,
      'read> lse: array<f32>',
      'read> angles: array<vec2f>',
      'read> delta: array<f32>',
      `read_write> dqkv: array<${g.type}>`,
    ],
  }[pass];
  const heads = pass === 'keyValue' ? s.kvHeads : s.heads;
  const number = `id / ${heads * s.batch}u`;
  // Late queries see many keys, early keys are seen by many queries.
  const at = pass === 'keyValue' ? number : `${Math.ceil(s.sequence / block) - 1}u - ${number}`;
  return {
    label: LABELS[pass],
    block,
    code: `${text.directives ?? ''}struct Part { first: u32, end: u32 }
@group(0) @binding(0) var<uniform> part: Part;
@group(0) @binding(1) var<storage, read> qkv: array<${g.type}, ${g.qkvLength}>;
${bindings.map((b, i) => `@group(0) @binding(${i + 2}) var<storage, ${b};`).join('\n')}
${text.declarations ?? ''}
@compute @workgroup_size(${text.threads})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let id = part.first + wg.x + wg.y * ${FOLD}u;
  if (id >= part.end) { return; }
  let block = ${at};
  let head = id % ${heads}u;
  let first = (id / ${heads}u) % ${s.batch}u * ${s.sequence}u;
  ${text.body}
}
`,
  };
}

/** The loop of a kernel in which each thread owns one query or key, its vectors in named registers. */
export interface ThreadLoop {
  readonly threads: number;
  readonly directives?: string;
  readonly loop: (g: Geometry) => string;
}

/**
 * Forward: the loop adds up `sum` and o0… over keys and keeps `top`, for query t with q0… (scaled). Threads past the last
 * query repeat it and write nothing, so that all stay together.
 */
export function forwardPerThread(s: AttentionShape, { threads, directives, loop }: ThreadLoop) {
  const g = geometry(s);
  const body = `let t = block * ${threads}u + lane;
  let row = first + min(t, ${s.sequence - 1}u);
  let qAt = row * ${g.ld}u + head * ${g.head}u;
  ${g.each((i) => `let q${i} = qkv[qAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `var o${i} = ${g.type}();`)}
  var top = ${NEVER};
  var sum = 0f;
  let keys = ${g.hidden}u + (head / ${g.group}u) * ${g.head}u;
  ${loop(g)}
  if (t < ${s.sequence}u) {
    let scale = 1f / sum;
    let at = row * ${g.hidden}u + head * ${g.head}u;
    ${g.each((i) => `out[at + ${i}u] = o${i} * scale;`)}
    lse[row * ${s.heads}u + head] = top + log(sum);
  }`;
  return attentionKernel(s, { pass: 'forward', threads, block: threads, directives, body });
}

/** dQ and delta = sum(out * dout): the loop adds up g0… for query t with q0… (scaled), e0… = dout, `most` = lse, d = delta. */
export function queryPerThread(s: AttentionShape, { threads, directives, loop }: ThreadLoop) {
  const g = geometry(s);
  const body = `let t = block * ${threads}u + lane;
  let row = first + min(t, ${s.sequence - 1}u);
  let qAt = row * ${g.ld}u + head * ${g.head}u;
  let oAt = row * ${g.hidden}u + head * ${g.head}u;
  let most = lse[row * ${s.heads}u + head];
  ${g.each((i) => `let q${i} = qkv[qAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `let e${i} = dout[oAt + ${i}u];`)}
  ${g.each((i) => `var g${i} = ${g.type}();`)}
  let d = ${g.dots(
    (i) => `e${i}`,
    (i) => `out[oAt + ${i}u]`,
  )};
  let keys = ${g.hidden}u + (head / ${g.group}u) * ${g.head}u;
  ${loop(g)}
  if (t < ${s.sequence}u) {
    delta[row * ${s.heads}u + head] = d;
    ${unrotate(g, 'g', 'qAt', 't')}
  }`;
  return attentionKernel(s, { pass: 'query', threads, block: threads, directives, body });
}

/** dK and dV: the loop, run for each query head `h` of the group, adds up g0… and w0… for key j with k0… (scaled) and v0… */
export function keyValuePerThread(s: AttentionShape, { threads, directives, loop }: ThreadLoop) {
  const g = geometry(s);
  const body = `let j = block * ${threads}u + lane;
  let kAt = (first + min(j, ${s.sequence - 1}u)) * ${g.ld}u + ${g.hidden}u + head * ${g.head}u;
  ${g.each((i) => `let k${i} = qkv[kAt + ${i}u] * ${float(g.scale)};`)}
  ${g.each((i) => `let v${i} = qkv[kAt + ${g.kv + i}u];`)}
  ${g.each((i) => `var g${i} = ${g.type}();`)}
  ${g.each((i) => `var w${i} = ${g.type}();`)}
  for (var h = head * ${g.group}u; h < (head + 1u) * ${g.group}u; h++) {
    ${loop(g)}
  }
  if (j < ${s.sequence}u) {
    ${g.each((i) => `dqkv[kAt + ${g.kv + i}u] = w${i};`)}
    ${unrotate(g, 'g', 'kAt', 'j')}
  }`;
  return attentionKernel(s, { pass: 'keyValue', threads, block: threads, directives, body });
}

/** Writes the vectors `name0…` to dqkv[at…], scaled and turned back by position `t`'s angles. */
function unrotate(g: Geometry, name: string, at: string, t: string): string {
  return range(g.half)
    .map((i) => unrotatePair(g, `${name}${i}`, `${name}${i + g.half}`, at, t, `${i}u`))
    .join('\n    ');
}

/** One pair of vectors: `low` is vector `i` of the head, `high` the one half a head further. */
export function unrotatePair(
  g: Geometry,
  low: string,
  high: string,
  at: string,
  t: string,
  i: string,
): string {
  const pack = (values: string[]) => (g.width === 1 ? values[0] : `${g.type}(${values.join(', ')})`);
  const angles = range(g.width).map((q) => `r${q}`);
  const cos = pack(angles.map((a) => `${a}.x`));
  const sin = pack(angles.map((a) => `${a}.y`));
  const loads = angles.map(
    (a, q) =>
      `let ${a} = angles[${t} * ${g.half * g.width}u + ${i} * ${g.width}u + ${q}u] * ${float(g.scale)};`,
  );
  return `{ ${loads.join(' ')}
    dqkv[${at} + ${i}] = ${low} * ${cos} + ${high} * ${sin};
    dqkv[${at} + ${i} + ${g.half}u] = ${high} * ${cos} - ${low} * ${sin}; }`;
}
