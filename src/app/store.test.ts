/** Rounds stand in their own order, whatever order they are heard in. */
import { expect, test } from 'vitest';
import { addRound, createAppStore } from './store.ts';

const record = (round: number, height: number | null = null) => ({
  round,
  height,
  root: null,
  contributors: 0,
  heldOutLoss: null,
  own: null,
  at: 1000 * round,
});

test('a round heard of before the chain that came before it stands in its place', () => {
  const store = createAppStore();
  for (const round of [13, 4, 6, 7, 14]) addRound(store, record(round));
  addRound(store, record(7, 3));
  expect(store.getState().rounds.map(({ round, height }) => [round, height])).toEqual([
    [4, null],
    [6, null],
    [7, 3],
    [13, null],
    [14, null],
  ]);
});

test('the newest five hundred are kept', () => {
  const store = createAppStore();
  for (let round = 600; round > 0; round--) addRound(store, record(round));
  const { rounds } = store.getState();
  expect([rounds.length, rounds[0]?.round, rounds.at(-1)?.round]).toEqual([500, 101, 600]);
});
