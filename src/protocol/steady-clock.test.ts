/** A clock that nobody can set: what it makes of steps, drift, sleep, and all of them in any order. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { SteadyClock } from './steady-clock.ts';

const START = 1_800_000_000_000;

/** A machine with its true time, which a test moves. */
function machine(countsSleep: boolean, ahead = 0) {
  let now = START;
  let wallAhead = 0;
  let slept = 0;
  const timers: { at: number; callback: () => void }[] = [];
  const clock = new SteadyClock(
    {
      wall: () => now + wallAhead,
      counter: () => now - START - slept,
      ...(countsSleep ? { uptime: () => Math.floor((now - START + 500_000) / 1000) * 1000 } : {}),
      wait: (ms, callback) => {
        const timer = { at: now + ms, callback };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
    },
    ahead,
  );
  const jumps: number[] = [];
  clock.onJump((byMs) => jumps.push(byMs));
  return {
    clock,
    jumps,
    true: () => now,
    pass: (ms: number) => {
      const end = now + ms;
      for (;;) {
        const [next] = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.splice(timers.indexOf(next), 1);
        now = Math.max(now, next.at);
        next.callback();
      }
      now = end;
    },
    step: (ms: number) => void (wallAhead += ms),
    sleep: (ms: number) => {
      now += ms;
      slept += ms;
    },
  };
}

test.each([3_600_000, -600_000, 86_400_000, 31_536_000_000, 1500])(
  'a step by %i ms is told once, and moves nothing',
  (byMs) => {
    const it = machine(true);
    it.pass(5000);
    it.step(byMs);
    expect(it.clock.now()).toBe(it.true());
    it.pass(60_000);
    expect(it.clock.now()).toBe(it.true());
    expect(it.clock.wall()).toBe(it.true() + byMs);
    expect(it.jumps).toEqual([byMs]);
    it.step(-byMs);
    expect(it.clock.now()).toBe(it.true());
    expect(it.jumps).toEqual([byMs, -byMs]);
  },
);

test('a sleep that the system counts is slept through, and is no jump', () => {
  const it = machine(true);
  it.pass(5000);
  it.sleep(8 * 3_600_000 + 123);
  expect(it.clock.now()).toBe(it.true());
  expect(it.jumps).toEqual([]);
  it.step(3_600_000);
  it.sleep(600_000);
  expect(Math.abs(it.clock.now() - it.true())).toBeLessThanOrEqual(2500);
  expect(it.jumps).toHaveLength(1);
});

test('where nothing counts sleep, it is told as a jump: somebody else knows the time', () => {
  const it = machine(false);
  it.sleep(600_000);
  expect(it.clock.now()).toBe(it.true() - 600_000);
  expect(it.jumps).toEqual([600_000]);
});

test('slow drift is followed without a word', () => {
  const it = machine(true);
  for (let i = 0; i < 10_000; i++) {
    it.pass(10_000);
    it.step(2); // 200 ppm
    it.clock.now();
  }
  expect(it.jumps).toEqual([]);
  expect(Math.abs(it.clock.now() - it.clock.wall())).toBeLessThan(10);
});

test('it may begin ahead of the shown time, as a run’s own time does', () => {
  const it = machine(true, 86_400_000);
  it.pass(100_000);
  expect(it.clock.now()).toBe(it.true() + 86_400_000);
  expect(it.jumps).toEqual([]);
});

test('a wait ends at its time, whatever is done to the shown time meanwhile', () => {
  const it = machine(true);
  const fired: number[] = [];
  it.clock.at(START + 30_000, () => fired.push(it.true() - START));
  it.clock.at(START + 40_000, () => fired.push(-1))();
  it.pass(5000);
  it.step(3_600_000);
  it.pass(10_000);
  it.step(-7_200_000);
  it.pass(60_000);
  expect(fired).toEqual([30_000]);
});

test('whatever happens in whatever order, it never goes back, and is never wrong by more than a coarse uptime allows', () => {
  const happening = fc.oneof(
    fc.record({ is: fc.constant('step' as const), ms: fc.integer({ min: -4e10, max: 4e10 }) }),
    fc.record({ is: fc.constant('sleep' as const), ms: fc.integer({ min: 0, max: 1e8 }) }),
    fc.record({ is: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 1e7 }) }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 12 }), (happenings) => {
      const it = machine(true);
      let last = it.clock.now();
      for (const { is, ms } of happenings) {
        it[is](ms);
        const now = it.clock.now();
        expect(now).toBeGreaterThanOrEqual(last);
        last = now;
      }
      // Each sleep that comes together with a step is known to the second only; drift is followed at a thousandth.
      const passed = it.true() - START;
      expect(Math.abs(last - it.true())).toBeLessThanOrEqual(2500 * happenings.length + passed / 1000 + 1);
    }),
  );
});
