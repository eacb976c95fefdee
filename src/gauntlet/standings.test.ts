/** Standings over rounds, and the order in which contributors are judged. */
import { describe, expect, test } from 'vitest';
import { rulesOf } from '../chain/rules.ts';
import { toHex } from '../protocol/bytes.ts';
import type { Score } from '../protocol/messages.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { lotSeed, selectionOrder } from './selection.ts';
import { newStanding, type Standings, standingScore, updateStandings, workProblem } from './standings.ts';

const key = (name: string | number) => testHash(name);

const scored = (...scores: [string, number, number][]): Score[] =>
  scores.map(([name, assigned, unassigned]) => ({ contributor: key(name), assigned, unassigned }));

const of = (standings: Standings, name: string) => standings.get(toHex(key(name))) ?? newStanding(key(name));

/** `honest` gains more on its own data, `copier` the same on both, `lazy` less. */
function afterRounds(count: number): Standings {
  let standings: Standings = new Map();
  for (let round = 0; round < count; round++) {
    const wobble = round % 2 === 0 ? 0.01 : -0.01;
    standings = updateStandings(
      standings,
      round,
      scored(['honest', 0.3, 0.2], ['copier', 0.15 + wobble, 0.15], ['lazy', 0.05, 0.1]),
    );
  }
  return standings;
}

describe('standings', () => {
  test('honest work ranks above a copy, whose assigned gain is chance, and above idleness', () => {
    const standings = afterRounds(60);
    expect(of(standings, 'honest').work).toBeGreaterThan(0.9);
    expect(Math.abs(of(standings, 'copier').work)).toBeLessThan(0.1);
    expect(of(standings, 'lazy').work).toBeLessThan(-0.9);
    expect(standingScore(of(standings, 'honest'))).toBeGreaterThan(5);
    expect(standingScore(of(standings, 'copier'))).toBe(0);
    expect(standingScore(of(standings, 'lazy'))).toBe(0);
    expect(of(standings, 'honest')).toMatchObject({ measurements: 60, lastRound: 59 });
  });

  test('is a pure fold: the old value stays, the same scores give the same standings', () => {
    const before = afterRounds(5);
    const copy = new Map(before);
    const after = updateStandings(before, 5, scored(['honest', 1, 0]));
    expect(before).toEqual(copy);
    expect(after).not.toEqual(before);
    expect(afterRounds(5)).toEqual(before);
  });

  test('being refused without a measurement is not a way into our memory', () => {
    expect(updateStandings(new Map(), 0, []).size).toBe(0);
  });
});

describe('selection', () => {
  const nobody = () => false;
  const rules = rulesOf(testManifest(key('organizer'), []).gauntlet);
  const crowd = Array.from({ length: 40 }, (_, i) => key(i));

  test('by lot: a permutation that depends on the seed and on nothing else', () => {
    const seed = lotSeed([key('a'), key('b')]);
    expect(lotSeed([key('b'), key('a')])).toEqual(seed);
    const order = selectionOrder(crowd, rules, new Map(), seed, nobody);
    expect(new Set(order.map(toHex))).toEqual(new Set(crowd.map(toHex)));
    expect(selectionOrder([...crowd].reverse(), rules, new Map(), seed, nobody)).toEqual(order);
    expect(selectionOrder(crowd, rules, new Map(), lotSeed([key('a')]), nobody)).not.toEqual(order);
  });

  test('by rating: the best first, every fourth place to a newcomer, nobody lost', () => {
    const standings = afterRounds(60);
    const everybody = [...crowd, key('honest')];
    const rated = { ...rules, selection: 'rating' as const };
    const order = selectionOrder(everybody, rated, standings, lotSeed([key('a')]), nobody);
    expect(order[0]).toEqual(key('honest'));
    expect(new Set(order.map(toHex)).size).toBe(everybody.length);
    // With more rated than places, newcomers still get every fourth.
    const known = new Map(
      crowd.slice(0, 30).map((contributor, i) => {
        const standing = {
          ...newStanding(contributor),
          rating: { mu: 30 + i, sigma: 1 },
          work: 1,
          measurements: 50,
        };
        return [toHex(contributor), standing];
      }),
    );
    const mixed = selectionOrder(crowd, rated, known, lotSeed([key('a')]), nobody).slice(0, 16);
    expect(mixed.filter((contributor) => !known.has(toHex(contributor)))).toHaveLength(4);
    expect(mixed[0]).toEqual(crowd[29]);
  });
});

test('proof of work: who never trains on its own text is refused after some twenty rounds, until it does', () => {
  // Other people's text helps the own as often more as less than any other text; from round 40 on it works.
  const luck = (round: number) => (round >= 40 || testHash(`luck ${round}`)[0] % 2 === 0 ? 0.01 : -0.01);
  let standings: Standings = new Map();
  const fate: (string | null)[] = [];
  for (let round = 0; round < 60; round++) {
    fate.push(workProblem(standings.get(toHex(key('idler'))))?.reason ?? null);
    expect(workProblem(standings.get(toHex(key('honest'))))).toBeNull();
    const scores = scored(['idler', 0.1 + luck(round), 0.1], ['honest', 0.15, 0.1]);
    standings = updateStandings(standings, round, scores);
  }
  // Ten measurements say nothing yet; luck may hold for some more.
  expect(fate.slice(0, 10).every((reason) => reason === null)).toBe(true);
  const first = fate.indexOf('work');
  expect(first).toBeGreaterThanOrEqual(10);
  expect(first).toBeLessThan(30);
  expect(fate.slice(30, 40).every((reason) => reason === 'work')).toBe(true);
  expect(fate.at(-1)).toBeNull();
});
