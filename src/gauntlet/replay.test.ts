/** The bounds of an audit against what was measured (decision 9): honest machines pass, the smallest lie does not. */
import { describe, expect, test } from 'vitest';
import { judgeReplay, type ReplayFigures } from './replay.ts';

const figures = (change: Partial<ReplayFigures> = {}): ReplayFigures => ({
  work: 0,
  moment1: 0,
  moment2: 0,
  sent: 0,
  steps: 0,
  ...change,
});

test('honest work on another driver passes, also were it a hundred times as far off', () => {
  for (const factor of [1, 100]) {
    const drift = { work: 1.4e-5 * factor, moment1: 2.6e-6 * factor, moment2: 1.7e-6 * factor };
    expect(judgeReplay(figures(drift)).outcome).toBe('passed');
  }
});

describe('each figure alone fails what is off', () => {
  // The least that one changed fact in a round's text was seen to do: attack targeted-poison, seed 2.
  test.each([
    ['work', 0.016],
    ['moment1', 0.017],
    ['moment2', 0.012],
    ['sent', 0.047],
    ['steps', 1],
    ['work', Number.NaN],
    ['moment1', Number.POSITIVE_INFINITY],
  ] as const)('%s off by %d', (name, value) => {
    expect(judgeReplay(figures({ [name]: value })).outcome).toBe('failed');
  });
});
