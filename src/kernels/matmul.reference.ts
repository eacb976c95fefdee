/** The plain form of matmul.ts: three loops in f64. */
import type { MatmulForm } from './matmul-shape.ts';

/** op(A) · op(B) as a dense `[m, n]`; A and B stored as the form says. */
export function matmulReference(
  form: MatmulForm,
  m: number,
  n: number,
  k: number,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let q = 0; q < k; q++) {
        const left = a[form === 'TN' ? q * m + i : i * k + q];
        const right = b[form === 'NT' ? j * k + q : q * n + j];
        sum += left * right;
      }
      c[i * n + j] = sum;
    }
  }
  return c;
}
