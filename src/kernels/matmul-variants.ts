/**
 * Kernel variants of a matrix product, as WGSL made for one shape. Sizes are compile-time constants, accumulators are
 * named registers and inner loops are written out: WGSL compilers do not reliably unroll, and an indexed array of
 * accumulators goes to memory (factors of 3 to 10).
 *
 *   block4       4x4 outputs a thread, vec4 loads from global memory: the portable choice
 *   lanes RxC    RxC outputs a thread, a subgroup's threads on neighbouring columns: CPU drivers, where a lane is a SIMD
 *                lane, loads of B are consecutive and loads of A uniform
 *   broadcast RxC  as lanes, but the lanes share the loading of A: CPU drivers with subgroups of 4, e.g. SwiftShader
 *   tiled MxNxK  blocks staged in workgroup memory: GPUs with real caches to spare
 */
import type { KernelSource } from './program.ts';

export type MatmulForm = 'NT' | 'NN' | 'TN';

export interface MatmulShape {
  readonly form: MatmulForm;
  /** Rows of C. Rows past m, up to a multiple of {@link ROW_PADDING}, must exist in A and C and may be overwritten. */
  readonly m: number;
  /** Columns of C, a multiple of 4. */
  readonly n: number;
  /** Length of the sums, a multiple of 4. For TN, rows of A from k up to a multiple of {@link ROW_PADDING} are zero. */
  readonly k: number;
  /** Row lengths of A and C where they are parts of wider matrices, and the first column of the part. */
  readonly lda?: number;
  readonly ldc?: number;
  readonly aColumn?: number;
  readonly cColumn?: number;
}

