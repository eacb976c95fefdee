/**
 * Magnitudes as one byte: a logarithmic scale of four levels per factor of two.
 *
 * Level 0 is zero; level l in 1..255 is 2^((l & 3)/4) * 2^((l >> 2) - 40), so 1.4e-12 to 1.4e7. Rounding to the
 * nearest level costs at most 9 % of one magnitude (mean squared 0.25 %), far below what one or two magnitudes per
 * chunk cost anyway, and error feedback keeps the difference. The table holds f32 values exactly, so CPU and GPU
 * dequantise to the same bits.
 */

/** 2^(0/4), 2^(1/4), 2^(2/4), 2^(3/4) rounded to f32; part of the wire format. */
const MANTISSAS = [1, 1.1892070770263672, 1.4142135381698608, 1.6817928552627563] as const;
const EXPONENT_BIAS = 40;

/** Value of each level, exact in f32 and f64. */
export const LEVEL_VALUES: Float64Array = (() => {
  const table = new Float64Array(256);
  for (let l = 1; l < 256; l++) {
    let value: number = MANTISSAS[(l & 3) as 0 | 1 | 2 | 3];
    for (let e = l >> 2; e < EXPONENT_BIAS; e++) value /= 2;
    for (let e = EXPONENT_BIAS; e < l >> 2; e++) value *= 2;
    table[l] = value;
  }
  return table;
})();

/** Nearest level of a magnitude on the logarithmic scale; 0 for 0. Only senders call it, so log2 may round freely. */
export function levelOf(magnitude: number): number {
  if (!(magnitude > 0)) return 0;
  const level = Math.round(4 * (Math.log2(magnitude) + EXPONENT_BIAS));
  return Math.min(255, Math.max(1, level));
}

/** Level with a sign: -255..255, 0 for zero. */
export function signedLevelOf(value: number): number {
  return value < 0 ? -levelOf(-value) : levelOf(value);
}

/** Value of a signed level. */
export function signedLevelValue(level: number): number {
  return level < 0 ? -(LEVEL_VALUES[-level] as number) : (LEVEL_VALUES[level] as number);
}
