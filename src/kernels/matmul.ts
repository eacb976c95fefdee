/**
 * Matrix products, as WGSL made for one shape: C (+)= op(A) · op(B) (+ D), all row-major, f32 accumulation.
 *
 * Three forms cover a transformer's step; weights are `[out, in]` as in PyTorch:
 *   NT  C[m, n] = A[m, k] · B[n, k]ᵀ   forward, activations times weights
 *   NN  C[m, n] = A[m, k] · B[k, n]    gradient of the input
 *   TN  C[m, n] = A[k, m]ᵀ · B[k, n]   gradient of the weights
 *
 * Sizes are compile-time constants and accumulators are named registers with the inner loop written out: WGSL compilers
 * do not reliably unroll, and an indexed array of accumulators goes to memory (factors of 3 to 10).
 */
import type { Gpu } from './gpu.ts';
import {
  type BufferRange,
  COPY_DST,
  COPY_SRC,
  type KernelSource,
  type Launch,
  type LaunchSpec,
  Programs,
  STORAGE,
} from './program.ts';

export type MatmulForm = 'NT' | 'NN' | 'TN';

export interface MatmulShape {
  readonly form: MatmulForm;
  /** Rows of C. Rows past m, up to a multiple of {@link ROW_PADDING}, must exist in A and C and may be overwritten. */
  readonly m: number;
  /** Columns of C, a multiple of 4. */
  readonly n: number;
  /** Length of the sums, a multiple of 4. */
  readonly k: number;
  /** Row lengths of A and C where they are parts of wider matrices, and the first column of the part. */
  readonly lda?: number;
  readonly ldc?: number;
  readonly aColumn?: number;
  readonly cColumn?: number;
}

export interface MatmulOptions {
  /** Add a fourth matrix D [m, n]: the residual stream. */
  readonly residual?: boolean;
  /** Add to C instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** Activations are allocated in whole multiples of this many rows, so that no kernel needs an edge case. */
export const ROW_PADDING = 64;

export interface MatmulVariant {
  readonly name: string;
  source(shape: MatmulShape, options: MatmulOptions): KernelSource;
  grid(shape: MatmulShape): readonly [number, number, number];
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** 4x4 outputs a thread, vec4 loads from global memory, no workgroup memory: the portable choice. */
export const block4: MatmulVariant = {
  name: 'block4',
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
      code: `${bindings('vec4f', options)}
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

function bindings(type: string, options: MatmulOptions): string {
  return `@group(0) @binding(0) var<storage, read> a: array<${type}>;
@group(0) @binding(1) var<storage, read> b: array<${type}>;
@group(0) @binding(2) var<storage, read_write> c: array<${type}>;
${options.residual ? `@group(0) @binding(3) var<storage, read> d: array<${type}>;` : ''}`;
}

/** What a launch of one product needs beside its shape. */
export interface MatmulLaunch extends MatmulShape {
  readonly a: BufferRange;
  readonly b: BufferRange;
  readonly c: BufferRange;
  readonly d?: BufferRange | undefined;
  /** Add to C even the first time. */
  readonly accumulate?: boolean;
  /** The accumulating twin for micro-batches after the first. */
  readonly twin?: boolean;
}

/** One product as a launch of `variant`. */
export function matmulLaunch(variant: MatmulVariant, l: MatmulLaunch): LaunchSpec {
  const residual = l.d !== undefined;
  const ranges = [l.a, l.b, l.c];
  if (l.d !== undefined) ranges.push(l.d);
  return {
    kernel: variant.source(l, { residual, accumulate: l.accumulate === true }),
    accumulate: l.twin ? variant.source(l, { residual, accumulate: true }) : undefined,
    ranges,
    grid: variant.grid(l),
    flops: 2 * l.m * l.n * l.k,
    bytes: 4 * (l.m * l.k + l.k * l.n + l.m * l.n),
  };
}

export interface Matmul {
  /** Name of the kernel variant in use. */
  readonly variant: string;
  readonly a: GPUBuffer;
  readonly b: GPUBuffer;
  readonly c: GPUBuffer;
  /** Puts one product into an open compute pass. */
  encode(pass: GPUComputePassEncoder): void;
  /** One product in a submission of its own. */
  run(): void;
  destroy(): void;
}

/**
 * A product on its own, for benches and tests: C[m, n] = op(A) · op(B) with op(A) `[m, k]` (stored `[k, m]` where
 * `transposeA`) and op(B) `[k, n]` (stored `[n, k]` where `transposeB`). All sizes multiples of 64.
 */
export async function createMatmul(
  gpu: Gpu,
  m: number,
  n: number,
  k: number,
  options: {
    readonly transposeA?: boolean;
    readonly transposeB?: boolean;
    readonly variant?: MatmulVariant;
  } = {},
): Promise<Matmul> {
  if (m % 64 !== 0 || n % 64 !== 0 || k % 64 !== 0) {
    throw new RangeError(`matmul sizes must be multiples of 64, got ${m}x${n}x${k}`);
  }
  if (options.transposeA && options.transposeB)
    throw new RangeError('one of the two operands may be transposed, not both');
  const form: MatmulForm = options.transposeA ? 'TN' : options.transposeB ? 'NT' : 'NN';
  const { device } = gpu;
  const make = (elements: number): BufferRange => {
    const size = elements * 4;
    const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    return { buffer, offset: 0, size };
  };
  const [a, b, c] = [make(m * k), make(k * n), make(m * n)];
  const variant = options.variant ?? block4;
  const [launch] = (await new Programs(device).prepare([
    matmulLaunch(variant, { form, m, n, k, a, b, c }),
  ])) as [Launch];
  const encode = (pass: GPUComputePassEncoder) => {
    pass.setPipeline(launch.pipeline);
    pass.setBindGroup(0, launch.group);
    pass.dispatchWorkgroups(...launch.grid);
  };
  return {
    variant: variant.name,
    a: a.buffer,
    b: b.buffer,
    c: c.buffer,
    encode,
    run() {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass);
      pass.end();
      device.queue.submit([encoder.finish()]);
    },
    destroy() {
      for (const r of [a, b, c]) r.buffer.destroy();
    },
  };
}
