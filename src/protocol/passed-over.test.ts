/** Members that are named in four bytes. */
import * as fc from 'fast-check';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { MAX_PASSED_OVER } from './limits.ts';
import { encodePassedOver, isPassedOver, PassedOver } from './passed-over.ts';
import { testHash } from './testing.ts';

test('whoever is encoded is found, others hardly ever, and the list is of legal form', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1000), { maxLength: 300 }), (who) => {
      const list = encodePassedOver(who.map(testHash));
      expect(v.is(PassedOver, list)).toBe(true);
      for (const one of who) expect(isPassedOver(list, testHash(one))).toBe(true);
      expect(isPassedOver(list, testHash('nobody'))).toBe(false);
    }),
  );
});

test('a crowd is cut to what a certificate holds', () => {
  const list = encodePassedOver(Array.from({ length: 3000 }, (_, i) => testHash(i)));
  expect(list.byteLength).toBe(4 * MAX_PASSED_OVER);
  expect(v.is(PassedOver, list)).toBe(true);
});

test.each([
  ['a broken entry', [0, 0, 0, 1, 0]],
  ['entries out of order', [0, 0, 0, 2, 0, 0, 0, 1]],
  ['an entry twice', [0, 0, 0, 1, 0, 0, 0, 1]],
])('%s is no list', (_, bytes) => {
  expect(v.is(PassedOver, Uint8Array.from(bytes))).toBe(false);
});

test('more than the limit is no list', () => {
  const bytes = new Uint8Array(4 * (MAX_PASSED_OVER + 1));
  for (let i = 0; i <= MAX_PASSED_OVER; i++) new DataView(bytes.buffer).setUint32(4 * i, i);
  expect(v.is(PassedOver, bytes)).toBe(false);
  expect(v.is(PassedOver, bytes.subarray(4))).toBe(true);
});
