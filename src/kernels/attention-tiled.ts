/**
 * Attention for GPUs with head dimensions of 64 and more, where one thread cannot hold a query's vectors (or a key's four)
 * in registers: blocks of B queries and B keys are staged in workgroup memory, and 8 x 8 threads make the B x B scores and
 * the B x headDim sums as small matrix products (FlashAttention-2, Dao 2023). Thread (ty, tx) takes rows ty, ty + 8, … of
 * its own side, columns tx, tx + 8, … of the other; rows are padded by a vec4 against bank conflicts.
 */
import {
  type AttentionKernel,
  type AttentionShape,
  attentionKernel,
  type Geometry,
  geometry,
  NEVER,
  range,
  unrotatePair,
} from './attention-frame.ts';
import { float } from './program.ts';

const SIDE = 8;
const THREADS = SIDE * SIDE;
const XYZW = ['x', 'y', 'z', 'w'] as const;

/** Bytes of `tiles` staged blocks and one matrix of scores (and of partial maxima). */
const bytesOf = (block: number, headDim: number, tiles: number): number =>
  16 * tiles * block * (headDim / 4 + 1) + 4 * block * (block + 1) + 4 * block * (SIDE + 1);

/** The largest block whose three staged tiles fit; undefined where the kernels do not take the shape. */
export function attentionBlock({ headDim }: AttentionShape, workgroupBytes: number): number | undefined {
  // A vec4 and its partner half a head away must be the same thread's.
  if (headDim % (8 * SIDE) !== 0) return undefined;
  return [32, 16, 8].find((block) => bytesOf(block, headDim, 3) <= workgroupBytes);
}

/** Pieces of text for one shape and block. */
function pieces(s: AttentionShape, block: number) {
  const g: Geometry = geometry(s);
  const vectors = s.headDim / 4;
  const stride = vectors + 1;
  const R = range(block / SIDE);
  const C = range(vectors / SIDE);
  const both = (f: (r: number, c: number) => string) =>
    R.flatMap((r) => R.map((c) => f(r, c))).join('\n    ');
  const sums = (f: (r: number, c: number) => string) =>
    R.flatMap((r) => C.map((c) => f(r, c))).join('\n    ');
  return {
    g,
    R,
    C,
    both,
    sums,
    vectors,
    row: (r: number) => `ty + ${r * SIDE}u`,
    column: (c: number) => `tx + ${c * SIDE}u`,
    tile: (name: string) => `var<workgroup> ${name}: array<vec4f, ${block * stride}>;`,
    scores: `var<workgroup> scores: array<f32, ${block * (block + 1)}>;`,
    score: (r: string, c: string) => `scores[(${r}) * ${block + 1}u + ${c}]`,
    start: 'let tx = lane % 8u;\n  let ty = lane / 8u;',
    /** Copies rows `from`… of `source`, whose row i of the sequence starts at vec4 `at(i)`. */
    stage: (tile: string, source: string, from: string, at: (row: string) => string) =>
      `for (var i = lane; i < ${block * vectors}u; i += ${THREADS}u) {
      let line = first + min(${from} + i / ${vectors}u, ${s.sequence - 1}u);
      ${tile}[i / ${vectors}u * ${stride}u + i % ${vectors}u] = ${source}[${at('line')} + i % ${vectors}u];
    }`,
    /** name{r}_{c} = dot of row r of `own` and row c of `other`, over the head. */
    dots: (name: string, own: string, other: string) =>
      `${both((r, c) => `var ${name}${r}_${c} = 0f;`)}
    for (var i = 0u; i < ${vectors}u; i++) {
      ${R.map((r) => `let x${r} = ${own}[(ty + ${r * SIDE}u) * ${stride}u + i];`).join(' ')}
      ${R.map((c) => `let y${c} = ${other}[(tx + ${c * SIDE}u) * ${stride}u + i];`).join(' ')}
      ${both((r, c) => XYZW.map((q) => `${name}${r}_${c} = fma(x${r}.${q}, y${c}.${q}, ${name}${r}_${c});`).join(' '))}
    }`,
    /** name{r}_{c} += scores[r] · rows of `other`, column c of the head. */
    product: (name: string, other: string) =>
      `for (var i = 0u; i < ${block}u; i++) {
      ${R.map((r) => `let x${r} = scores[(ty + ${r * SIDE}u) * ${block + 1}u + i];`).join(' ')}
      ${C.map((c) => `let y${c} = ${other}[i * ${stride}u + tx + ${c * SIDE}u];`).join(' ')}
      ${sums((r, c) => `${name}${r}_${c} = fma(vec4f(x${r}), y${c}, ${name}${r}_${c});`)}
    }`,
    query: (h: string) => (row: string) => `${row} * ${g.ld}u + ${h} * ${g.head}u`,
    key: (h: string) => (row: string) => `${row} * ${g.ld}u + ${g.hidden}u + ${h} * ${g.head}u`,
    value: (h: string) => (row: string) => `${row} * ${g.ld}u + ${g.hidden + g.kv}u + ${h} * ${g.head}u`,
    output: (h: string) => (row: string) => `${row} * ${g.hidden}u + ${h} * ${g.head}u`,
    /** Writes the thread's rows of `name`, turned back, to row `from + r` of dqkv. */
    unrotated: (name: string, from: string, at: (row: string) => string) =>
      R.map(
        (r) => `if (${from} + ty + ${r * SIDE}u < ${s.sequence}u) {
    let t = ${from} + ty + ${r * SIDE}u;
    let at = ${at('(first + t)')};
    ${C.slice(0, C.length / 2)
      .map((c) =>
        unrotatePair(
          g,
          `${name}${r}_${c}`,
          `${name}${r}_${c + C.length / 2}`,
          'at',
          't',
          `(tx + ${c * SIDE}u)`,
        ),
      )
      .join('\n    ')}
  }`,
      ).join('\n  '),
  };
}

