/**
 * How many evaluation tokens make the ranking of contributors stable: the order of their gains on n sequences of
 * unassigned text against their order on as many other sequences as were measured besides, as Kendall's tau.
 */
import type { LossMeasurement } from '../src/gauntlet/scores.ts';

/** Gains of each sequence, by contributor, of one round. */
export type RoundGains = ReadonlyMap<string, readonly number[]>;

export const gainsOf = ({ unassigned: { before, after } }: LossMeasurement): number[] =>
  before.map((loss, i) => loss - after[i]);

/**
 * Kendall's tau-a of two lists of values for the same things: the share of pairs in the same order minus the share in
 * opposite order. NaN for fewer than two; a tie counts as neither.
 */
export function kendallTau(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  let pairs = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      sum += Math.sign(a[i] - a[j]) * Math.sign(b[i] - b[j]);
      pairs++;
    }
  }
  return sum / pairs;
}

/**
 * Mean tau over rounds between the order by the first `n` sequences and the order by the second half of all, for a
 * group of contributors. `n` is at most half.
 */
export function stability(rounds: readonly RoundGains[], group: readonly string[], n: number): number {
  const taus = rounds.map((gains) => {
    const lists = group.map((key) => gains.get(key) ?? []);
    const half = (lists[0]?.length ?? 0) >> 1;
    return kendallTau(
      lists.map((list) => mean(list.slice(0, n))),
      lists.map((list) => mean(list.slice(half))),
    );
  });
  return mean(taus);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
