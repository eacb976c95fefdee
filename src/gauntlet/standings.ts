/**
 * What a validator measures of contributors from round to round: a pure fold over its own scores. What all validators
 * agree on (verified rounds, passed audits) is in the ledger (chain/ledger.ts) and not here.
 *
 * - rating: Plackett-Luce over the order of unassigned loss gains within each round (rating.ts);
 * - work: moving mean of +1 when the gain on assigned data exceeds that on unassigned data, -1 when not. A contributor that
 *   really trains on its assignment tends to 1; one that does not hovers at 0 (Gauntlet's proof of computation) and is
 *   refused.
 */
import { compareBytes, concatBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { Score } from '../protocol/messages.ts';
import { type Refusal, refusal } from './notes.ts';
import { newRating, ordinal, rateMatch, type Rating } from './rating.ts';

export interface Standing {
  readonly contributor: Uint8Array;
  readonly rating: Rating;
  /** -1..1; 0 before the first measurement. */
  readonly work: number;
  readonly measurements: number;
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
/** Identities remembered; beyond, those measured longest ago and least often are forgotten. */
const MAX_STANDINGS = 20_000;

export const newStanding = (contributor: Uint8Array): Standing => ({
  contributor,
  rating: newRating,
  work: 0,
  measurements: 0,
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
  return refusal('work', 'no-better-on-own', { share: (mean + 1) / 2 });
}

/** Standings after a round's scores. */
export function updateStandings(standings: Standings, round: number, scores: readonly Score[]): Standings {
  const next = new Map(standings);
  // Equal gains are ordered by a hash of the round, so that no key is always the luckier one.
  const seed = new Uint8Array(4);
  new DataView(seed.buffer).setUint32(0, round);
  const lot = (contributor: Uint8Array) => sha256Sync(concatBytes(seed, contributor));
  const ranked = [...scores].sort(
    (a, b) => b.unassigned - a.unassigned || compareBytes(lot(a.contributor), lot(b.contributor)),
  );
  const ratings = rateMatch(ranked.map((s) => next.get(toHex(s.contributor))?.rating ?? newRating));
  ranked.forEach(({ contributor, assigned, unassigned }, i) => {
    const id = toHex(contributor);
    const old = next.get(id) ?? newStanding(contributor);
    const sign = assigned > unassigned ? 1 : -1;
    next.set(id, {
      contributor,
      rating: ratings[i],
      work: old.work + WORK_WEIGHT * (sign - old.work),
      measurements: old.measurements + 1,
      lastRound: round,
    });
  });
  if (next.size > MAX_STANDINGS) forget(next);
  return next;
}

function forget(standings: Map<string, Standing>): void {
  const order = [...standings].sort(
    ([, a], [, b]) => a.lastRound - b.lastRound || a.measurements - b.measurements,
  );
  for (const [id] of order.slice(0, standings.size - MAX_STANDINGS)) standings.delete(id);
}
