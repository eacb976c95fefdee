/** Each rule by itself, then all of them together under random conditions. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_SETTINGS, type Settings } from '../settings.ts';
import {
  type Conditions,
  decide,
  type Decision,
  FRESH,
  type HoldReason,
  type Memory,
  monthOf,
  nextMonth,
  waive,
} from './rules.ts';

const NOW = new Date(2026, 10, 21, 12).getTime();
const every = [true, true, true, true, true, true, true];
const calm: Conditions = {
  now: NOW,
  battery: { charging: true, level: 1 },
  active: { is: false, until: null },
  metered: false,
  monthBytes: 0,
  neededBytes: 100_000,
};
const settings = (part: Partial<Settings>): Settings => ({ ...DEFAULT_SETTINGS, ...part });
const reasons = (decision: Decision): HoldReason[] => decision.holds.map((hold) => hold.reason);
/** Decisions for a series of conditions, each remembering the one before. */
function series(s: Settings, steps: readonly Partial<Conditions>[], memory: Memory = FRESH): Decision[] {
  return steps.map((step) => {
    const [decision, next] = decide(s, { ...calm, ...step }, memory);
    memory = next;
    return decision;
  });
}
const only = (s: Partial<Settings>, c: Partial<Conditions>): Decision => series(settings(s), [c])[0];

test('with nothing in the way the tab trains with the share that was set', () => {
  expect(only({}, {})).toEqual({
    mayTrain: true,
    holds: [],
    offline: false,
    share: DEFAULT_SETTINGS.gpuShare,
    slowed: false,
    until: null,
  });
});

