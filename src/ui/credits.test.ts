/** What is said of credits: an estimate from what was paid, and what has become of a round's. */
import { describe, expect, it } from 'vitest';
import type { RoundRecord } from '../app/state.ts';
import { creditState, estimateNext } from './credits.tsx';

const record = (round: number, weight: number | null, emission = 1_000_000): RoundRecord => ({
  round,
  height: round,
  root: null,
  contributors: 2,
  heldOutLoss: null,
  at: 0,
  own: {
    outcome: weight === null ? 'refused' : 'accepted',
    reason: weight === null ? 'late' : null,
    note: null,
    innerSteps: 1,
    tokens: 1,
    credits: 0,
    submissionBytes: 1,
    share: weight === null ? null : { rank: 1, of: 2, weight, totalWeight: 100, emission, halvings: 0 },
  },
});

describe('the estimate of the open round', () => {
  it('is the mean share of the last five accepted rounds of what is issued now', () => {
    const rounds = [record(1, 90), record(2, 10), record(3, null), ...[4, 5, 6].map((r) => record(r, 20))];
    expect(estimateNext([...rounds, record(7, 30, 500_000)])).toBe(100_000);
  });

  it('is none before anything was accepted: a hope is no estimate', () => {
    expect(estimateNext([])).toBeNull();
    expect(estimateNext([record(1, null)])).toBeNull();
  });
});

it('credits are vested unless the chain says otherwise', () => {
  const standing = { provisionalRounds: [5, 6], forfeitedRounds: [3] };
  expect([2, 3, 5].map((round) => creditState(standing, round))).toEqual([
    'vested',
    'forfeited',
    'provisional',
  ]);
});
