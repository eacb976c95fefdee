/**
 * What the kernel variants of a matrix product share: the shape of a product, the contract of a variant, and the text of
 * bindings and loads. An operand may be stored f16; it is widened when loaded, so that products and sums are f32.
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
  /** Operands that are stored f16: B (weights, or the activations of a weight gradient), or both. C is f32 always. */
  readonly f16?: 'b' | 'ab' | undefined;
}

export interface MatmulOptions {
  /** Add a fourth matrix D [m, n], laid out as C: the residual stream. */
  readonly residual?: boolean;
  /** Add to C instead of overwriting it. */
  readonly accumulate?: boolean;
}

/** Activations are allocated in whole multiples of this many rows, so that kernels need few edge cases. */
export const ROW_PADDING = 64;

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

export interface MatmulVariant {
  readonly name: string;
  /** The only kind of device on which a tuning run tries it; on the other it can but lose, and take seconds to compile. */
  readonly only?: 'cpu' | 'gpu';
  /** Needs `subgroups`, all of this size. */
  readonly subgroup?: number;
  /** Whether it takes the shape; block4 takes all. */
  supports(shape: MatmulShape): boolean;
  source(shape: MatmulShape, options: MatmulOptions): KernelSource;
  grid(shape: MatmulShape): readonly [number, number, number];
}

/** How an operand is stored. */
export const isHalf = ({ f16 }: MatmulShape, side: 'a' | 'b'): boolean =>
  side === 'a' ? f16 === 'ab' : f16 !== undefined;

/** Short name of a product for labels and tuning results. */
export const shapeName = ({ form, m, n, k, f16 }: MatmulShape): string =>
  `${form} ${m}x${n}x${k}${f16 === undefined ? '' : ` f16 ${f16}`}`;

/** A vec4 of an operand, as f32. */
export const load4 = (shape: MatmulShape, side: 'a' | 'b', at: string): string =>
  isHalf(shape, side) ? `vec4f(${side}[${at}])` : `${side}[${at}]`;

/** A scalar of an operand, as f32. */
export const load1 = (shape: MatmulShape, side: 'a' | 'b', at: string): string =>
  isHalf(shape, side) ? `f32(${side}[${at}])` : `${side}[${at}]`;

/**
 * Arrays of stated length: the bounds check that browsers add to every access is then one comparison with a constant,
 * where a run-time length costs a CPU driver a third of each load.
 */
export function bindings(
  shape: MatmulShape,
  options: MatmulOptions,
  /** Components of an element of each array. */
  width: { a: 1 | 4; b: 1 | 4; c: 1 | 4 } = { a: 4, b: 4, c: 4 },
): string {
  const { form, m, n, k } = shape;
  const whole = (rows: number) => Math.ceil(rows / ROW_PADDING) * ROW_PADDING;
  const array = (side: 'a' | 'b' | 'c', scalars: number) => {
    const scalar = side !== 'c' && isHalf(shape, side) ? 'f16' : 'f32';
    return `array<${width[side] === 1 ? scalar : `vec4<${scalar}>`}, ${scalars / width[side]}>`;
  };
  const a = array('a', form === 'TN' ? whole(k) * (shape.lda ?? m) : whole(m) * (shape.lda ?? k));
  const b = array('b', form === 'TN' ? whole(k) * n : n * k);
  const c = array('c', (form === 'TN' ? m : whole(m)) * (shape.ldc ?? n));
  return `${shape.f16 === undefined ? '' : 'enable f16;\n'}@group(0) @binding(0) var<storage, read> a: ${a};
@group(0) @binding(1) var<storage, read> b: ${b};
@group(0) @binding(2) var<storage, read_write> c: ${c};
${options.residual ? `@group(0) @binding(3) var<storage, read> d: ${c};` : ''}`;
}

/** One outer-product step in fma chains of four, the form that SwiftShader turns into the fewest instructions. */
export function fma4(c: string, a: readonly string[], b: readonly string[]): string {
  let sum = c;
  for (const q of range(4)) sum = `fma(${a[q]}, ${b[q]}, ${sum})`;
  return `${c} = ${sum};`;
}

export const XYZW = ['x', 'y', 'z', 'w'] as const;
