/** The swarm's time on a machine whose clock is wrong: shown right, kept right when it turns out wrong, and waits that follow. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { skewed } from '../sim/platform.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import { RunClock } from './run-clock.ts';

let clock: VirtualClock;
beforeEach(() => {
  clock = new VirtualClock();
});
afterEach(() => clock.dispose());

/** A host that answers at once, with the true time and an error. */
function host(machine: { now(): number }, error = 0) {
  const asked: number[] = [];
  const time = async () => {
    asked.push(clock.now());
    return { t0: machine.now(), serverTime: clock.now() + error, t1: machine.now() };
  };
  return { time, asked };
}

test('before the first measurement it is the machine’s own time', () => {
  const machine = skewed(clock, 5000);
  const run = new RunClock(machine);
  expect(run.offsetMs).toBe(0);
  expect(run.now()).toBe(clock.now() + 5000);
  expect(run.toLocal(1000)).toBe(1000);
});

test.each([240_000, -240_000])('a machine that is %i ms ahead is put right', async (ahead) => {
  const machine = skewed(clock, ahead);
  const run = new RunClock(machine);
  const asking = host(machine);
  await run.measure(asking);
  expect(asking.asked).toHaveLength(5);
  expect(run.offsetMs).toBe(-ahead);
  expect(run.now()).toBe(clock.now());
  expect(run.toLocal(clock.now())).toBe(machine.now());
  await run.measure(asking, 1);
  expect(asking.asked).toHaveLength(6);
});

test('a wait ends at the swarm’s time, once, and not before', async () => {
  const machine = skewed(clock, 240_000);
  const run = new RunClock(machine);
  await run.measure(host(machine));
  const fired: number[] = [];
  const t0 = clock.now();
  run.at(t0 + 25_000, () => fired.push(clock.now() - t0));
  run.at(t0 - 1, () => fired.push(clock.now() - t0));
  await clock.run(t0 + 60_000);
  expect(fired).toEqual([0, 25_000]);
});

test('a wait that was begun before the clock was put right ends at the right time, or at most ten seconds late', async () => {
  for (const [ahead, at] of [
    [-100_000, 60_000],
    [55_000, 60_000],
  ] as const) {
    const machine = skewed(clock, ahead);
    const run = new RunClock(machine);
    const t0 = clock.now();
    let fired = 0;
    run.at(t0 + at, () => {
      fired = clock.now() - t0;
    });
    await run.measure(host(machine));
    await clock.run(t0 + 200_000);
    expect(fired).toBeGreaterThanOrEqual(at);
    expect(fired).toBeLessThanOrEqual(at + 10_000);
  }
});

test('a cancelled wait never ends, also after it looked at the time', async () => {
  const run = new RunClock(clock);
  let fired = 0;
  const cancel = run.at(clock.now() + 35_000, () => fired++);
  await clock.run(clock.now() + 25_000);
  cancel();
  await clock.run(clock.now() + 100_000);
  expect(fired).toBe(0);
  expect(clock.pending()).toEqual([]);
});

test('a host that cannot be asked is the caller’s to hear of', async () => {
  const run = new RunClock(clock);
  await expect(run.measure({ time: () => Promise.reject(new Error('away')) })).rejects.toThrow('away');
});
