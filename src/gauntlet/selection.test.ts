/** Places in a round: members with verified rounds keep theirs, whoever else commits. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { testHash } from '../protocol/testing.ts';
import { selectionOrder } from './selection.ts';

const rules = { selection: 'lottery' as const };
const keys = (name: string, n: number) => Array.from({ length: n }, (_, i) => testHash(`${name} ${i}`));

test('a flood of members with nothing behind them leaves three of four places to who has verified rounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 300 }),
      fc.nat(),
      (known, flood, n) => {
        const honest = keys('honest', known);
        const verified = new Set(honest.map(toHex));
        const all = [...keys('flood', flood), ...honest];
        const order = selectionOrder(all, rules, new Map(), testHash(`seed ${n}`), (key) =>
          verified.has(toHex(key)),
        );
        expect(new Set(order.map(toHex)).size).toBe(all.length);
        for (const places of [4, 16, 32]) {
          const first = order.slice(0, places);
          const taken = first.filter((key) => verified.has(toHex(key))).length;
          expect(taken).toBeGreaterThanOrEqual(Math.min(known, (3 * places) / 4));
          // And a newcomer has a place, whoever else is known.
          expect(first.length - taken).toBeGreaterThanOrEqual(Math.min(flood, places / 4, all.length));
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('without verified rounds, or with nothing else, the lot alone decides', () => {
  const crowd = keys('crowd', 30);
  const seed = testHash('seed');
  const nobody = selectionOrder(crowd, rules, new Map(), seed, () => false);
  expect(selectionOrder(crowd, rules, new Map(), seed, () => true)).toEqual(nobody);
  expect(nobody).not.toEqual(crowd);
});
