/**
 * Exact top-k of one chunk by magnitude, ties to the lower position: the reference for kernels/sparseloco/select.wgsl.
 *
 * Magnitudes of finite f32 order like their bit patterns without the sign, so the k-th largest is found by a radix
 * select on integers.
 */
import { CHUNK } from '../model/layout.ts';

const HIGH_SHIFT = 20;
const histogram = new Uint32Array(1 << (31 - HIGH_SHIFT));
const candidates = new Uint32Array(CHUNK);

/**
 * Writes the positions of the `k` largest magnitudes of `bits[0, 4096)` (f32 patterns) in ascending order to `out`
 * from `at`, zeros never among them; returns how many there are (fewer than `k` when fewer are not zero).
 */
export function selectTopK(bits: Uint32Array, k: number, out: Uint16Array, at: number): number {
  histogram.fill(0);
  for (let i = 0; i < CHUNK; i++) {
    const bin = (bits[i] & 0x7fffffff) >>> HIGH_SHIFT;
    histogram[bin] = histogram[bin] + 1;
  }
  let bin = histogram.length - 1;
  let above = 0;
  while (bin > 0 && above + histogram[bin] < k) above += histogram[bin--];
  let n = 0;
  for (let i = 0; i < CHUNK; i++) {
    const m = bits[i] & 0x7fffffff;
    if (m >>> HIGH_SHIFT === bin) candidates[n++] = m;
  }
  const sorted = candidates.subarray(0, n).sort();
  const threshold = Math.max(1, sorted[Math.max(0, n - (k - above))]);
  let ties = k;
  for (let i = 0; i < CHUNK; i++) if ((bits[i] & 0x7fffffff) > threshold) ties--;
  let count = 0;
  for (let i = 0; i < CHUNK && count < k; i++) {
    const m = bits[i] & 0x7fffffff;
    if (m > threshold || (m === threshold && ties-- > 0)) out[at + count++] = i;
  }
  return count;
}
