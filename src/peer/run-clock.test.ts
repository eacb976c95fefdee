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

/** A machine whose shown time and counter a test moves apart. */
function settable() {
  let ahead = 0;
  let slept = 0;
  const listeners: ((byMs: number) => void)[] = [];
  const machine = {
    now: () => clock.now() - slept,
    wall: () => clock.now() + ahead,
    at: (time: number, callback: () => void) => clock.at(time + slept, callback),
    onJump: (listener: (byMs: number) => void) => {
      listeners.push(listener);
      return () => {};
    },
  };
  const jump = (byMs: number): void => {
    for (const listener of listeners) listener(byMs);
  };
  return {
    machine,
    step: (byMs: number) => {
      ahead += byMs;
      jump(byMs);
    },
    sleep: (ms: number) => {
      slept += ms;
      jump(ms);
    },
  };
}

test.each([3_600_000, -600_000])(
  'a machine that is set by %i ms says so; its time of the swarm stays right',
  async (byMs) => {
    const { machine, step } = settable();
    const run = new RunClock(machine);
    expect(await run.measure(host(machine))).toBeNull();
    let asked = 0;
    run.onJump(() => asked++);
    step(byMs);
    expect(asked).toBe(1);
    expect(run.now()).toBe(clock.now());
    expect(run.toLocal(clock.now())).toBe(machine.wall());
    expect(await run.measure(host(machine), 1)).toEqual({ whose: 'own', byMs });
    expect(await run.measure(host(machine), 1)).toBeNull();
    expect(run.now()).toBe(clock.now());
  },
);

test('a machine that slept is put right, and nobody’s clock is blamed', async () => {
  const { machine, sleep } = settable();
  const run = new RunClock(machine);
  await run.measure(host(machine));
  run.onJump(() => {});
  sleep(8 * 3_600_000);
  expect(await run.measure(host(machine), 3)).toBeNull();
  expect(run.now()).toBe(clock.now());
});

test.each([3_600_000, -600_000])(
  'a host whose time is %i ms further is believed at the next measurement, and named',
  async (byMs) => {
    const run = new RunClock(clock);
    await run.measure(host(clock));
    expect(await run.measure(host(clock, byMs), 1)).toEqual({ whose: 'host', byMs });
    expect(run.now()).toBe(clock.now() + byMs);
    expect(await run.measure(host(clock, byMs), 1)).toBeNull();
  },
);

test('a wait ends when it would have been time, though the host’s time went back by a year', async () => {
  const run = new RunClock(clock);
  await run.measure(host(clock));
  const t0 = clock.now();
  const fired: number[] = [];
  run.at(t0 + 25_000, () => fired.push(clock.now() - t0));
  await clock.run(t0 + 5000);
  await run.measure(host(clock, -31_536_000_000), 1);
  await clock.run(t0 + 60_000);
  expect(fired).toEqual([25_000]);
});
