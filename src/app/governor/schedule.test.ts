/** The schedule against a clock on the wall that is looked at every minute, in zones with and without summer time. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import type { ClockWindow } from '../settings.ts';
import { openingAt } from './schedule.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const HOME = process.env['TZ'];
afterEach(() => {
  if (HOME === undefined) delete process.env['TZ'];
  else process.env['TZ'] = HOME;
});

const every = [true, true, true, true, true, true, true];
const at = (text: string) => new Date(text).getTime();
const hm = (hours: number, minutes = 0) => hours * 60 + minutes;
const said = (time: number | null) => (time === null ? null : new Date(time).toISOString());

/** Reads the wall clock and the calendar as a person would. */
function asAPerson(schedule: readonly ClockWindow[], instant: number): boolean {
  const [weekday, time] = new Intl.DateTimeFormat('en-GB', {
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZone: process.env['TZ'] ?? 'UTC',
  })
    .format(instant)
    .split(/,? /);
  const day = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'].indexOf(weekday);
  const minute = Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
  return schedule.some(({ days, from, to }) => {
    if (to > from) return days[day] && minute >= from && minute < to;
    return (days[day] && minute >= from) || (days[(day + 6) % 7] && minute < to);
  });
}

describe('overnight, 22:00 to 07:00', () => {
  const nights: ClockWindow[] = [{ days: every, from: hm(22), to: hm(7) }];

  test.each([
    // Berlin loses an hour on 29 March 2026 and gains one on 25 October 2026.
    ['Europe/Berlin', '2026-03-28T21:30:00+01:00', false, '2026-03-28T21:00:00.000Z'],
    ['Europe/Berlin', '2026-03-28T23:00:00+01:00', true, '2026-03-29T05:00:00.000Z'],
    ['Europe/Berlin', '2026-10-24T23:00:00+02:00', true, '2026-10-25T06:00:00.000Z'],
    ['America/New_York', '2026-11-01T08:00:00-05:00', false, '2026-11-02T03:00:00.000Z'],
    ['Australia/Lord_Howe', '2026-04-04T23:00:00+11:00', true, '2026-04-04T20:30:00.000Z'],
    ['Asia/Kathmandu', '2026-11-21T12:00:00+05:45', false, '2026-11-21T16:15:00.000Z'],
  ])('%s at %s', (zone, now, open, until) => {
    process.env['TZ'] = zone;
    const opening = openingAt(nights, at(now));
    expect([opening.open, said(opening.until)]).toEqual([open, until]);
  });
});

test('weekends only: a Friday night belongs to Friday', () => {
  process.env['TZ'] = 'Europe/Berlin';
  const weekend: ClockWindow[] = [{ days: [false, false, false, false, false, true, true], from: 0, to: 0 }];
  expect(openingAt(weekend, at('2026-11-20T23:59:00+01:00')).open).toBe(false);
  const opening = openingAt(weekend, at('2026-11-21T00:00:00+01:00'));
  expect([opening.open, said(opening.until)]).toEqual([true, '2026-11-22T23:00:00.000Z']);
  const fridays: ClockWindow[] = [
    { days: [false, false, false, false, true, false, false], from: hm(23), to: hm(1) },
  ];
  expect(openingAt(fridays, at('2026-11-21T00:30:00+01:00')).open).toBe(true);
  expect(openingAt(fridays, at('2026-11-20T00:30:00+01:00')).open).toBe(false);
});

test('always and never have no end', () => {
  expect(openingAt([{ days: every, from: hm(5), to: hm(5) }], at('2026-11-21T00:00:00Z'))).toEqual({
    open: true,
    until: null,
  });
  expect(openingAt([], at('2026-11-21T00:00:00Z'))).toEqual({ open: false, until: null });
  expect(openingAt([{ days: every.map(() => false), from: 0, to: 600 }], 0)).toEqual({
    open: false,
    until: null,
  });
});

const window = fc.record({
  days: fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }),
  from: fc.integer({ min: 0, max: 1439 }),
  to: fc.integer({ min: 0, max: 1439 }),
});

test.each(['Europe/Berlin', 'America/Sao_Paulo', 'Australia/Lord_Howe', 'Asia/Kolkata'])(
  'agrees with the wall clock at every minute until the change it foretells: %s',
  (zone) => {
    process.env['TZ'] = zone;
    // Around both changes of 2026, and anywhere else.
    const nowish = fc.oneof(
      fc.integer({ min: -40 * HOUR, max: 40 * HOUR }).map((d) => at('2026-03-29T01:00:00Z') + d),
      fc.integer({ min: -40 * HOUR, max: 40 * HOUR }).map((d) => at('2026-10-25T01:00:00Z') + d),
      fc.integer({ min: at('2020-01-01'), max: at('2030-01-01') }),
    );
    fc.assert(
      fc.property(fc.array(window, { minLength: 1, maxLength: 3 }), nowish, (schedule, now) => {
        const { open, until } = openingAt(schedule, now);
        expect(asAPerson(schedule, now)).toBe(open);
        if (until === null) return;
        expect(until).toBeGreaterThan(now);
        expect(asAPerson(schedule, until)).toBe(!open);
        expect(asAPerson(schedule, until - 1)).toBe(open);
        // Every minute between would take long; every seventh meets every minute of the hour.
        for (let t = now; t < until; t += 7 * MINUTE) expect(asAPerson(schedule, t)).toBe(open);
      }),
      { numRuns: 25 },
    );
  },
);