describe('battery', () => {
  const s = settings({ battery: 'thresholds', pauseBelow: 0.4, resumeAbove: 0.6 });
  const on = (level: number, charging = false) => ({ battery: { level, charging } });

  test('pauses below one threshold and resumes at the other, without flapping between them', () => {
    const steps = [
      on(0.5),
      on(0.4),
      on(0.39),
      on(0.45, true),
      on(0.59, true),
      on(0.6, true),
      on(0.45),
      on(0.3),
    ];
    expect(series(s, steps).map((d) => d.mayTrain)).toEqual([
      true,
      true,
      false,
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  test('a low battery that is being charged does not start a pause', () => {
    expect(series(s, [on(0.1, true)])[0].mayTrain).toBe(true);
  });

  test('the hold says both numbers', () => {
    expect(series(s, [on(0.2)])[0].holds).toEqual([
      { reason: 'battery-low', until: null, level: 0.2, resume: 0.6 },
    ]);
  });

  test('only on mains', () => {
    expect(reasons(only({ battery: 'mains' }, on(1)))).toEqual(['on-battery']);
    expect(only({ battery: 'mains' }, on(0.1, true)).mayTrain).toBe(true);
    expect(only({ battery: 'run' }, on(0.01)).mayTrain).toBe(true);
  });

  test('a browser that does not tell is never a reason to stop', () => {
    expect(only({ battery: 'mains' }, { battery: null }).mayTrain).toBe(true);
  });
});

describe('when I am active', () => {
  const active = { active: { is: true, until: NOW + 60_000 } };

  test('pauses until the computer was idle for long enough', () => {
    const decision = only({ whenActive: 'pause' }, active);
    expect(decision.holds).toEqual([{ reason: 'active', until: NOW + 60_000 }]);
    expect(decision.offline).toBe(false);
    expect(decision.until).toBe(NOW + 60_000);
  });

  test('or slows down, but never speeds up', () => {
    expect(only({ whenActive: 'slow', gpuShare: 0.8, activeShare: 0.2 }, active)).toMatchObject({
      mayTrain: true,
      share: 0.2,
      slowed: true,
      until: NOW + 60_000,
    });
    expect(only({ whenActive: 'slow', gpuShare: 0.2, activeShare: 0.8 }, active)).toMatchObject({
      share: 0.2,
      slowed: false,
    });
    expect(only({ whenActive: 'run' }, active)).toMatchObject({ mayTrain: true, slowed: false });
  });
});

describe('network', () => {
  test('a metered line takes the tab off the network', () => {
    expect(only({ metered: 'pause' }, { metered: true })).toMatchObject({ mayTrain: false, offline: true });
    expect(only({ metered: 'run' }, { metered: true }).mayTrain).toBe(true);
    expect(only({ metered: 'pause' }, { metered: null }).mayTrain).toBe(true);
  });

  test('the monthly limit leaves room for the round and ends with the month', () => {
    const cap = { monthlyCap: 1_000_000 };
    expect(only(cap, { monthBytes: 900_000 }).mayTrain).toBe(true);
    expect(only(cap, { monthBytes: 900_001 })).toMatchObject({
      mayTrain: false,
      offline: true,
      until: new Date(2026, 11, 1).getTime(),
      holds: [{ reason: 'monthly-cap', used: 900_001, cap: 1_000_000 }],
    });
  });

  test('months roll over at local midnight, also at the end of the year', () => {
    expect(monthOf(new Date(2026, 11, 31, 23, 59, 59).getTime())).toBe('2026-12');
    const next = nextMonth(new Date(2026, 11, 31, 23, 59, 59).getTime());
    expect(monthOf(next)).toBe('2027-01');
    expect(monthOf(next - 1)).toBe('2026-12');
  });
});

describe('schedule', () => {
  const nights = { schedule: [{ days: every, from: 22 * 60, to: 7 * 60 }] };

  test('a long wait is spent off the network, a short one in the swarm', () => {
    const noon = only(nights, {});
    expect(noon).toMatchObject({ mayTrain: false, offline: true, until: NOW + 10 * 3_600_000 });
    const soon = only(nights, { now: new Date(2026, 10, 21, 21, 55).getTime() });
    expect(soon).toMatchObject({ mayTrain: false, offline: false });
  });

  test('an open schedule says when it closes', () => {
    const night = only(nights, { now: new Date(2026, 10, 21, 23).getTime() });
    expect(night).toMatchObject({ mayTrain: true, until: new Date(2026, 10, 22, 7).getTime() });
  });
});

test('a rule waved aside stays so until it stops holding by itself, then holds again', () => {
  const s = settings({ metered: 'pause' });
  const [decision, memory] = decide(s, { ...calm, metered: true }, FRESH);
  const after = series(
    s,
    [{ metered: true }, { metered: true }, { metered: false }, { metered: true }],
    waive(decision, memory),
  );
  expect(after.map((d) => d.mayTrain)).toEqual([true, true, true, false]);
});

test('waving one rule aside waves no other', () => {
  const s = settings({ metered: 'pause', battery: 'mains' });
  const [decision, memory] = decide(s, { ...calm, metered: true }, FRESH);
  const battery = { level: 0.5, charging: false };
  const [next] = decide(s, { ...calm, metered: true, battery }, waive(decision, memory));
  expect(reasons(next)).toEqual(['on-battery']);
});

const anySettings: fc.Arbitrary<Settings> = fc.record({
  gpuShare: fc.double({ min: 0.1, max: 1, noNaN: true }),
  whenActive: fc.constantFrom('run', 'slow', 'pause'),
  activeShare: fc.double({ min: 0.1, max: 1, noNaN: true }),
  idleMinutes: fc.integer({ min: 1, max: 60 }),
  battery: fc.constantFrom('run', 'thresholds', 'mains'),
  pauseBelow: fc.constantFrom(0.2, 0.4),
  resumeAbove: fc.constantFrom(0.5, 0.9),
  metered: fc.constantFrom('run', 'pause'),
  keepAwake: fc.boolean(),
  schedule: fc.option(
    fc.array(
      fc.record({
        days: fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
        from: fc.integer({ min: 0, max: 1439 }),
        to: fc.integer({ min: 0, max: 1439 }),
      }),
      { maxLength: 2 },
    ),
  ),
  downRate: fc.constant(null),
  upRate: fc.constant(null),
  monthlyCap: fc.option(fc.integer({ min: 0, max: 10_000_000 })),
});
const anyConditions: fc.Arbitrary<Conditions> = fc.record({
  now: fc.integer({ min: NOW, max: NOW + 400 * 86_400_000 }),
  battery: fc.option(
    fc.record({ charging: fc.boolean(), level: fc.double({ min: 0, max: 1, noNaN: true }) }),
  ),
  active: fc.oneof(
    fc.constant({ is: false, until: null }),
    fc.constant({ is: true, until: NOW + 401 * 86_400_000 }),
  ),
  metered: fc.option(fc.boolean()),
  monthBytes: fc.nat(10_000_000),
  neededBytes: fc.nat(100_000),
});

test('whatever happens: it waits only with a reason, never exceeds the share, and foretells only the future', () => {
  fc.assert(
    fc.property(anySettings, fc.array(anyConditions, { minLength: 1, maxLength: 6 }), (s, steps) => {
      let memory = FRESH;
      for (const conditions of steps) {
        const [decision, next] = decide(s, conditions, memory);
        expect(decision.mayTrain).toBe(decision.holds.length === 0);
        expect(decision.share).toBeLessThanOrEqual(s.gpuShare);
        expect(decision.share).toBeGreaterThanOrEqual(0.1);
        if (decision.offline) expect(decision.mayTrain).toBe(false);
        if (decision.until !== null) expect(decision.until).toBeGreaterThan(conditions.now);
        // Deciding again under the same conditions changes nothing: no flapping.
        expect(decide(s, conditions, next)).toEqual([decision, next]);
        // Waving aside what holds is always enough to train at once.
        expect(decide(s, conditions, waive(decision, next))[0].mayTrain).toBe(true);
        memory = next;
      }
    }),
    { numRuns: 200 },
  );
});

test('settings that allow everything never wait', () => {
  const free: Partial<Settings> = {
    whenActive: 'run',
    battery: 'run',
    metered: 'run',
    schedule: null,
    monthlyCap: null,
  };
  fc.assert(
    fc.property(anySettings, anyConditions, (s, conditions) => {
      expect(decide({ ...s, ...free }, conditions, FRESH)[0].mayTrain).toBe(true);
    }),
  );
});
