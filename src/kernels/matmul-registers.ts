/**
 * Kernel variants of a matrix product that keep everything in registers: no workgroup memory, no barriers. Sizes are
 * compile-time constants, accumulators are named, inner loops are written out: WGSL compilers do not reliably unroll, and
 * an indexed array of accumulators goes to memory (factors of 3 to 10).
 */
import {
  bindings,
  fma4,
  load1,
  load4,
  type MatmulVariant,
  range,
  ROW_PADDING,
  shapeName,
  XYZW,
} from './matmul-shape.ts';

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
      for (const i of i4)
        loads.push(`let a${i} = ${load4(shape, 'a', `(row + ${i}u) * ${lda}u + ${aColumn}u + k`)};`);
      for (const j of i4) loads.push(`let b${j} = ${load4(shape, 'b', `(column + ${j}u) * ${k / 4}u + k`)};`);
      for (const i of i4)
        sums.push(`c${i} += vec4f(dot(a${i}, b0), dot(a${i}, b1), dot(a${i}, b2), dot(a${i}, b3));`);
    } else {
      for (const q of i4)
        loads.push(`let b${q} = ${load4(shape, 'b', `(4u * k + ${q}u) * ${n / 4}u + column / 4u`)};`);
      if (form === 'NN') {
        for (const i of i4)
          loads.push(`let a${i} = ${load4(shape, 'a', `(row + ${i}u) * ${lda}u + ${aColumn}u + k`)};`);
        for (const i of i4) sums.push(`c${i} += a${i}.x * b0 + a${i}.y * b1 + a${i}.z * b2 + a${i}.w * b3;`);
      } else {
        for (const q of i4)
          loads.push(
            `let a${q} = ${load4(shape, 'a', `(4u * k + ${q}u) * ${lda}u + ${aColumn}u + row / 4u`)};`,
          );
        for (const i of i4) sums.push(`c${i} += ${i4.map((q) => `a${q}.${XYZW[i]} * b${q}`).join(' + ')};`);
      }
    }
    const out = i4.map((i) => {
      const at = `(row + ${i}u) * ${ldc}u + ${cColumn}u + column / 4u`;
      return `c[${at}] ${options.accumulate ? '+=' : '='} c${i}${options.residual ? ` + d[${at}]` : ''};`;
    });
    return {
      label: `matmul ${shapeName(shape)} block4`,
      code: `${bindings(shape, options)}
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
 * `rows` x `columns` outputs a thread, without workgroup memory. The `lanes` threads of a group's row take columns
 * `lanes` apart, so that together they load consecutive scalars of B, and all the same ones of A.
 */
export function lanes(rows: number, columns: number, width = 4, height = 2): MatmulVariant {
  const blockN = width * columns;
  return {
    name: `lanes ${rows}x${columns}`,
    ...(width * height < 32 && { only: 'cpu' }),
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
          for (const i of range(rows / 4))
            body.push(`let a${i}_${q} = ${load4(shape, 'a', `pa + ${q * lda + i}u`)};`);
        body.push(`pa += ${4 * lda}u;`);
      } else {
        for (const i of R) before.push(`let pa${i} = (row + ${i}u) * ${lda}u + ${aColumn}u;`);
        for (const i of R) body.push(`let a${i} = ${load4(shape, 'a', `pa${i} + k`)};`);
      }
      if (form === 'NT') {
        for (const j of C) before.push(`let pb${j} = (column + ${j * width}u) * ${k / 4}u;`);
        for (const j of C) body.push(`let b${j} = ${load4(shape, 'b', `pb${j} + k`)};`);
      } else {
        before.push('var pb = column;');
        for (const q of Q)
          for (const j of C)
            body.push(`let b${j}_${q} = ${load1(shape, 'b', `pb + ${q * n + j * width}u`)};`);
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
        label: `matmul ${shapeName(shape)} lanes ${rows}x${columns}`,
        code: `${bindings(shape, options, { a: 4, b: form === 'NT' ? 4 : 1, c: 1 })}
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
 * `rows` x `columns` outputs a thread for CPU drivers whose subgroup is four lanes of one SIMD register. A load costs as much
 * as twenty multiply-adds there whether its four lanes want one scalar or four, and least where they want neighbouring
 * scalars; a broadcast from one lane costs a quarter of it. So the lanes take neighbouring columns, and share the loading
 * of A and broadcast it to each other. `rows` is a multiple of 4.
 */
export function broadcast(rows: number, columns: number, height = 1): MatmulVariant {
  const blockN = 4 * columns;
  const name = `broadcast ${rows}x${columns}`;
  return {
    name,
    only: 'cpu',
    subgroup: 4,
    supports: ({ m, n, form }) => n % blockN === 0 && (form !== 'TN' || m % (rows * height) === 0),
    source(shape, options) {
      const { form, m, n, k } = shape;
      const lda = (shape.lda ?? (form === 'TN' ? m : k)) / 4;
      const ldc = shape.ldc ?? n;
      const aColumn = (shape.aColumn ?? 0) / 4;
      const cColumn = shape.cColumn ?? 0;
      const [G, R, C, Q] = [range(rows / 4), range(rows), range(columns), range(4)];
      const before: string[] = [];
      const body: string[] = [];
      // A lane's share of A: a row's four steps of the sum (NT, NN), or a step's four rows (TN).
      if (form === 'TN') {
        before.push(`var pa = lane * ${lda}u + row / 4u + ${aColumn}u;`);
        for (const g of G) body.push(`let f${g} = ${load4(shape, 'a', `pa + ${g}u`)};`);
        body.push(`pa += ${4 * lda}u;`);
      } else {
        for (const g of G) before.push(`let pa${g} = (row + ${4 * g}u + lane) * ${lda}u + ${aColumn}u;`);
        for (const g of G) body.push(`let f${g} = ${load4(shape, 'a', `pa${g} + k`)};`);
      }
      const left = (i: number, q: number): string => {
        const [component, lane] = form === 'TN' ? [i % 4, q] : [q, i % 4];
        return `subgroupBroadcast(f${Math.floor(i / 4)}.${XYZW[component]}, ${lane}u)`;
      };
      if (form === 'NT') {
        for (const j of C) before.push(`let pb${j} = (column + ${4 * j}u) * ${k / 4}u;`);
        for (const j of C) body.push(`let v${j} = ${load4(shape, 'b', `pb${j} + k`)};`);
      } else before.push('var pb = column;');
      // Step by step: few values live at a time, of which a CPU has sixteen registers.
      for (const q of Q) {
        for (const j of C) {
          const value = form === 'NT' ? `v${j}.${XYZW[q]}` : load1(shape, 'b', `pb + ${q * n + 4 * j}u`);
          body.push(`let b${j}_${q} = ${value};`);
        }
        for (const i of R) {
          body.push(`let a${i}_${q} = ${left(i, q)};`);
          for (const j of C) body.push(`c${i}_${j} += a${i}_${q} * b${j}_${q};`);
        }
      }
      if (form !== 'NT') body.push(`pb += ${4 * n}u;`);
      const out = R.flatMap((i) =>
        C.map((j) => {
          const at = `pc${i} + ${4 * j}u`;
          const first = j === 0 ? `let pc${i} = (row + ${i}u) * ${ldc}u + ${cColumn}u + column;\n  ` : '';
          return `${first}c[${at}] ${options.accumulate ? '+=' : '='} c${i}_${j}${options.residual ? ` + d[${at}]` : ''};`;
        }),
      );
      return {
        label: `matmul ${shapeName(shape)} ${name}`,
        code: `enable subgroups;
${bindings(shape, options, { a: 4, b: form === 'NT' ? 4 : 1, c: 1 })}
@compute @workgroup_size(4, ${height})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let lane = local.x;
  let column = wg.x * ${blockN}u + lane;
  let row = (wg.y * ${height}u + local.y) * ${rows}u;
  ${R.flatMap((i) => C.map((j) => `var c${i}_${j} = 0f;`)).join(' ')}
  ${before.join('\n  ')}
  for (var k = 0u; k < ${Math.ceil(k / 4)}u; k++) {
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
