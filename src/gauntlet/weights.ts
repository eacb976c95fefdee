/** Integer weights of accepted work: by units, newcomers ramped, no identity above its share. */
import type { Rules } from '../chain/rules.ts';
import { MAX_WEIGHT } from '../protocol/limits.ts';

export interface Work {
  readonly units: number;
  /** Rounds in which this contributor was accepted before, less what it lost by misbehaviour. */
  readonly verifiedRounds: number;
}

/** Weight 1..MAX_WEIGHT of each entry; the most work in the round gets MAX_WEIGHT. */
export function weightsOf(work: readonly Work[], rules: Rules): number[] {
  const ramp = rules.rampRounds;
  const values = work.map(({ units, verifiedRounds }) =>
    ramp === 0 ? units : units * Math.min(1, (verifiedRounds + 1) / (ramp + 1)),
  );
  const capped = capShares(values, Math.max(rules.maxShare, 1 / Math.max(1, work.length)));
  const most = Math.max(...capped);
  return capped.map((value) => Math.max(1, Math.round((MAX_WEIGHT * value) / most)));
}

/**
 * Lowers the largest values until none exceeds `share` of the sum ("water filling"): with the top m values cut to one
 * level x, x = share (m x + rest) gives x = share rest / (1 - share m).
 */
function capShares(values: readonly number[], share: number): number[] {
  const descending = [...values].sort((a, b) => b - a);
  let rest = values.reduce((sum, value) => sum + value, 0);
  for (let m = 0; m < descending.length && share * m < 1; m++) {
    const level = m === 0 ? share * rest : (share * rest) / (1 - share * m);
    const next = descending[m];
    if (next <= level * (1 + 1e-12)) return values.map((value) => Math.min(value, m === 0 ? value : level));
    rest -= next;
  }
  // Only an equal share for everybody keeps all of them under the cap.
  const least = descending.at(-1) as number;
  return values.map(() => least);
}