export function attentionForwardTiled(s: AttentionShape, block: number): AttentionKernel {
  const p = pieces(s, block);
  const { g, R } = p;
  const kvHead = `(head / ${g.group}u)`;
  const partial = (r: string, c: string) => `partial[(${r}) * ${SIDE + 1}u + ${c}]`;
  const body = `${p.start}
  let mine = block * ${block}u;
  ${p.stage('queries', 'qkv', 'mine', p.query('head'))}
  ${R.map((r) => `var top${r} = ${NEVER}; var sum${r} = 0f;`).join(' ')}
  ${p.sums((r, c) => `var o${r}_${c} = vec4f();`)}
  for (var theirs = 0u; theirs <= mine; theirs += ${block}u) {
    workgroupBarrier();
    ${p.stage('others', 'qkv', 'theirs', p.key(kvHead))}
    workgroupBarrier();
    ${p.dots('s', 'queries', 'others')}
    ${p.both((r, c) => `s${r}_${c} = select(${NEVER}, s${r}_${c} * ${float(g.scale)}, theirs + ${p.column(c)} <= mine + ${p.row(r)});`)}
    ${R.map((r) => `${partial(p.row(r), 'tx')} = ${R.map((c) => `s${r}_${c}`).reduce((a, b) => `max(${a}, ${b})`)};`).join('\n    ')}
    workgroupBarrier();
    ${R.map(
      (r) => `{ var most = top${r};
      for (var i = 0u; i < ${SIDE}u; i++) { most = max(most, ${partial(p.row(r), 'i')}); }
      let shrink = exp(top${r} - most);
      top${r} = most;
      ${R.map((c) => `s${r}_${c} = exp(s${r}_${c} - most); ${p.score(p.row(r), p.column(c))} = s${r}_${c};`).join(' ')}
      sum${r} = sum${r} * shrink + (${R.map((c) => `s${r}_${c}`).join(' + ')});
      ${p.C.map((c) => `o${r}_${c} *= shrink;`).join(' ')} }`,
    ).join('\n    ')}
    ${p.stage('others', 'qkv', 'theirs', p.value(kvHead))}
    workgroupBarrier();
    ${p.product('o', 'others')}
  }
  // Each of a row's eight threads has the sum over its own columns of scores.
  ${R.map((r) => `${partial(p.row(r), 'tx')} = sum${r};`).join('\n  ')}
  workgroupBarrier();
  ${R.map(
    (r) => `{ var sum = 0f;
    for (var i = 0u; i < ${SIDE}u; i++) { sum += ${partial(p.row(r), 'i')}; }
    let t = mine + ${p.row(r)};
    if (t < ${s.sequence}u) {
      let at = ${p.output('head')('(first + t)')};
      ${p.C.map((c) => `out[at + ${p.column(c)}] = o${r}_${c} * (1f / sum);`).join('\n      ')}
      if (tx == 0u) { lse[(first + t) * ${s.heads}u + head] = top${r} + log(sum); }
    } }`,
  ).join('\n  ')}`;
  const declarations = `${p.tile('queries')}
${p.tile('others')}
${p.scores}
var<workgroup> partial: array<f32, ${block * (SIDE + 1)}>;`;
  return attentionKernel(s, { pass: 'forward', threads: THREADS, block, declarations, body });
}

