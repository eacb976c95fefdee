/** Standings over rounds, and the order in which contributors are judged. */
import { describe, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import type { MessageOf, RefusalReason } from '../protocol/messages.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { lotSeed, selectionOrder } from './selection.ts';
import { newStanding, type Standings, standingScore, updateStandings } from './standings.ts';

const key = (name: string | number) => testHash(name);

function verdict(
  round: number,
  scores: [string, number, number][],
  refused: [string, RefusalReason][] = [],
): MessageOf<'verdict'> {
  const out = new Set(refused.map(([name]) => name));
  return {
    kind: 'verdict',
    run: key('run'),
    round,
    baseRoot: key('root'),
    accepted: scores
      .filter(([name]) => !out.has(name))
      .map(([name]) => ({
        contributor: key(name),
        submission: { hash: key(name), size: 1 },
        tokens: 1,
        innerSteps: 1,
        weight: 1,
      })),
    refused: refused.map(([name, reason]) => ({ contributor: key(name), reason, detail: '' })),
    scores: scores.map(([name, assigned, unassigned]) => ({ contributor: key(name), assigned, unassigned })),
    joined: [],
    audits: [],
  };
}

const of = (standings: Standings, name: string) => standings.get(toHex(key(name))) ?? newStanding(key(name));

/** `honest` gains more on its own data, `copier` the same on both, `lazy` less. */
function afterRounds(count: number): Standings {
  let standings: Standings = new Map();
  for (let round = 0; round < count; round++) {
    const wobble = round % 2 === 0 ? 0.01 : -0.01;
    standings = updateStandings(
      standings,
      verdict(round, [
        ['honest', 0.3, 0.2],
        ['copier', 0.15 + wobble, 0.15],
        ['lazy', 0.05, 0.1],
      ]),
    );
  }
  return standings;
}

describe('standings', () => {
  test('proven is who passed the last audit', () => {
    const after = (...outcomes: ('passed' | 'failed')[]) => {
      let standings = updateStandings(new Map(), verdict(0, [['a', 0.2, 0.1]]));
      for (const [i, outcome] of outcomes.entries()) {
        const audits = [{ contributor: key('a'), round: i, outcome, detail: '' }];
        standings = updateStandings(standings, { ...verdict(i + 1, []), audits });
      }
      const { proven, verified } = of(standings, 'a');
      return { proven, verified };
    };
    expect(after()).toEqual({ proven: false, verified: 1 });
    expect(after('passed')).toEqual({ proven: true, verified: 1 });
    expect(after('passed', 'failed')).toEqual({ proven: false, verified: -1 });
    expect(after('failed', 'passed')).toEqual({ proven: true, verified: 0 });
  });

  test('honest work ranks above a copy, whose assigned gain is chance, and above idleness', () => {
    const standings = afterRounds(60);
    expect(of(standings, 'honest').work).toBeGreaterThan(0.9);
    expect(Math.abs(of(standings, 'copier').work)).toBeLessThan(0.1);
    expect(of(standings, 'lazy').work).toBeLessThan(-0.9);
    expect(standingScore(of(standings, 'honest'))).toBeGreaterThan(5);
    expect(standingScore(of(standings, 'copier'))).toBe(0);
    expect(standingScore(of(standings, 'lazy'))).toBe(0);
    expect(of(standings, 'honest')).toMatchObject({ verified: 60, measurements: 60, lastRound: 59 });
  });

  test('is a pure fold: the old value stays, the same verdicts give the same standings', () => {
    const before = afterRounds(5);
    const copy = new Map(before);
    const after = updateStandings(before, verdict(5, [['honest', 1, 0]]));
    expect(before).toEqual(copy);
    expect(after).not.toEqual(before);
    expect(afterRounds(5)).toEqual(before);
  });

  test.each([
    ['copy', 0],
    ['norm', 0],
    ['loss', 4],
    ['late', 8],
    ['capacity', 8],
  ] as const)('refusal for %s leaves %i of 8 verified rounds', (reason, left) => {
    const standings = updateStandings(afterRounds(8), verdict(8, [], [['honest', reason]]));
    expect(of(standings, 'honest').verified).toBe(left);
  });

  test('being refused is not a way into our memory', () => {
    expect(updateStandings(new Map(), verdict(0, [], [['stranger', 'copy']])).size).toBe(0);
  });
});

describe('selection', () => {
  const { gauntlet } = testManifest(key('organizer'), []);
  const crowd = Array.from({ length: 40 }, (_, i) => key(i));

  test('by lot: a permutation that depends on the seed and on nothing else', () => {
    const seed = lotSeed([key('a'), key('b')]);
    expect(lotSeed([key('b'), key('a')])).toEqual(seed);
    const order = selectionOrder(crowd, gauntlet, new Map(), seed);
    expect(new Set(order.map(toHex))).toEqual(new Set(crowd.map(toHex)));
    expect(selectionOrder([...crowd].reverse(), gauntlet, new Map(), seed)).toEqual(order);
    expect(selectionOrder(crowd, gauntlet, new Map(), lotSeed([key('a')]))).not.toEqual(order);
  });

  test('by rating: the best first, every fourth place to a newcomer, nobody lost', () => {
    const standings = afterRounds(60);
    const everybody = [...crowd, key('honest')];
    const rules = { ...gauntlet, selection: 'rating' as const };
    const order = selectionOrder(everybody, rules, standings, lotSeed([key('a')]));
    expect(order[0]).toEqual(key('honest'));
    expect(new Set(order.map(toHex)).size).toBe(everybody.length);
    // With more rated than places, newcomers still get every fourth.
    const rated = new Map(
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
    const mixed = selectionOrder(crowd, rules, rated, lotSeed([key('a')])).slice(0, 16);
    expect(mixed.filter((contributor) => !rated.has(toHex(contributor)))).toHaveLength(4);
    expect(mixed[0]).toEqual(crowd[29]);
  });
});

test('a failed audit leaves no verified rounds, and none come back before an audit is passed', () => {
  const liar = key('liar');
  const entry = {
    contributor: liar,
    submission: { hash: liar, size: 1 },
    tokens: 1,
    innerSteps: 1,
    weight: 1,
  };
  let standings: Standings = new Map();
  const after = (round: number, outcome?: 'passed' | 'failed') => {
    const audits = outcome === undefined ? [] : [{ contributor: liar, round, outcome, detail: '' }];
    standings = updateStandings(standings, { ...verdict(round, []), accepted: [entry], audits });
    return standings.get(toHex(liar))?.verified;
  };
  expect([after(0), after(1)]).toEqual([1, 2]);
  expect([after(2, 'failed'), after(3), after(4)]).toEqual([-1, -1, -1]);
  expect([after(5, 'passed'), after(6)]).toEqual([0, 1]);
});
