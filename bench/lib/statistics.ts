/** Order statistics of a few timings. */

/** Linear interpolation between order statistics (Hyndman and Fan's type 7); `q` in [0, 1]. NaN when empty. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const low = sorted[Math.floor(position)] ?? Number.NaN;
  const high = sorted[Math.ceil(position)] ?? Number.NaN;
  return low + (high - low) * (position - Math.floor(position));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Four significant digits: more would be noise, and fewer hides small ratios. */
export const rounded = (value: number): number => Number(value.toPrecision(4));
