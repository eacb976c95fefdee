/** Schedule arithmetic and the clock's offset estimate. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  deadlines,
  estimateOffset,
  hasBegun,
  phaseAt,
  roundAt,
  type RoundPhase,
  roundStart,
  SwarmClock,
} from './clock.ts';
import { testHash, testManifest } from './testing.ts';

const { schedule } = testManifest(testHash('organizer'), []);
const START = schedule.startMs;

describe('rounds and phases', () => {
  test.each([
    [START, 0, 'train', START + 20_000],
    [START + 19_999, 0, 'train', START + 20_000],
    [START + 20_000, 0, 'commit', START + 22_000],
    [START + 22_000, 0, 'reveal', START + 25_000],
    [START + 25_000, 0, 'judge', START + 30_000],
    [START + 29_999, 0, 'judge', START + 30_000],
    [START + 30_000, 1, 'train', START + 50_000],
    [START + 3_000_021_000, 100_000, 'commit', START + 3_000_022_000],
  ] as const)('at %i: round %i, %s until %i', (now, round, phase, endsAt) => {
    expect(phaseAt(schedule, now)).toMatchObject({ round, phase, endsAt });
  });

  test('before the run begins everybody waits for round 0, and no round is negative', () => {
    for (const early of [1, 172_800_000, 10 ** 12]) {
      const now = START - early;
      expect(hasBegun(schedule, now)).toBe(false);
      expect(roundAt(schedule, now)).toBe(0);
      expect(phaseAt(schedule, now)).toMatchObject({ round: 0, phase: 'before', endsAt: START });
    }
    expect(hasBegun(schedule, START)).toBe(true);
  });

  test('phases tile time without gap or overlap', () => {
    fc.assert(
      fc.property(fc.integer({ min: START, max: START + 10 ** 12 }), (now) => {
        const here = phaseAt(schedule, now);
        expect(here.startsAt).toBeLessThanOrEqual(now);
        expect(here.endsAt).toBeGreaterThan(now);
        const next = phaseAt(schedule, here.endsAt);
        expect(next.startsAt).toBe(here.endsAt);
        expect(next.round - here.round).toBe(here.phase === 'judge' ? 1 : 0);
        expect(roundAt(schedule, now)).toBe(here.round);
        expect(deadlines(schedule, here.round)[here.phase as RoundPhase]).toBe(here.endsAt);
        expect(roundStart(schedule, here.round)).toBeLessThanOrEqual(now);
      }),
    );
  });
});

describe('offset', () => {
  test('one exchange: server time minus the middle, error half the round trip', () => {
    expect(estimateOffset({ t0: 1000, serverTime: 6050, t1: 1100 })).toEqual({ offset: 5000, error: 50 });
  });

  test('impossible samples are refused', () => {
    const clock = new SwarmClock();
    expect(clock.addSample('host', { t0: 10, serverTime: 10, t1: 9 })).toBe('impossible');
    expect(clock.addSample('host', { t0: 0, serverTime: Number.NaN, t1: 1 })).toBe('impossible');
    expect(clock.estimate()).toEqual({ offset: 0, error: Number.POSITIVE_INFINITY });
  });

  /** A sample of a clock that is `offset` ahead, with delays out and back. */
  const exchange = (offset: number, out: number, back: number) => ({
    t0: 50_000,
    serverTime: 50_000 + out + offset,
    t1: 50_000 + out + back,
  });

  test('the quickest of the last samples counts, and old ones are forgotten', () => {
    const clock = new SwarmClock(() => 50_000);
    clock.addSample('host', exchange(700, 400, 20));
    clock.addSample('host', exchange(700, 5, 5));
    clock.addSample('host', exchange(700, 30, 300));
    expect(clock.estimate()).toEqual({ offset: 700, error: 5 });
    expect(clock.now()).toBe(50_700);
    for (let i = 0; i < 8; i++) clock.addSample('host', exchange(695, 10, 10));
    expect(clock.estimate()).toEqual({ offset: 695, error: 10 });
  });

  test('after a step of either clock one sample is enough, whatever came before', () => {
    const delay = fc.nat(2000);
    fc.assert(
      fc.property(
        fc.integer({ min: -1e9, max: 1e9 }),
        fc.array(fc.tuple(delay, delay), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 8001, max: 1e10 }),
        fc.boolean(),
        fc.tuple(delay, delay),
        (offset, delays, size, back, [out, home]) => {
          const clock = new SwarmClock();
          for (const [a, b] of delays) expect(clock.addSample('host', exchange(offset, a, b))).toBe('agrees');
          const stepped = offset + (back ? -size : size);
          expect(clock.addSample('host', exchange(stepped, out, home))).toBe('contradicts');
          const estimate = clock.estimate();
          expect(estimate.error).toBe((out + home) / 2);
          expect(Math.abs(estimate.offset - stepped)).toBeLessThanOrEqual(estimate.error);
        },
      ),
    );
  });

  test('what a step made wrong is dropped at once', () => {
    const clock = new SwarmClock(() => 50_000);
    clock.addSample('host', exchange(700, 5, 5));
    clock.addSample('host', exchange(-200, 10, 10));
    expect(clock.estimate()).toEqual({ offset: -200, error: 10 });
  });

  test('the true offset lies within the error, whatever the delays', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e6, max: 1e6 }),
        fc.array(fc.tuple(fc.nat(2000), fc.nat(2000), fc.nat(4)), { minLength: 1, maxLength: 40 }),
        (offset, delays) => {
          const clock = new SwarmClock();
          for (const [out, back, source] of delays)
            clock.addSample(`s${source}`, exchange(offset, out, back));
          const estimate = clock.estimate();
          expect(Math.abs(estimate.offset - offset)).toBeLessThanOrEqual(estimate.error);
        },
      ),
    );
  });

  test('one liar among three is outvoted', () => {
    const clock = new SwarmClock();
    clock.addSample('liar', exchange(3_600_000, 1, 1));
    clock.addSample('host', exchange(40, 20, 30));
    clock.addSample('validator', exchange(40, 50, 10));
    const { offset, error } = clock.estimate();
    expect(Math.abs(offset - 40)).toBeLessThanOrEqual(error);
    expect(error).toBeLessThan(50);
  });

  test('a flood of sources pushes out the silent ones only', () => {
    const clock = new SwarmClock();
    for (let i = 0; i < 1000; i++) {
      clock.addSample('host', exchange(40, 5, 5), 100);
      clock.addSample(`sybil ${i}`, exchange(99_999, 1, 1));
    }
    expect(clock.estimate().offset).toBe(40);
  });
});
