/** Which rounds a validator may sign, by the time that really passed. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimeGuard } from './time-guard.ts';

const ROUND = 30_000;

test('a clock that goes on by the time that passes is never stopped, whatever its rate within a thousandth', () => {
  fc.assert(
    fc.property(
      fc.nat(1e6),
      fc.integer({ min: 1, max: 1e10 }),
      fc.integer({ min: -900, max: 900 }),
      (first, ms, ppm) => {
        let now = 12_345;
        const guard = new TimeGuard(() => now, ROUND);
        expect(guard.ahead(first)).toBe(0);
        now += ms;
        expect(guard.ahead(first + Math.floor((ms * (1 + ppm / 1e6)) / ROUND) + 1)).toBe(0);
      },
    ),
  );
});

test.each([10, 120, 2880, 1_051_200])(
  'a clock that jumps %i rounds is stopped, and told by how many',
  (jump) => {
    let now = 0;
    const guard = new TimeGuard(() => now, ROUND);
    expect(guard.ahead(100)).toBe(0);
    now += 5 * ROUND;
    expect(guard.ahead(105 + jump)).toBeGreaterThanOrEqual(jump - 3);
    expect(guard.ahead(105)).toBe(0);
  },
);

test('a round that was asked for and refused moves nothing', () => {
  const guard = new TimeGuard(() => 0, ROUND);
  guard.ahead(0);
  for (let round = 3; round < 50; round++) expect(guard.ahead(round)).toBeGreaterThan(0);
});
