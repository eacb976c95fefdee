/** With which time a host begins, whatever was done to its clock meanwhile: the run's time goes on, or the organizer is asked. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { faultText } from '../cli/say.ts';
import { fault } from './faults.ts';
import {
  BELIEVED_MS,
  decodeTimeNote,
  encodeTimeNote,
  type StartFacts,
  startTime,
  type TimeNote,
} from './run-time.ts';

const BEGAN = 1_800_000_000_000;
const ROUND = 30_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

const note = (change: Partial<TimeNote> = {}): TimeNote => ({
  run: BEGAN + 10 * ROUND,
  aheadMs: 0,
  boot: 'a',
  uptime: 1_000_000,
  ...change,
});
const round = (n: number) => ({ at: BEGAN + n * ROUND, next: BEGAN + (n + 1) * ROUND });
const facts = (change: Partial<StartFacts> = {}): StartFacts => ({
  note: note(),
  wall: BEGAN + 12 * ROUND,
  boot: 'a',
  uptime: 1_000_000 + 2 * ROUND,
  beginsAt: BEGAN,
  last: round(9),
  choice: null,
  ...change,
});
const now = (given: StartFacts): number => given.wall + startTime(given).aheadMs;

test('a clock that nobody set is the run’s', () => {
  expect(startTime(facts())).toEqual({ aheadMs: 0, setByMs: 0, unsureMs: null });
});

test('while the machine is up, the run’s time goes on by its uptime, whatever its clock was set to', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1e10 }),
      fc.integer({ min: -1e12, max: 1e12 }),
      fc.integer({ min: -1e11, max: 1e11 }),
      (off, set, ahead) => {
        fc.pre(Math.abs(set) > 5000 + off / 1000);
        const given = facts({
          note: note({ aheadMs: ahead }),
          uptime: 1_000_000 + off,
          wall: BEGAN + 10 * ROUND - ahead + off + set,
        });
        const { setByMs, unsureMs } = startTime(given);
        expect(setByMs).toBe(set);
        expect(unsureMs).toBeNull();
        expect(now(given)).toBe(BEGAN + 10 * ROUND + off);
      },
    ),
  );
});

test('a day ahead for two rounds, then put right: not one round is lost', () => {
  // The host was started under a clock a day ahead, kept the run's time, and is started under the right one.
  const ahead = facts({ wall: BEGAN + 12 * ROUND + DAY });
  expect(now(ahead)).toBe(BEGAN + 12 * ROUND);
  const back = facts({
    note: note({ run: BEGAN + 14 * ROUND, aheadMs: -DAY, uptime: 1_000_000 + 4 * ROUND }),
    uptime: 1_000_000 + 5 * ROUND,
    wall: BEGAN + 15 * ROUND,
    last: round(13),
  });
  expect(now(back)).toBe(BEGAN + 15 * ROUND);
});

test.each([
  ['a year', YEAR],
  ['a day and a second', DAY + 1000],
])('after a boot a clock that is %s ahead is not believed: the organizer is asked', (_, by) => {
  const given = facts({ boot: 'b', wall: BEGAN + 10 * ROUND + by });
  const { unsureMs } = startTime(given);
  expect(unsureMs).toBe(by);
  expect(faultText(fault('clock-unsure', { wall: given.wall, beyondMs: by }).fault)).toMatch(
    /--clock system.*--clock run/,
  );
  expect(startTime({ ...given, choice: 'system' })).toEqual({ aheadMs: 0, setByMs: 0, unsureMs: null });
  // Right after what is known: no round is lost.
  expect(now({ ...given, choice: 'run' })).toBe(BEGAN + 10 * ROUND);
});

test('a computer that was off over night is believed', () => {
  expect(startTime(facts({ boot: 'b', wall: BEGAN + 10 * ROUND + 14 * HOUR }))).toMatchObject({
    aheadMs: 0,
    unsureMs: null,
  });
});

test.each([DAY, YEAR])(
  'a chain that is %i ms ahead waits, and goes on at once when the organizer says so',
  (by) => {
    const last = round(Math.floor(by / ROUND));
    const given = facts({ note: null, boot: 'b', wall: BEGAN + 12 * ROUND, last });
    expect(startTime(given)).toEqual({ aheadMs: 0, setByMs: 0, unsureMs: null });
    const on = { ...given, choice: 'run' as const };
    expect(now(on)).toBe(last.next);
    // What the organizer said is kept over boots, while it fits.
    const kept = note({ run: last.next + 5 * ROUND, aheadMs: startTime(on).aheadMs, boot: 'b' });
    const later = facts({
      note: kept,
      boot: 'c',
      wall: BEGAN + 20 * ROUND,
      last: round(Math.floor(by / ROUND) + 4),
    });
    expect(now(later)).toBe(later.wall + kept.aheadMs);
    expect(startTime(later).unsureMs).toBeNull();
  },
);

test('a run that was made in the future begins there, or at once when the organizer says so', () => {
  const given = facts({ note: null, last: null, beginsAt: BEGAN + 2 * DAY });
  expect(startTime(given).unsureMs).toBeNull();
  expect(now(given)).toBe(given.wall);
  expect(now({ ...given, choice: 'run' })).toBe(BEGAN + 2 * DAY);
});

test('whatever the clock was set to, without the organizer’s word the run’s time goes no further than a day beyond what is known', () => {
  fc.assert(
    fc.property(
      fc.option(fc.integer({ min: -1e10, max: 1e10 }), { nil: null }),
      fc.integer({ min: -1e11, max: 1e11 }),
      fc.constantFrom('a', 'b', null),
      fc.nat(1e9),
      fc.nat(1000),
      (ahead, wall, boot, off, height) => {
        const given = facts({
          note: ahead === null ? null : note({ aheadMs: ahead }),
          wall: BEGAN + wall,
          boot,
          uptime: 1_000_000 + off,
          last: round(height),
        });
        const { unsureMs, setByMs } = startTime(given);
        const known = Math.max(given.note?.run ?? BEGAN, round(height).at);
        if (unsureMs === null) {
          const passed = boot === 'a' && given.note !== null ? off * 1.001 + 5000 : BELIEVED_MS;
          expect(now(given) - known).toBeLessThanOrEqual(passed);
        } else expect(setByMs).toBe(0);
      },
    ),
  );
});

test('a note is read back; what is none is none', () => {
  expect(decodeTimeNote(encodeTimeNote(note()))).toEqual(note());
  for (const text of ['', '{', '{"run":"x"}'])
    expect(decodeTimeNote(new TextEncoder().encode(text))).toBeNull();
  expect(decodeTimeNote(null)).toBeNull();
});
