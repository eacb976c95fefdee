/** Each millisecond from joining to leaving is counted once, under its cause. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Activity } from './reasons.ts';
import { idleShare, NO_TIME, TimeUse, USES } from './time-use.ts';

function meter() {
  const clock = { now: 0 };
  return { clock, use: new TimeUse(() => clock.now) };
}

test('a round: steps, packing, announcing, waiting, applying; idle is what is no step', () => {
  const { clock, use } = meter();
  use.does('training', null);
  clock.now = 8000;
  use.steps(1, 7900);
  use.does('compressing', null);
  clock.now = 8500;
  use.does('committing', null);
  clock.now = 8600;
  use.does('waiting', { why: 'verdict' });
  clock.now = 9800;
  use.does('applying', null);
  clock.now = 10_000;
  expect(use.sum).toEqual({
    ...NO_TIME,
    steps: 7900,
    rest: 100,
    compress: 500,
    commit: 100,
    wait: 1200,
    apply: 200,
  });
  expect(idleShare(use.sum)).toBeCloseTo(1 - 7900 / 9900, 9);
});

test('what the volunteer asked for is no idleness: a pause, and a share below all of the time', () => {
  const { clock, use } = meter();
  use.does('training', null);
  clock.now = 1000;
  use.steps(1, 400); // 40 % of the time
  use.pause(true);
  clock.now = 61_000;
  use.does('waiting', { why: 'verdict' });
  clock.now = 70_000;
  use.pause(false);
  expect(use.sum).toEqual({ ...NO_TIME, steps: 400, rest: 600 + 69_000 });
  expect(idleShare(use.sum)).toBe(0);
});

test('fetching is told from waiting, and time away counts nowhere', () => {
  const { clock, use } = meter();
  expect(idleShare(use.sum)).toBeNull();
  clock.now = 5000; // nothing was begun yet
  use.does('connecting', { why: 'connecting' });
  clock.now = 6000;
  use.does('waiting', { why: 'model' });
  clock.now = 8000;
  use.does('waiting', { why: 'admission', inMs: null });
  clock.now = 9000;
  use.leaves();
  clock.now = 90_000;
  expect(use.sum).toEqual({ ...NO_TIME, fetch: 3000, wait: 1000 });
  expect(idleShare(use.sum)).toBe(1);
});

test('the last whole round is told apart from the sum', () => {
  const { clock, use } = meter();
  for (let round = 1; round <= 3; round++) {
    use.does('training', null);
    clock.now += 100;
    use.steps(round, 100);
    clock.now += 800;
    use.steps(round, 900);
    use.does('waiting', { why: 'verdict' });
    clock.now += 100 * round;
  }
  // From round 2's first step to round 3's.
  expect(use.lastRound).toMatchObject({ steps: 900, wait: 200 });
  expect(use.sum).toMatchObject({ steps: 2700, wait: 600 });
});

test('whatever happens, the uses add up to the time at work', () => {
  const activities: Activity[] = ['connecting', 'syncing', 'training', 'compressing', 'waiting', 'applying'];
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat(activities.length - 1),
          fc.nat(5000),
          fc.boolean(),
          fc.double({ min: 0, max: 1, noNaN: true }),
        ),
      ),
      (events) => {
        const { clock, use } = meter();
        let total = 0;
        use.does('connecting', null);
        events.forEach(([kind, ms, paused, share], round) => {
          use.pause(paused);
          use.does(activities[kind], null);
          clock.now += ms;
          total += ms;
          if (activities[kind] === 'training' && !paused) use.steps(round, share * ms);
        });
        const { sum } = use;
        expect(USES.reduce((all, one) => all + sum[one], 0)).toBeCloseTo(total, 6);
        for (const one of USES) expect(sum[one]).toBeGreaterThanOrEqual(0);
      },
    ),
  );
});
