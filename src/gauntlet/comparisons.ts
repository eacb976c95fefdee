/**
 * The checks that hold a round's submissions against each other: norms, directions, gains.
 *
 * The yardstick is a median of the others' work, and only of those who count: everybody, or, once enough of a round's work
 * comes from contributors who passed an audit, those. New identities cost next to nothing, and would outvote them.
 */
import { agreementProblem, agreements } from './agreement.ts';
import { lowerMedian, normProblem, shortNormProblem } from './checks.ts';
import type { Inspected } from './inspect.ts';
import type { Refusal } from './notes.ts';
import { gainProblem, type PairedLosses } from './scores.ts';

/** A submission among others. */
export interface Compared {
  readonly inspected: Inspected;
  /** Claimed. */
  readonly tokens: number;
  /** Trained from empty moments with good reason (CarryBook.startsOver): a joiner, or a tab that was reloaded. */
  readonly fresh: boolean;
  /** Belongs to the yardstick. */
  readonly counts: boolean;
}

/** A submission whose losses around its step were measured on the text common to the round. */
export interface Measured extends Pick<Compared, 'tokens' | 'fresh' | 'counts'> {
  readonly unassigned: PairedLosses;
}

/**
 * How much of `minGain` is asked of a step from empty moments among others with full ones: such steps gained 0.47 of the
 * median and more with 16 inner steps, 0.23 and more with 4, in which Adam hardly gets going (decision 7).
 */
const FRESH_GAIN = 1 / 3;
/** How much of `minNorm`: Adam's first steps made norms of 0.67 and more of what full moments make of them. */
const FRESH_NORM = 0.6;

/** Refuses norms far from the others', and those too small for the tokens claimed. One answer each, in their order. */
export function normProblems(
  work: readonly Compared[],
  { maxNormRatio, minNorm }: { readonly maxNormRatio: number; readonly minNorm: number },
): (Refusal | null)[] {
  const counted = work.filter(({ counts, inspected }) => counts && inspected.norm > 0);
  const median = lowerMedian(counted.map(({ inspected }) => inspected.norm));
  const far = work.map(({ inspected }) => normProblem(inspected.norm, median, maxNormRatio));
  if (minNorm === 0) return far;
  const left = work.filter((_, i) => far[i] === null);
  const excused = excusesFresh(left);
  const normOf = ({ inspected, tokens }: Compared) => ({ norm: inspected.norm, tokens });
  return work.map((own, i) => {
    if (far[i] !== null) return far[i];
    const others = othersOf(left, own).map(normOf);
    return shortNormProblem(normOf(own), others, minNorm * (excused(own) ? FRESH_NORM : 1));
  });
}

/** Refuses signs that are not those of the others. `seed` draws the chunks that are compared. */
export function directionProblems(
  work: readonly Compared[],
  minAgreement: number,
  seed: number,
): (Refusal | null)[] {
  const inspected = work.map((one) => one.inspected);
  const known = work.every(({ counts }) => counts) ? undefined : (i: number) => work[i].counts;
  const all = agreements(inspected, seed, known).map((agreement, i) => ({
    agreement,
    counts: work[i].counts,
  }));
  return all.map((own) => {
    const others = othersOf(all, own).map(({ agreement }) => agreement);
    return agreementProblem(own.agreement, others, minAgreement);
  });
}

/** Refuses gains far below the others'. */
export function gainProblems(work: readonly Measured[], minGain: number): (Refusal | null)[] {
  const excused = excusesFresh(work);
  return work.map((own) => gainProblem(own, othersOf(work, own), minGain * (excused(own) ? FRESH_GAIN : 1)));
}

const othersOf = <T extends { readonly counts: boolean }>(all: readonly T[], own: T): T[] =>
  all.filter((other) => other !== own && other.counts);

/** Who begins from empty moments among others with full ones. Where most begin, they are each other's yardstick. */
function excusesFresh<T extends Pick<Compared, 'fresh' | 'counts'>>(work: readonly T[]): (one: T) => boolean {
  const yardstick = work.filter(({ counts }) => counts);
  const most = 2 * yardstick.filter(({ fresh }) => fresh).length >= yardstick.length;
  return ({ fresh }) => fresh && !most;
}
