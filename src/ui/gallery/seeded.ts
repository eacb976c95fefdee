/** Made-up numbers that are the same at every load. */

/** mulberry32: uniform in [0, 1). */
export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const hex = (seed: number, length = 64): string => {
  const next = random(seed);
  return Array.from({ length }, () => Math.floor(next() * 16).toString(16)).join('');
};

export const peerId = (seed: number): string => `12D3KooW${hex(seed, 40)}`;
