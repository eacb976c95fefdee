/**
 * Matrix products: C (+)= op(A) · op(B) (+ D), all row-major, f32 accumulation.
 *
 * Three forms cover a transformer's step; weights are `[out, in]` as in PyTorch:
 *   NT  C[m, n] = A[m, k] · B[n, k]ᵀ   forward, activations times weights
 *   NN  C[m, n] = A[m, k] · B[k, n]    gradient of the input
 *   TN  C[m, n] = A[k, m]ᵀ · B[k, n]   gradient of the weights
 *
 * The kernels are listed in matmul-variants.ts.
 */
import { defaultChoice } from './choice.ts';
import type { Gpu } from './gpu.ts';
import {
  isHalf,
  type MatmulForm,
  type MatmulShape,
  type MatmulVariant,
  ROW_PADDING,
} from './matmul-shape.ts';
import {
  type BufferRange,
  COPY_DST,
  COPY_SRC,
  encode,
  type Launch,
  type LaunchSpec,
  Programs,
  STORAGE,
} from './program.ts';

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

/** Bytes of a scalar of an operand. */
export const scalarBytes = (shape: MatmulShape, side: 'a' | 'b'): number => (isHalf(shape, side) ? 2 : 4);

/** One product as a launch of `variant`. */
export function matmulLaunch(variant: MatmulVariant, l: MatmulLaunch): LaunchSpec {
  const residual = l.d !== undefined;
  const { a, b, c, d } = l;
  return {
    kernel: variant.source(l, { residual, accumulate: l.accumulate === true }),
    accumulate: l.twin ? variant.source(l, { residual, accumulate: true }) : undefined,
    buffers: d === undefined ? { a, b, c } : { a, b, c, d },
    grid: variant.grid(l),
    flops: 2 * l.m * l.n * l.k,
    bytes: scalarBytes(l, 'a') * l.m * l.k + scalarBytes(l, 'b') * l.k * l.n + 4 * l.m * l.n,
  };
}

/**
 * The product as several of at most about `flops` operations each, by whole blocks of 64 rows of C: a dispatch cannot be
 * interrupted, so on a slow device one large product alone would hold up the desktop.
 */
export function splitMatmul(l: MatmulLaunch, flops: number): MatmulLaunch[] {
  const parts = Math.ceil((2 * l.m * l.n * l.k) / flops);
  const rows = Math.ceil(l.m / parts / ROW_PADDING) * ROW_PADDING;
  if (parts <= 1 || rows >= l.m) return [l];
  const from = (range: BufferRange, row: number, ld: number, scalar = 4): BufferRange => ({
    buffer: range.buffer,
    offset: range.offset + row * ld * scalar,
    size: range.size - row * ld * scalar,
  });
  const out: MatmulLaunch[] = [];
  for (let row = 0; row < l.m; row += rows) {
    const ldc = l.ldc ?? l.n;
    out.push({
      ...l,
      m: Math.min(rows, l.m - row),
      // TN takes A's columns, the others its rows.
      ...(l.form === 'TN'
        ? { lda: l.lda ?? l.m, aColumn: (l.aColumn ?? 0) + row }
        : { a: from(l.a, row, l.lda ?? l.k, scalarBytes(l, 'a')) }),
      c: from(l.c, row, ldc),
      d: l.d && from(l.d, row, ldc),
    });
  }
  return out;
}

export interface Matmul {
  /** Name of the kernel variant in use. */
  readonly variant: string;
  readonly a: GPUBuffer;
  readonly b: GPUBuffer;
  readonly c: GPUBuffer;
  /** Puts one product into an open compute pass. */
  readonly encode: (pass: GPUComputePassEncoder) => void;
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
    /** Operands stored f16; the adapter must have shader-f16. */
    readonly f16?: MatmulShape['f16'];
  } = {},
): Promise<Matmul> {
  if (m % 64 !== 0 || n % 64 !== 0 || k % 64 !== 0) {
    throw new RangeError(`matmul sizes must be multiples of 64, got ${m}x${n}x${k}`);
  }
  if (options.transposeA && options.transposeB)
    throw new RangeError('one of the two operands may be transposed, not both');
  const form: MatmulForm = options.transposeA ? 'TN' : options.transposeB ? 'NT' : 'NN';
  const { device } = gpu;
  const shape: MatmulShape = { form, m, n, k, f16: options.f16 };
  const make = (elements: number, scalar = 4): BufferRange => {
    const size = elements * scalar;
    const buffer = device.createBuffer({ size, usage: STORAGE | COPY_SRC | COPY_DST });
    return { buffer, offset: 0, size };
  };
  const [a, b, c] = [make(m * k, scalarBytes(shape, 'a')), make(k * n, scalarBytes(shape, 'b')), make(m * n)];
  const variant = options.variant ?? defaultChoice(gpu.adapter).matmul(shape);
  const [launch] = (await new Programs(device).prepare([matmulLaunch(variant, { ...shape, a, b, c })])) as [
    Launch,
  ];
  return {
    variant: variant.name,
    a: a.buffer,
    b: b.buffer,
    c: c.buffer,
    encode: (pass) => encode(pass, launch),
    run() {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass, launch);
      pass.end();
      device.queue.submit([encoder.finish()]);
    },
    destroy() {
      for (const r of [a, b, c]) r.buffer.destroy();
    },
  };
}