export function attentionBackwardQueryTiled(s: AttentionShape, block: number): AttentionKernel {
  const p = pieces(s, block);
  const { g, R } = p;
  const kvHead = `(head / ${g.group}u)`;
  const body = `${p.start}
  let mine = block * ${block}u;
  ${p.stage('queries', 'qkv', 'mine', p.query('head'))}
  ${p.stage('douts', 'dout', 'mine', p.output('head'))}
  workgroupBarrier();
  // delta: a row's eight threads sum a share each of out * dout.
  ${R.map(
    (r) => `{ let at = ${p.output('head')(`(first + min(mine + ${p.row(r)}, ${s.sequence - 1}u))`)};
    ${p.score(p.row(r), 'tx')} = ${p.C.map((c) => `dot(out[at + ${p.column(c)}], douts[(${p.row(r)}) * ${p.vectors + 1}u + ${p.column(c)}])`).join(' + ')}; }`,
  ).join('\n  ')}
  workgroupBarrier();
  ${R.map(
    (r) => `var d${r} = 0f;
  for (var i = 0u; i < ${SIDE}u; i++) { d${r} += ${p.score(p.row(r), 'i')}; }
  let at${r} = (first + min(mine + ${p.row(r)}, ${s.sequence - 1}u)) * ${s.heads}u + head;
  let most${r} = lse[at${r}];
  if (tx == 0u && mine + ${p.row(r)} < ${s.sequence}u) { delta[at${r}] = d${r}; }`,
  ).join('\n  ')}
  ${p.sums((r, c) => `var g${r}_${c} = vec4f();`)}
  for (var theirs = 0u; theirs <= mine; theirs += ${block}u) {
    workgroupBarrier();
    ${p.stage('others', 'qkv', 'theirs', p.value(kvHead))}
    workgroupBarrier();
    ${p.dots('p', 'douts', 'others')}
    workgroupBarrier();
    ${p.stage('others', 'qkv', 'theirs', p.key(kvHead))}
    workgroupBarrier();
    ${p.dots('s', 'queries', 'others')}
    ${p.both(
      (r, c) =>
        `${p.score(p.row(r), p.column(c))} = select(0f, exp(s${r}_${c} * ${float(g.scale)} - most${r}), theirs + ${p.column(c)} <= mine + ${p.row(r)}) * (p${r}_${c} - d${r});`,
    )}
    workgroupBarrier();
    ${p.product('g', 'others')}
  }
  ${p.unrotated('g', 'mine', p.query('head'))}`;
  const declarations = [p.tile('queries'), p.tile('douts'), p.tile('others'), p.scores].join('\n');
  return attentionKernel(s, { pass: 'query', threads: THREADS, block, declarations, body });
}

export function attentionBackwardKeyValueTiled(s: AttentionShape, block: number): AttentionKernel {
  const p = pieces(s, block);
  const { g, R } = p;
  const body = `${p.start}
  let mine = block * ${block}u;
  ${p.stage('keys', 'qkv', 'mine', p.key('head'))}
  ${p.stage('values', 'qkv', 'mine', p.value('head'))}
  ${p.sums((r, c) => `var g${r}_${c} = vec4f(); var w${r}_${c} = vec4f();`)}
  for (var h = head * ${g.group}u; h < (head + 1u) * ${g.group}u; h++) {
    for (var theirs = mine; theirs < ${s.sequence}u; theirs += ${block}u) {
      workgroupBarrier();
      ${p.stage('others', 'qkv', 'theirs', p.query('h'))}
      workgroupBarrier();
      ${p.dots('s', 'keys', 'others')}
      ${R.map(
        (c) => `let t${c} = theirs + ${p.column(c)};
      let at${c} = (first + min(t${c}, ${s.sequence - 1}u)) * ${s.heads}u + h;
      let most${c} = lse[at${c}];
      let d${c} = delta[at${c}];`,
      ).join('\n      ')}
      ${p.both((r, c) => `s${r}_${c} = select(0f, exp(s${r}_${c} * ${float(g.scale)} - most${c}), t${c} >= mine + ${p.row(r)} && t${c} < ${s.sequence}u);`)}
      workgroupBarrier();
      ${p.stage('others', 'dout', 'theirs', p.output('h'))}
      ${p.both((r, c) => `${p.score(p.row(r), p.column(c))} = s${r}_${c};`)}
      workgroupBarrier();
      ${p.product('w', 'others')}
      ${p.dots('p', 'values', 'others')}
      workgroupBarrier();
      ${p.stage('others', 'qkv', 'theirs', p.query('h'))}
      ${p.both((r, c) => `${p.score(p.row(r), p.column(c))} = s${r}_${c} * (p${r}_${c} - d${c});`)}
      workgroupBarrier();
      ${p.product('g', 'others')}
    }
  }
  ${R.map(
    (r) => `if (mine + ${p.row(r)} < ${s.sequence}u) {
    let at = ${p.value('head')(`(first + mine + ${p.row(r)})`)};
    ${p.C.map((c) => `dqkv[at + ${p.column(c)}] = w${r}_${c};`).join('\n    ')}
  }`,
  ).join('\n  ')}
  ${p.unrotated('g', 'mine', p.key('head'))}`;
  const declarations = [p.tile('keys'), p.tile('values'), p.tile('others'), p.scores].join('\n');
  return attentionKernel(s, { pass: 'keyValue', threads: THREADS, block, declarations, body });
}
