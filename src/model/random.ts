/**
 * A small pseudo-random generator that gives the same numbers on every machine: xoshiro128** 1.1 (Blackman and Vigna,
 * 2018), 32-bit integer operations only, seeded from the first 16 bytes of a SHA-256.
 *
 * Used for the genesis weights and the data assignment. Not for secrets.
 */

/** A stream of random numbers. */
export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform in [0, n), n from 1 to 2^32, without modulo bias (rejects the tail). */
  below(n: number): number;
}

/** Seeds from little-endian words of `seed` (at least 16 bytes). An all-zero seed is replaced by 1,0,0,0. */
export function createRandom(seed: Uint8Array): Random {
  if (seed.byteLength < 16) throw new RangeError(`a seed needs 16 bytes, got ${seed.byteLength}`);
  const view = new DataView(seed.buffer, seed.byteOffset, 16);
  let a = view.getUint32(0, true);
  let b = view.getUint32(4, true);
  let c = view.getUint32(8, true);
  let d = view.getUint32(12, true);
  // The all-zero state is a fixed point of the generator.
  if ((a | b | c | d) === 0) a = 1;

  const uint32 = (): number => {
    const five = Math.imul(b, 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  const below = (n: number): number => {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32)
      throw new RangeError(`below(${n}): n must be in 1..2^32`);
    const limit = 2 ** 32 - (2 ** 32 % n);
    let x = uint32();
    while (x >= limit) x = uint32();
    return x % n;
  };
  return { uint32, below };
}
