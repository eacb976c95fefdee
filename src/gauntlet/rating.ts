/**
 * Plackett-Luce ratings after Weng and Lin, "A Bayesian Approximation Method for Online Ranking", JMLR 12 (2011),
 * Algorithm 4, for matches of single players without ties: what OpenSkill calls plackettLuce.
 *
 * Loss scores are not comparable from round to round, but their order within a round is. A rating learns from orders.
 */

export interface Rating {
  readonly mu: number;
  readonly sigma: number;
}

/** OpenSkill's start. */
export const newRating: Rating = { mu: 25, sigma: 25 / 3 };
/** Performance noise and drift a match, as Covenant-72B's validators had them. */
const BETA = 7;
const TAU = 0.1;
/** Smallest share of a variance that one match leaves. */
const EPSILON = 1e-4;

/** Lower end of what the rating may truly be: mu - 3 sigma; 0 for a newcomer. */
export const ordinal = ({ mu, sigma }: Rating): number => mu - 3 * sigma;

/** Ratings after one match, `ranked` from best to worst. Ties must be broken by the caller. */
export function rateMatch(ranked: readonly Rating[]): Rating[] {
  if (ranked.length < 2) return [...ranked];
  const players = ranked.map(({ mu, sigma }) => ({ mu, variance: sigma * sigma + TAU * TAU }));
  const c = Math.sqrt(players.reduce((sum, p) => sum + p.variance + BETA * BETA, 0));
  const strength = players.map((p) => Math.exp(p.mu / c));
  // remaining[q]: total strength of those still unplaced when place q is taken.
  const remaining = new Array<number>(players.length).fill(0);
  let sum = 0;
  for (let q = players.length - 1; q >= 0; q--) {
    sum += strength[q];
    remaining[q] = sum;
  }
  let inverse = 0;
  let inverseSquares = 0;
  return players.map((p, i) => {
    // Player i was in the draw for places 0..i and won place i. Prefix sums keep a match linear in its players.
    inverse += 1 / remaining[i];
    inverseSquares += 1 / remaining[i] ** 2;
    const own = strength[i];
    const omega = 1 - own * inverse;
    const delta = own * inverse - own * own * inverseSquares;
    const gamma = Math.sqrt(p.variance) / c;
    return {
      mu: p.mu + (p.variance / c) * omega,
      sigma: Math.sqrt(p.variance * Math.max(1 - gamma * (p.variance / (c * c)) * delta, EPSILON)),
    };
  });
}
