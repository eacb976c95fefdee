/** The picture of a round: arcs true to the schedule, and a steady seat for every peer. */
import { describe, expect, it } from 'vitest';
import { arcs, point, progress, seats, SEATS } from './round-geometry.ts';

const run = { roundMs: 30_000, phaseMs: { train: 21_000, commit: 3_000, reveal: 3_000, judge: 3_000 } };

describe('arcs', () => {
  it('are true to the schedule and fill the circle', () => {
    const all = arcs(run);
    expect(all.map((a) => a.phase)).toEqual(['train', 'commit', 'reveal', 'judge']);
    expect(all[0].length).toBeCloseTo(0.7, 10);
    expect(all[3].start + all[3].length).toBeCloseTo(1, 10);
  });

  it('guess a schedule when none is known', () => {
    expect(arcs(null).reduce((sum, a) => sum + a.length, 0)).toBeCloseTo(1, 10);
  });
});

it('fills what is over and the current phase in part', () => {
  expect(progress(arcs(run), 'reveal', 1_000)).toEqual([1, 1, expect.closeTo(2 / 3, 10), 0]);
  expect(progress(arcs(run), 'train', 99_000)).toEqual([0, 0, 0, 0]);
  expect(progress(arcs(run), 'judge', -5)).toEqual([1, 1, 1, 1]);
});

describe('seats', () => {
  it('never share a place and stay when an unrelated peer leaves', () => {
    const names = Array.from({ length: 20 }, (_, i) => `peer-${i}`);
    const all = seats(names);
    expect(new Set(all.values()).size).toBe(20);
    const lone = seats(['peer-3']);
    const pair = seats(['peer-3', 'peer-9']);
    expect(pair.get('peer-3')).toBe(lone.get('peer-3'));
  });

  it('hold at most all but one', () => {
    const all = seats(Array.from({ length: 500 }, (_, i) => `p${i}`));
    expect(all.size).toBe(SEATS - 1);
    expect(Math.min(...all.values())).toBe(1);
    expect(Math.max(...all.values())).toBe(SEATS - 1);
  });
});

it('puts a quarter of the round at three o’clock', () => {
  const { x, y } = point(0.25, 10, 50);
  expect(x).toBeCloseTo(60, 10);
  expect(y).toBeCloseTo(50, 10);
});
