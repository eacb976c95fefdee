/**
 * What a validator remembers of contributors from round to round: a pure fold over its own signed verdicts, so that
 * anybody with the verdicts recomputes it.
 *
 * - rating: Plackett-Luce over the order of unassigned loss gains within each round (rating.ts);
 * - work: moving mean of +1 when the gain on assigned data exceeds that on unassigned data, -1 when not. Who really
 *   trains on its assignment tends to 1, who does not hovers at 0 (Gauntlet's proof of computation) and is refused;
 * - verified: rounds accepted, for the newcomers' ramp. A provable lie costs all of it, a bad round half; a failed audit
 *   makes it -1, and nothing is accepted until an audit is passed (book.ts);
 * - proven: passed an audit. Where enough contributors are, only theirs is applied (`trialFrom`).
 */
import { compareBytes, concatBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { MessageOf, RefusalReason } from '../protocol/messages.ts';
import { type Refusal, refusal } from './checks.ts';
import { newRating, ordinal, rateMatch, type Rating } from './rating.ts';

export interface Standing {
  readonly contributor: Uint8Array;
  readonly rating: Rating;
  /** -1..1; 0 before the first measurement. */
  readonly work: number;
  readonly measurements: number;
  /** -1: failed an audit and has passed none since. */
  readonly verified: number;
  /** Passed an audit, and failed none since. */
  readonly proven: boolean;
  readonly lastRound: number;
}

/** By hex key. */
export type Standings = ReadonlyMap<string, Standing>;

/** Weight of the newest measurement in `work`: a memory of about 20 rounds. */
const WORK_WEIGHT = 0.05;
/** Measurements before `work` counts, and the value below which it then counts as none. */
const WORK_WARMUP = 10;
const WORK_FLOOR = 0.1;
/** Mean of signs that honest work has at least (0.8 to 1 measured), and the standard errors by which it must be missed. */
const WORK_LEAST = 0.5;
const WORK_DOUBT = 2;
/** Identities remembered; beyond, those silent for longest with the least to lose are forgotten. */
const MAX_STANDINGS = 20_000;

/** Refusals that only a dishonest or broken sender gets, whatever its luck. */
const LIES: ReadonlySet<RefusalReason> = new Set([
  'copy',
  'direction',
  'hash-mismatch',
  'malformed',
  'norm',
  'not-finite',
]);

export const newStanding = (contributor: Uint8Array): Standing => ({
  contributor,
  rating: newRating,
  work: 0,
  measurements: 0,
  verified: 0,
  proven: false,
  lastRound: -1,
});

/** Rank score for the selection of contributors: ordinal times proof of work; 0 for newcomers and for non-workers. */
export function standingScore(standing: Standing): number {
  const work = standing.measurements > WORK_WARMUP && standing.work < WORK_FLOOR ? 0 : standing.work;
  return Math.max(0, ordinal(standing.rating)) * Math.max(0, work);
}

/** Mean of the signs so far, and its standard error: a moving mean begins at 0 and must be divided by its weights. */
export function workMean({ work, measurements }: Standing): { mean: number; error: number } {
  const left = (1 - WORK_WEIGHT) ** measurements;
  const spread = (WORK_WEIGHT / (2 - WORK_WEIGHT)) * (1 - left ** 2);
  return { mean: work / (1 - left), error: Math.sqrt(spread) / (1 - left) };
}

/** Refuses who round after round helps its own text no more than any other, beyond doubt. */
export function workProblem(standing: Standing | undefined): Refusal | null {
  if (standing === undefined || standing.measurements < WORK_WARMUP) return null;
  const { mean, error } = workMean(standing);
  if (mean + WORK_DOUBT * error >= WORK_LEAST) return null;
  const better = `${Math.round(50 * (mean + 1))} %`;
  return refusal('work', `better on its own text than on other text in only ${better} of its rounds`);
}

/** Standings after a verdict. */
export function updateStandings(standings: Standings, verdict: MessageOf<'verdict'>): Standings {
  const next = new Map(standings);
  const change = (contributor: Uint8Array, update: (old: Standing) => Partial<Standing>) => {
    const id = toHex(contributor);
    const old = next.get(id) ?? newStanding(contributor);
    next.set(id, { ...old, ...update(old), lastRound: verdict.round });
  };
  // Equal gains are ordered by a hash of the round, so that no key is always the luckier one.
  const round = new Uint8Array(4);
  new DataView(round.buffer).setUint32(0, verdict.round);
  const lot = (contributor: Uint8Array) => sha256Sync(concatBytes(round, contributor));
  const ranked = [...verdict.scores].sort(
    (a, b) => b.unassigned - a.unassigned || compareBytes(lot(a.contributor), lot(b.contributor)),
  );
  const ratings = rateMatch(ranked.map((s) => next.get(toHex(s.contributor))?.rating ?? newRating));
  ranked.forEach((score, i) => {
    const sign = score.assigned > score.unassigned ? 1 : -1;
    change(score.contributor, (old) => ({
      rating: ratings[i],
      work: old.work + WORK_WEIGHT * (sign - old.work),
      measurements: old.measurements + 1,
    }));
  });
  for (const { contributor } of verdict.accepted) {
    change(contributor, ({ verified }) => ({ verified: verified < 0 ? verified : verified + 1 }));
  }
  for (const { contributor, reason } of verdict.refused) {
    // Somebody unknown has nothing to lose, and must not fill our memory by being refused.
    if (!next.has(toHex(contributor))) continue;
    if (LIES.has(reason)) change(contributor, (old) => ({ verified: Math.min(0, old.verified) }));
    else if (reason === 'loss') change(contributor, (old) => ({ verified: old.verified >> 1 }));
  }
  for (const { contributor, outcome } of verdict.audits) {
    if (!next.has(toHex(contributor))) continue;
    const proven = outcome === 'passed';
    change(contributor, ({ verified }) => ({ proven, verified: proven ? Math.max(0, verified) : -1 }));
  }
  if (next.size > MAX_STANDINGS) forget(next);
  return next;
}

function forget(standings: Map<string, Standing>): void {
  const order = [...standings].sort(([, a], [, b]) => a.lastRound - b.lastRound || a.verified - b.verified);
  for (const [id] of order.slice(0, standings.size - MAX_STANDINGS)) standings.delete(id);
}
