/**
 * The cheap checks of a submission, each a pure function: what a commit claims, and how a norm compares.
 *
 * A check answers null when all is well, or a refusal: a reason code and the numbers behind it in plain words, both
 * shown to the submission's sender.
 */
import { bytesEqual } from '../protocol/bytes.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf, RefusalReason } from '../protocol/messages.ts';

export interface Refusal {
  readonly reason: RefusalReason;
  readonly detail: string;
}

export const refusal = (reason: RefusalReason, detail: string): Refusal => ({
  reason,
  detail: detail.slice(0, MAX_DETAIL),
});
const MAX_DETAIL = 160;

/** Tokens that one inner step trains at most. */
export const tokensPerStep = ({ training }: Manifest): number =>
  training.batch * training.accumulation * training.sequence;

/** What can be said of a commit from the manifest alone: size and claimed work. */
export function commitProblem(
  commit: MessageOf<'commit'>,
  manifest: Manifest,
  maxBytes: number,
): Refusal | null {
  if (commit.size > maxBytes) {
    return refusal('too-large', `${commit.size} bytes, the run allows ${maxBytes}`);
  }
  const { maxInnerSteps } = manifest.training;
  if (commit.innerSteps > maxInnerSteps) {
    return refusal('malformed', `claims ${commit.innerSteps} inner steps, the run allows ${maxInnerSteps}`);
  }
  const most = commit.innerSteps * tokensPerStep(manifest);
  if (commit.tokens > most) {
    return refusal('malformed', `claims ${commit.tokens} tokens, ${commit.innerSteps} steps have ${most}`);
  }
  return null;
}

/** Whether the work started from the certified state. */
export function stateProblem(commit: MessageOf<'commit'>, root: Uint8Array): Refusal | null {
  if (bytesEqual(commit.baseRoot, root)) return null;
  return refusal('state', 'computed from another state than the certified one; sync and try again');
}

/** Lower median: with two values the smaller, so that one outlier of two cannot raise its own limit. NaN when empty. */
export function lowerMedian(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/** Far above the median norm, or nothing at all. Norms under the limit are clipped to the median when applied. */
export function normProblem(norm: number, median: number, maxRatio: number): Refusal | null {
  if (norm === 0) return refusal('norm', 'an update that changes nothing');
  if (norm <= median * maxRatio) return null;
  return refusal('norm', `norm ${norm.toPrecision(4)}, median ${median.toPrecision(4)}, limit ${maxRatio}x`);
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
  // Norms grow about as tokens^0.75 (measured, docs/gauntlet.md), between a random walk's square root and straight ahead,
  // and faster where the learning rate still rises.
  const expected = lowerMedian(
    others.map(({ norm, tokens }) => norm * leastScale(own.tokens, tokens, Math.sqrt)),
  );
  if (own.norm >= least * expected) return null;
  const [mine, theirs] = [own.norm, expected].map((norm) => norm.toPrecision(4));
  return refusal('work', `norm ${mine}, others' at least ${theirs} for as many tokens; needs ${least} of it`);
}
