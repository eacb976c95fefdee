/** Reproducible bytes, so that a test can name a blob by (seed, size) on both sides of the browser's wall. */
import { sha256 } from '../../src/protocol/bytes.ts';

export async function blobOf(seed: number, size: number): Promise<{ hash: Uint8Array; bytes: Uint8Array }> {
  const bytes = new Uint8Array(size);
  let x = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < size; i++) {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x = (x ^ (x << 5)) >>> 0; // xorshift32
    bytes[i] = x;
  }
  return { hash: await sha256(bytes), bytes };
}