export interface MatmulOptions {
  /** Add a fourth matrix D [m, n], laid out as C: the residual stream. */
  readonly residual?: boolean;
  /** Add to C instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** Activations are allocated in whole multiples of this many rows, so that kernels need few edge cases. */
export const ROW_PADDING = 64;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export interface MatmulVariant {
  readonly name: string;
  /** Needs `subgroups`, all of this size. */
  readonly subgroup?: number;
  /** Whether it takes the shape; block4 takes all. */
  supports(shape: MatmulShape): boolean;
  source(shape: MatmulShape, options: MatmulOptions): KernelSource;
  grid(shape: MatmulShape): readonly [number, number, number];
}

/** 4x4 outputs a thread, vec4 loads from global memory, no workgroup memory: the portable choice. */
export const block4: MatmulVariant = {
  name: 'block4',
  supports: () => true,
  source(shape, options) {
    const { form, m, n, k } = shape;
    const lda = (shape.lda ?? (form === 'TN' ? m : k)) / 4;
    const ldc = (shape.ldc ?? n) / 4;
    const aColumn = (shape.aColumn ?? 0) / 4;
    const cColumn = (shape.cColumn ?? 0) / 4;
    const loads: string[] = [];
    const sums: string[] = [];
    const i4 = range(4);
    if (form === 'NT') {
      for (const i of i4) loads.push(`let a${i} = a[(row + ${i}u) * ${lda}u + ${aColumn}u + k];`);
      for (const j of i4) loads.push(`let b${j} = b[(column + ${j}u) * ${k / 4}u + k];`);
      for (const i of i4)
        sums.push(`c${i} += vec4f(dot(a${i}, b0), dot(a${i}, b1), dot(a${i}, b2), dot(a${i}, b3));`);
    } else {
      const xyzw = ['x', 'y', 'z', 'w'];
      for (const q of i4) loads.push(`let b${q} = b[(4u * k + ${q}u) * ${n / 4}u + column / 4u];`);
      if (form === 'NN') {
        for (const i of i4) loads.push(`let a${i} = a[(row + ${i}u) * ${lda}u + ${aColumn}u + k];`);
        for (const i of i4) sums.push(`c${i} += a${i}.x * b0 + a${i}.y * b1 + a${i}.z * b2 + a${i}.w * b3;`);
      } else {
        for (const q of i4) loads.push(`let a${q} = a[(4u * k + ${q}u) * ${lda}u + ${aColumn}u + row / 4u];`);
        for (const i of i4) sums.push(`c${i} += ${i4.map((q) => `a${q}.${xyzw[i]} * b${q}`).join(' + ')};`);
      }
    }
    const out = i4.map((i) => {
      const at = `(row + ${i}u) * ${ldc}u + ${cColumn}u + column / 4u`;
      return `c[${at}] ${options.accumulate ? '+=' : '='} c${i}${options.residual ? ` + d[${at}]` : ''};`;
    });
    return {
      label: `matmul ${form} ${m}x${n}x${k} block4`,
      code: `${bindings({ a: 'vec4f', b: 'vec4f', c: 'vec4f' }, shape, options)}
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x * 4u;
  let row = id.y * 4u;
  if (row >= ${m}u || column >= ${n}u) { return; }
  ${i4.map((i) => `var c${i} = vec4f();`).join(' ')}
  for (var k = 0u; k < ${Math.ceil(k / 4)}u; k++) {
    ${loads.join('\n    ')}
    ${sums.join('\n    ')}
  }
  ${out.join('\n  ')}
}
`,
    };
  },
  grid: ({ m, n }) => [Math.ceil(n / 32), Math.ceil(m / 32), 1],
};

/**
 * Arrays of stated length: the bounds check that browsers add to every access is then one comparison with a constant,
 * where a run-time length costs a CPU driver a third of each load.
 */
function bindings(
  type: { a: string; b: string; c: string },
  shape: MatmulShape,
  options: MatmulOptions,
): string {
  const { form, m, n, k } = shape;
  const whole = (rows: number) => Math.ceil(rows / ROW_PADDING) * ROW_PADDING;
  const array = (name: string, scalars: number) =>
    `array<${name}, ${name === 'f32' ? scalars : scalars / 4}>`;
  const a = array(type.a, form === 'TN' ? whole(k) * (shape.lda ?? m) : whole(m) * (shape.lda ?? k));
  const b = array(type.b, form === 'TN' ? whole(k) * n : n * k);
  const c = array(type.c, (form === 'TN' ? m : whole(m)) * (shape.ldc ?? n));
  return `@group(0) @binding(0) var<storage, read> a: ${a};
@group(0) @binding(1) var<storage, read> b: ${b};
@group(0) @binding(2) var<storage, read_write> c: ${c};
${options.residual ? `@group(0) @binding(3) var<storage, read> d: ${c};` : ''}`;
}

/** One outer-product step in fma chains of four, the form that SwiftShader turns into the fewest instructions. */
function fma4(c: string, a: readonly string[], b: readonly string[]): string {
  let sum = c;
  for (const q of range(4)) sum = `fma(${a[q]}, ${b[q]}, ${sum})`;
  return `${c} = ${sum};`;
}

const XYZW = ['x', 'y', 'z', 'w'] as const;

/**
 * `rows` x `columns` outputs a thread, without workgroup memory. The `lanes` threads of a group's row take columns
 * `lanes` apart, so that together they load consecutive scalars of B, and all the same ones of A.
 */
export function lanes(rows: number, columns: number, width = 4, height = 2): MatmulVariant {
  const blockN = width * columns;
  return {
    name: `lanes ${rows}x${columns}`,
    supports: ({ m, n, form }) =>
      n % blockN === 0 && (form !== 'TN' || m % rows === 0) && rows <= ROW_PADDING,
    source(shape, options) {
      const { form, m, n, k } = shape;
      const lda = (shape.lda ?? (form === 'TN' ? m : k)) / 4;
      const ldc = shape.ldc ?? n;
      const aColumn = (shape.aColumn ?? 0) / 4;
      const cColumn = shape.cColumn ?? 0;
      const before: string[] = [];
      const body: string[] = [];
      const [R, C, Q] = [range(rows), range(columns), range(4)];
      if (form === 'TN') {
        before.push(`var pa = row / 4u + ${aColumn}u;`);
        for (const q of Q)
          for (const i of range(rows / 4)) body.push(`let a${i}_${q} = a[pa + ${q * lda + i}u];`);
        body.push(`pa += ${4 * lda}u;`);
      } else {
        for (const i of R) before.push(`let pa${i} = (row + ${i}u) * ${lda}u + ${aColumn}u;`);
        for (const i of R) body.push(`let a${i} = a[pa${i} + k];`);
      }
      if (form === 'NT') {
        for (const j of C) before.push(`let pb${j} = (column + ${j * width}u) * ${k / 4}u;`);
        for (const j of C) body.push(`let b${j} = b[pb${j} + k];`);
      } else {
        before.push('var pb = column;');
        for (const q of Q) for (const j of C) body.push(`let b${j}_${q} = b[pb + ${q * n + j * width}u];`);
        body.push(`pb += ${4 * n}u;`);
      }
      for (const i of R) {
        for (const j of C) {
          const left = Q.map((q) =>
            form === 'TN' ? `a${Math.floor(i / 4)}_${q}.${XYZW[i % 4]}` : `a${i}.${XYZW[q]}`,
          );
          const right = Q.map((q) => (form === 'NT' ? `b${j}.${XYZW[q]}` : `b${j}_${q}`));
          body.push(fma4(`c${i}_${j}`, left, right));
        }
      }
      const out = R.flatMap((i) =>
        C.map((j) => {
          const at = `pc${i} + ${j * width}u`;
          const first = j === 0 ? `let pc${i} = (row + ${i}u) * ${ldc}u + ${cColumn}u + column;\n  ` : '';
          return `${first}c[${at}] ${options.accumulate ? '+=' : '='} c${i}_${j}${options.residual ? ` + d[${at}]` : ''};`;
        }),
      );
      return {
        label: `matmul ${form} ${m}x${n}x${k} lanes ${rows}x${columns}`,
        code: `${bindings({ a: 'vec4f', b: form === 'NT' ? 'vec4f' : 'f32', c: 'f32' }, shape, options)}
@compute @workgroup_size(${width}, ${height})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let column = wg.x * ${blockN}u + local.x;
  let row = (wg.y * ${height}u + local.y) * ${rows}u;
  if (row >= ${m}u) { return; }
  ${R.flatMap((i) => C.map((j) => `var c${i}_${j} = 0f;`)).join(' ')}
  ${before.join('\n  ')}
  for (var k = 0u; k < ${k / 4}u; k++) {
    ${body.join('\n    ')}
  }
  ${out.join('\n  ')}
}
`,
      };
    },
    grid: ({ m, n }) => [n / blockN, Math.ceil(m / (height * rows)), 1],
  };
}

/**
 * `rows` x `columns` outputs a thread for CPU drivers whose subgroup is four lanes of one SIMD register. There a load
 * costs the same whether its four lanes want one scalar or four, about as much as twenty multiply-adds, and a broadcast
 * from one lane costs a quarter of a load: so the lanes share the loading of A and broadcast it to each other. `rows` and
 * `columns` are multiples of 4; the lanes take neighbouring vec4s of C.
 */
export function broadcast(rows: number, columns: number, height = 1): MatmulVariant {
  const blockN = 4 * columns;
  const name = `broadcast ${rows}x${columns}`;
  return {
    name,
    subgroup: 4,
    supports: ({ m, n, form }) => n % blockN === 0 && (form !== 'TN' || m % (rows * height) === 0),
    source(shape, options) {
      const { form, m, n, k } = shape;
      const lda = (shape.lda ?? (form === 'TN' ? m : k)) / 4;
      const ldc = (shape.ldc ?? n) / 4;
      const aColumn = (shape.aColumn ?? 0) / 4;
      const cColumn = (shape.cColumn ?? 0) / 4;
      const [G, R, J, Q] = [range(rows / 4), range(rows), range(columns / 4), range(4)];
      const before: string[] = [];
      const body: string[] = [];
      // A lane's share of A: a row's four steps of the sum (NT, NN), or a step's four rows (TN).
      if (form === 'TN') {
        before.push(`var pa = lane * ${lda}u + row / 4u + ${aColumn}u;`);
        for (const g of G) body.push(`let f${g} = a[pa + ${g}u];`);
        body.push(`pa += ${4 * lda}u;`);
      } else {
        for (const g of G) before.push(`let pa${g} = (row + ${4 * g}u + lane) * ${lda}u + ${aColumn}u;`);
        for (const g of G) body.push(`let f${g} = a[pa${g} + k];`);
      }
      const left = (i: number, q: number): string => {
        const [component, lane] = form === 'TN' ? [i % 4, q] : [q, i % 4];
        return `subgroupBroadcast(f${Math.floor(i / 4)}.${XYZW[component]}, ${lane}u)`;
      };
      if (form === 'NT') {
        for (const j of J)
          for (const q of Q) before.push(`let pb${j}_${q} = (column + ${16 * j + q}u) * ${k / 4}u;`);
        for (const j of J) for (const q of Q) body.push(`let b${j}_${q} = b[pb${j}_${q} + k];`);
      } else {
        before.push('var pb = column / 4u;');
        for (const q of Q) for (const j of J) body.push(`let b${j}_${q} = b[pb + ${(q * n) / 4 + 4 * j}u];`);
        body.push(`pb += ${n}u;`);
      }
      for (const i of R) {
        for (const q of Q) body.push(`let a${i}_${q} = ${left(i, q)};`);
        for (const j of J) {
          if (form === 'NT') {
            const dots = Q.map((x) => Q.map((q) => `a${i}_${q} * b${j}_${x}.${XYZW[q]}`).join(' + '));
            body.push(`c${i}_${j} += vec4f(${dots.join(', ')});`);
          } else {
            body.push(`c${i}_${j} += ${Q.map((q) => `a${i}_${q} * b${j}_${q}`).join(' + ')};`);
          }
        }
      }
      const out = R.flatMap((i) =>
        J.map((j) => {
          const at = `pc${i} + ${4 * j}u`;
          const first =
            j === 0 ? `let pc${i} = (row + ${i}u) * ${ldc}u + ${cColumn}u + column / 4u;\n  ` : '';
          return `${first}c[${at}] ${options.accumulate ? '+=' : '='} c${i}_${j}${options.residual ? ` + d[${at}]` : ''};`;
        }),
      );
      return {
        label: `matmul ${form} ${m}x${n}x${k} ${name}`,
        code: `enable subgroups;
${bindings({ a: 'vec4f', b: 'vec4f', c: 'vec4f' }, shape, options)}
@compute @workgroup_size(4, ${height})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let lane = local.x;
  let column = wg.x * ${blockN}u + lane * 4u;
  let row = (wg.y * ${height}u + local.y) * ${rows}u;
  ${R.flatMap((i) => J.map((j) => `var c${i}_${j} = vec4f();`)).join(' ')}
  ${before.join('\n  ')}
  for (var k = 0u; k < ${k / 4}u; k++) {
    ${body.join('\n    ')}
  }
  ${out.join('\n  ')}
}
`,
      };
    },
    grid: ({ m, n }) => [n / blockN, Math.ceil(m / (rows * height)), 1],
  };
}

export interface TileSizes {
  /** Block of C of a workgroup. */
  readonly blockM: number;
  readonly blockN: number;
  /** Depth staged at a time. */
  readonly blockK: number;
  /** Block of C of a thread, multiples of 4. */
  readonly threadM: number;
  readonly threadN: number;
}

/**
 * A block of A and of B staged in workgroup memory, both with the summed index outermost, so that a thread reads its
 * rows and columns as vec4s and neighbours read neighbours. A thread's rows lie `blockM / (threadM / 4)` apart in groups
 * of four, which spreads a subgroup's reads over the banks.
 */
export function tiled({ blockM, blockN, blockK, threadM, threadN }: TileSizes): MatmulVariant {
  const across = blockN / threadN;
  const down = blockM / threadM;
  const threads = across * down;
  const name = `tiled ${blockM}x${blockN}x${blockK} ${threadM}x${threadN}`;
  return {
    name,
    supports: ({ form, m, n, k }) =>
      n % blockN === 0 && (form === 'TN' ? m % blockM === 0 && blockK <= ROW_PADDING : k % blockK === 0),
    source(shape, options) {
      const { form, m, n, k } = shape;
      const lda = (shape.lda ?? (form === 'TN' ? m : k)) / 4;
      const ldc = (shape.ldc ?? n) / 4;
      const aColumn = (shape.aColumn ?? 0) / 4;
      const cColumn = (shape.cColumn ?? 0) / 4;
      const R4 = range(threadM / 4);
      const C4 = range(threadN / 4);
      // How a thread fetches its share of a block: vec4s, along k where the matrix is [rows, k], else along rows.
      const fetch = (side: 'a' | 'b', alongK: boolean): { load: string[]; store: string[] } => {
        const block = side === 'a' ? blockM : blockN;
        const origin = side === 'a' ? 'firstRow' : 'firstColumn';
        const total = (block * blockK) / 4;
        const load: string[] = [];
        const store: string[] = [];
        for (const u of range(Math.ceil(total / threads))) {
          const id = `${side}Id${u}`;
          const value = `${side}Next${u}`;
          const guard = (u + 1) * threads > total ? `if (${id} < ${total}u) ` : '';
          load.push(`let ${id} = thread + ${u * threads}u;`);
          if (alongK) {
            const depth = blockK / 4;
            const ld = side === 'a' ? lda : k / 4;
            const skip = side === 'a' ? aColumn : 0;
            load.push(
              `let ${value} = ${side}[(${origin} + ${id} / ${depth}u) * ${ld}u + ${skip}u + k / 4u + ${id} % ${depth}u];`,
            );
            const at = (q: number) =>
              `${side}Tile[((${id} % ${depth}u) * 4u + ${q}u) * ${block / 4}u + ${id} / ${depth * 4}u][(${id} / ${depth}u) % 4u]`;
            store.push(
              `${guard}{ ${range(4)
                .map((q) => `${at(q)} = ${value}.${XYZW[q]};`)
                .join(' ')} }`,
            );
          } else {
            const ld = side === 'a' ? lda : n / 4;
            const skip = side === 'a' ? aColumn : 0;
            load.push(
              `let ${value} = ${side}[(k + ${id} / ${block / 4}u) * ${ld}u + ${skip}u + ${origin} / 4u + ${id} % ${block / 4}u];`,
            );
            store.push(`${guard}{ ${side}Tile[${id}] = ${value}; }`);
          }
        }
        return { load, store };
      };
      const fa = fetch('a', form !== 'TN');
      const fb = fetch('b', form === 'NT');
      // Four steps of the sum written out: longer bodies only cost compile time.
      const inner = range(4).flatMap((q) => [
        ...R4.map((i) => `let a${q}_${i} = aTile[aAt + ${(q * blockM) / 4 + i * down}u];`),
        ...C4.map((j) => `let b${q}_${j} = bTile[bAt + ${(q * blockN) / 4 + j * across}u];`),
        ...R4.flatMap((i) =>
          range(4).flatMap((r) =>
            C4.map((j) => {
              const c = `c${4 * i + r}_${j}`;
              return `${c} = fma(vec4f(a${q}_${i}.${XYZW[r]}), b${q}_${j}, ${c});`;
            }),
          ),
        ),
      ]);
      const out = R4.flatMap((i) =>
        range(4).map((r) => {
          const row = `firstRow + (ty + ${i * down}u) * 4u + ${r}u`;
          const stores = C4.map((j) => {
            const at = `(${row}) * ${ldc}u + ${cColumn}u + firstColumn / 4u + tx + ${j * across}u`;
            return `c[${at}] ${options.accumulate ? '+=' : '='} c${4 * i + r}_${j}${options.residual ? ` + d[${at}]` : ''};`;
          });
          return `if (${row} < ${m}u) { ${stores.join(' ')} }`;
        }),
      );
      return {
        label: `matmul ${form} ${m}x${n}x${k} ${name}`,
        code: `${bindings({ a: 'vec4f', b: 'vec4f', c: 'vec4f' }, shape, options)}
var<workgroup> aTile: array<vec4f, ${(blockM * blockK) / 4}>;
var<workgroup> bTile: array<vec4f, ${(blockN * blockK) / 4}>;
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) thread: u32) {
  let firstColumn = wg.x * ${blockN}u;
  let firstRow = wg.y * ${blockM}u;
  let tx = thread % ${across}u;
  let ty = thread / ${across}u;
  ${range(threadM)
    .flatMap((i) => C4.map((j) => `var c${i}_${j} = vec4f();`))
    .join(' ')}
  for (var k = 0u; k < ${k}u; k += ${blockK}u) {
    ${[...fa.load, ...fb.load].join('\n    ')}
    workgroupBarrier();
    ${[...fa.store, ...fb.store].join('\n    ')}
    workgroupBarrier();
    var aAt = ty;
    var bAt = tx;
    for (var q = 0u; q < ${blockK / 4}u; q++) {
      ${inner.join('\n      ')}
      aAt += ${blockM}u;
      bAt += ${blockN}u;
    }
  }
  ${out.join('\n  ')}
}
`,
      };
    },
    grid: ({ m, n }) => [n / blockN, Math.ceil(m / blockM), 1],
  };
}

/** Whether the device has what the variant's shader needs. */
export function runsOn(
  { subgroup }: MatmulVariant,
  adapter: { subgroups: boolean; subgroupMinSize: number; subgroupMaxSize: number },
): boolean {
  if (subgroup === undefined) return true;
  return adapter.subgroups && adapter.subgroupMinSize === subgroup && adapter.subgroupMaxSize === subgroup;
}

/** All that a tuning run tries, the portable one first. */
export const MATMUL_VARIANTS: readonly MatmulVariant[] = [
  block4,
  lanes(8, 8),
  lanes(16, 8, 4, 1),
  lanes(8, 4, 8, 8),
  broadcast(8, 4, 4),
  broadcast(16, 8, 4),
  tiled({ blockM: 32, blockN: 32, blockK: 8, threadM: 4, threadN: 4 }),
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 4, threadN: 4 }),
  tiled({ blockM: 64, blockN: 64, blockK: 16, threadM: 8, threadN: 4 }),
  tiled({ blockM: 64, blockN: 64, blockK: 8, threadM: 8, threadN: 8 }),
  tiled({ blockM: 128, blockN: 64, blockK: 8, threadM: 8, threadN: 8 }),
  tiled({ blockM: 128, blockN: 128, blockK: 8, threadM: 8, threadN: 8 }),
];
