/** Plackett-Luce against the openskill package. */
import * as fc from 'fast-check';
import { rate, rating } from 'openskill';
import { plackettLuce } from 'openskill/models';
import { expect, test } from 'vitest';
import { newRating, ordinal, rateMatch } from './rating.ts';

test('a newcomer has rating 0 for sure', () => {
  expect(ordinal(newRating)).toBeCloseTo(0, 12);
});

test('agrees with openskill for matches of 2 to 20 players', () => {
  const player = fc.record({
    mu: fc.double({ min: 0, max: 50, noNaN: true }),
    sigma: fc.double({ min: 0.5, max: 9, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(player, { minLength: 2, maxLength: 20 }), (players) => {
      const ours = rateMatch(players);
      const theirs = rate(
        players.map((p) => [rating(p)]),
        { model: plackettLuce, beta: 7, tau: 0.1 },
      );
      ours.forEach((mine, i) => {
        const [reference] = theirs[i] as [{ mu: number; sigma: number }];
        expect(mine.mu).toBeCloseTo(reference.mu, 9);
        expect(mine.sigma).toBeCloseTo(reference.sigma, 9);
      });
    }),
    { numRuns: 300 },
  );
});

test('a lone player learns nothing', () => {
  expect(rateMatch([newRating])).toEqual([newRating]);
  expect(rateMatch([])).toEqual([]);
});

test('the better of many noisy rounds ends on top, and the doubt shrinks', () => {
  // Player i is truly better than i + 1; each round swaps two neighbours.
  let ratings = Array.from({ length: 8 }, () => newRating);
  for (let round = 0; round < 60; round++) {
    const order = [0, 1, 2, 3, 4, 5, 6, 7];
    const at = (round * 5) % 7;
    [order[at], order[at + 1]] = [order[at + 1], order[at]];
    const rated = rateMatch(order.map((i) => ratings[i]));
    ratings = ratings.map((old, i) => rated[order.indexOf(i)] ?? old);
  }
  const ordinals = ratings.map(ordinal);
  expect(ordinals).toEqual([...ordinals].sort((a, b) => b - a));
  for (const { sigma } of ratings) expect(sigma).toBeLessThan(newRating.sigma - 0.5);
});
