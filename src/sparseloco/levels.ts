/**
 * Magnitudes in nine bits: a logarithmic scale of eight levels per factor of two.
 *
 * Level 0 is zero; level l in 1..511 is 2^((l & 7)/8) * 2^((l >> 3) - 40), so 1e-12 to 1.5e7. Rounding to the nearest
 * level costs at most 4.4 % of a magnitude (0.06 % of its square on average): less than what one or two magnitudes per
 * chunk cost anyway, for about four bits a chunk once coded. Error feedback keeps the difference. The table holds f32
 * values exactly, so CPU and GPU dequantise to the same bits.
 */

/** 2^(i/8) rounded to f32; part of the wire format. */
const MANTISSAS = Float64Array.from([
  1, 1.0905077457427979, 1.1892070770263672, 1.2968395948410034, 1.4142135381698608, 1.5422108173370361,
  1.6817928552627563, 1.8340080976486206,
]);
const EXPONENT_BIAS = 40;
export const MAX_LEVEL = 511;

/** Value of each level, exact in f32 and f64. */
export const LEVEL_VALUES: Float64Array = (() => {
  const table = new Float64Array(MAX_LEVEL + 1);
  for (let l = 1; l <= MAX_LEVEL; l++) {
    let value = MANTISSAS[l & 7];
    for (let e = l >> 3; e < EXPONENT_BIAS; e++) value /= 2;
    for (let e = EXPONENT_BIAS; e < l >> 3; e++) value *= 2;
    table[l] = value;
  }
  return table;
})();

/** Nearest level of a magnitude on the logarithmic scale; 0 for 0. Only senders call it, so log2 may round freely. */
export function levelOf(magnitude: number): number {
  if (!(magnitude > 0)) return 0;
  const level = Math.round(8 * (Math.log2(magnitude) + EXPONENT_BIAS));
  return Math.min(MAX_LEVEL, Math.max(1, level));
}

/** Level with a sign: -511..511, 0 for zero. */
export function signedLevelOf(value: number): number {
  return value < 0 ? -levelOf(-value) : levelOf(value);
}

/** Value of a signed level. */
export function signedLevelValue(level: number): number {
  return level < 0 ? -LEVEL_VALUES[-level] : LEVEL_VALUES[level];
}
