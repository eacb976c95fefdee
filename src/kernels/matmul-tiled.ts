/** Kernel variants of a matrix product that stage blocks of both operands in workgroup memory: for GPUs. */
import {
  bindings,
  isHalf,
  load4,
  type MatmulVariant,
  range,
  ROW_PADDING,
  shapeName,
  XYZW,
} from './matmul-shape.ts';

export interface TileSizes {
  /** Block of C of a workgroup. */
  readonly blockM: number;
  readonly blockN: number;
  /** Depth staged at a time. */
  readonly blockK: number;
  /** Block of C of a thread, multiples of 4. */
  readonly threadM: number;
  readonly threadN: number;
  /** Stage operands that are stored f16 as f16: half the traffic of workgroup memory for a conversion a load. */
  readonly half?: boolean;
}

/**
 * A block of A and one of B in workgroup memory, each as it lies in global memory: whole vec4s are copied, since a store to
 * one component of a vec4 that another thread also writes is a race in some shader compilers. Where the vec4s run along the
 * summed index, rows are padded by one of them and a thread takes every `down`-th row; else it takes groups of four
 * rows. Both spread a subgroup's reads over the banks.
 */
export function tiled({ blockM, blockN, blockK, threadM, threadN, half = false }: TileSizes): MatmulVariant {
  const across = blockN / threadN;
  const down = blockM / threadM;
  const threads = across * down;
  const depth = blockK / 4;
  const name = `tiled ${blockM}x${blockN}x${blockK} ${threadM}x${threadN}${half ? ' half' : ''}`;
  return {
    name,
    only: 'gpu',
    supports: ({ form, m, n, k, f16 }) =>
      (!half || f16 !== undefined) &&
      n % blockN === 0 &&
      (form === 'TN' ? m % blockM === 0 && blockK <= ROW_PADDING : k % blockK === 0),
    source(shape, options) {
      const { form, m, n, k } = shape;
      const lda = (shape.lda ?? (form === 'TN' ? m : k)) / 4;
      const ldc = shape.ldc ?? n;
      const cColumn = shape.cColumn ?? 0;
      const [R, Q] = [range(threadM), range(4)];

      /** One operand: how it is staged (`load`, `store`), and how a thread reads four steps of the sum (`read`). */
      const operand = (side: 'a' | 'b') => {
        const alongK = side === 'a' ? form !== 'TN' : form === 'NT';
        const [block, count, spread, own] =
          side === 'a' ? [blockM, threadM, down, 'ty'] : [blockN, threadN, across, 'tx'];
        const origin = side === 'a' ? 'firstRow' : 'firstColumn';
        const ld = side === 'a' ? lda : (alongK ? k : n) / 4;
        const skip = side === 'a' ? (shape.aColumn ?? 0) / 4 : 0;
        const narrow = half && isHalf(shape, side);
        const row = alongK ? depth + 1 : block / 4;
        const total = (block * blockK) / 4;
        const load: string[] = [];
        const store: string[] = [];
        for (const u of range(Math.ceil(total / threads))) {
          const [id, value] = [`${side}Id${u}`, `${side}Next${u}`];
          const at = alongK
            ? `(${origin} + ${id} / ${depth}u) * ${ld}u + ${skip}u + k / 4u + ${id} % ${depth}u`
            : `(k + ${id} / ${block / 4}u) * ${ld}u + ${skip}u + ${origin} / 4u + ${id} % ${block / 4}u`;
          const into = alongK ? `${id} / ${depth}u * ${row}u + ${id} % ${depth}u` : id;
          load.push(
            `let ${id} = thread + ${u * threads}u;`,
            `let ${value} = ${narrow ? `${side}[${at}]` : load4(shape, side, at)};`,
          );
          const guard = (u + 1) * threads > total ? `if (${id} < ${total}u) ` : '';
          store.push(`${guard}{ ${side}Tile[${into}] = ${value}; }`);
        }
        const take = (variable: string, at: string) =>
          `let ${variable} = ${narrow ? 'vec4f' : ''}(${side}Tile[${at}]);`;
        return {
          alongK,
          load,
          store,
          declare: `var<workgroup> ${side}Tile: array<vec4<${narrow ? 'f16' : 'f32'}>, ${alongK ? block * row : total}>;`,
          read: alongK
            ? range(count).map((i) => take(`${side}${i}`, `(${own} + ${i * spread}u) * ${row}u + q`))
            : Q.flatMap((q) =>
                range(count / 4).map((g) =>
                  take(`${side}${q}_${g}`, `(4u * q + ${q}u) * ${row}u + ${own} + ${g * spread}u`),
                ),
              ),
          /** Row (column) i of the thread's, within the block. */
          index: (i: number) =>
            alongK ? `${own} + ${i * spread}u` : `(${own} + ${(i >> 2) * spread}u) * 4u + ${i & 3}u`,
          /** Its value at step q. */
          scalar: (i: number, q: number) =>
            alongK ? `${side}${i}.${XYZW[q]}` : `${side}${q}_${i >> 2}.${XYZW[i & 3]}`,
        };
      };
      const [a, b] = [operand('a'), operand('b')];
      // Columns of C: vec4s where B's vec4s run along them, else single ones.
      const width = b.alongK ? 1 : 4;
      const C = range(threadN / width);
      const sums = R.flatMap((i) =>
        C.flatMap((j) =>
          Q.map((q) =>
            width === 1
              ? `c${i}_${j} = fma(${a.scalar(i, q)}, ${b.scalar(j, q)}, c${i}_${j});`
              : `c${i}_${j} = fma(vec4f(${a.scalar(i, q)}), b${q}_${j}, c${i}_${j});`,
          ),
        ),
      );
      const out = R.map((i) => {
        const row = `firstRow + ${a.index(i)}`;
        const stores = C.map((j) => {
          const column = width === 1 ? b.index(j) : `tx + ${j * across}u`;
          const at = `(${row}) * ${ldc / width}u + ${cColumn / width}u + firstColumn / ${width}u + ${column}`;
          return `c[${at}] ${options.accumulate ? '+=' : '='} c${i}_${j}${options.residual ? ` + d[${at}]` : ''};`;
        });
        return `if (${row} < ${m}u) { ${stores.join(' ')} }`;
      });
      return {
        label: `matmul ${shapeName(shape)} ${name}`,
        code: `${bindings(shape, options, { a: 4, b: 4, c: width })}
${a.declare}
${b.declare}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) thread: u32) {
  let firstColumn = wg.x * ${blockN}u;
  let firstRow = wg.y * ${blockM}u;
  let tx = thread % ${across}u;
  let ty = thread / ${across}u;
  ${R.flatMap((i) => C.map((j) => `var c${i}_${j} = ${width === 1 ? '0f' : 'vec4f()'};`)).join(' ')}
  for (var k = 0u; k < ${k}u; k += ${blockK}u) {
    ${[...a.load, ...b.load].join('\n    ')}
    workgroupBarrier();
    ${[...a.store, ...b.store].join('\n    ')}
    workgroupBarrier();
    // Four steps of the sum at a time: longer bodies only cost compile time.
    for (var q = 0u; q < ${depth}u; q++) {
      ${[...a.read, ...b.read, ...sums].join('\n      ')}
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
