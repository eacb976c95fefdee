/**
 * Published peak of fp32 on the shader cores (no tensor or matrix units, dense), TFLOP/s, by the adapter's name.
 * From the makers' data sheets; --peak overrides. Order matters: the first match counts.
 */
const PEAKS: readonly (readonly [RegExp, number])[] = [
  [/h200|h100 (sxm|80gb hbm3)/i, 66.9],
  [/h100/i, 51.2],
  [/a100/i, 19.5],
  [/v100/i, 15.7],
  [/l40s/i, 91.6],
  [/\bl4\b/i, 30.3],
  [/\bt4\b/i, 8.1],
  [/rtx 5090/i, 104.8],
  [/rtx 5080/i, 56.3],
  [/rtx 4090/i, 82.6],
  [/rtx 4080/i, 48.7],
  [/rtx 4070 ti/i, 40.1],
  [/rtx 4070/i, 29.1],
  [/rtx 4060/i, 15.1],
  [/rtx 3090/i, 35.6],
  [/rtx 3080/i, 29.8],
  [/rtx 3070/i, 20.3],
  [/rtx 3060/i, 12.7],
  [/7900 xtx/i, 61.4],
  [/6800 xt/i, 20.7],
  [/arc.*a770/i, 19.7],
  [/m1 max/i, 10.4],
  [/m1 pro/i, 5.2],
  [/\bm1\b/i, 2.6],
  [/m2 max/i, 13.6],
  [/m2 pro/i, 6.8],
  [/\bm2\b/i, 3.6],
];

/** TFLOP/s, or undefined for an adapter that is not in the table. Dawn writes names with dashes: "nvidia-h200". */
export const knownPeak = (description: string): number | undefined => {
  const words = description.replaceAll(/[-_]+/g, ' ');
  return PEAKS.find(([pattern]) => pattern.test(words))?.[1];
};
