/**
 * The cheap checks of a submission's norm, each a pure function.
 *
 * A check answers null when all is well, or a refusal: a reason code and the figures behind it, both shown to the
 * submission's sender.
 */
import { type Refusal, refusal } from './notes.ts';

/** Lower median: with two values the smaller, so that one outlier of two cannot raise its own limit. NaN when empty. */
export function lowerMedian(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/** Far above the median norm, or nothing at all. Norms under the limit are clipped to the median when applied. */
export function normProblem(norm: number, median: number, maxRatio: number): Refusal | null {
  if (norm === 0) return refusal('norm', 'changes-nothing');
  if (norm <= median * maxRatio) return null;
  return refusal('norm', 'norm-far', { norm, median, limit: maxRatio });
}

/** A submission's norm and the tokens that it claims to come of. */
export interface NormOfWork {
  readonly norm: number;
  readonly tokens: number;
}

/** Others that it takes to say what norm so many tokens have. */
const MIN_OTHERS = 4;

/**
 * The least that a measure of a step of `other` tokens says of one of `own`, as a factor: down with the square of the
 * ratio and up by `up`, so that too little is expected rather than too much.
 */
export const leastScale = (own: number, other: number, up: (ratio: number) => number): number => {
  const ratio = own / other;
  return ratio < 1 ? ratio ** 2 : up(ratio);
};

/**
 * Refuses a norm under `least` times the median of the others', each scaled to the tokens claimed: fewer steps than said.
 * Its own reason, since unlike a norm far too large it can befall honest work: a tab that lost its moments.
 */
export function shortNormProblem(
  own: NormOfWork,
  others: readonly NormOfWork[],
  least: number,
): Refusal | null {
  if (others.length < MIN_OTHERS) return null;
  // Norms grow about as tokens^0.75 (measured, decision 5), between a random walk's square root and straight ahead,
  // and faster where the learning rate still rises.
  const expected = lowerMedian(
    others.map(({ norm, tokens }) => norm * leastScale(own.tokens, tokens, Math.sqrt)),
  );
  if (own.norm >= least * expected) return null;
  return refusal('work', 'norm-short', { norm: own.norm, expected, least });
}
