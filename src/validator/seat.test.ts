/** What a key file may hold, and what its key is worth. */
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { certifiesAlone, hasSeat, seedOf, unassignedSecret } from './seat.ts';

test('a key file holds 64 hex digits, with white space around them or not', () => {
  const hex = '0123456789abcdef'.repeat(4);
  for (const text of [hex, `${hex}\n`, `  ${hex.toUpperCase()}\r\n`]) {
    const seed = seedOf(text);
    expect(seed === null ? null : toHex(seed)).toBe(hex);
  }
  for (const text of [
    '',
    'my key',
    hex.slice(1),
    `${hex}0`,
    `${hex} ${hex}`,
    hex.replace('0', 'g'),
    '\0'.repeat(64),
  ])
    expect(seedOf(text)).toBeNull();
});

test('a seat counts by its weight: alone it needs more than two thirds', () => {
  const key = (n: number) => new Uint8Array(32).fill(n);
  const run = (...weights: number[]) => ({
    validators: weights.map((weight, i) => ({ key: key(i), weight })),
  });
  expect(certifiesAlone(run(1), key(0))).toBe(true);
  expect(certifiesAlone(run(2, 1), key(0))).toBe(false);
  expect(certifiesAlone(run(5, 2), key(0))).toBe(true);
  expect(certifiesAlone(run(5, 2), key(1))).toBe(false);
  expect([key(1), key(9)].map((k) => hasSeat(run(5, 2), k))).toEqual([true, false]);
  expect(certifiesAlone(run(1), key(9))).toBe(false);
});

test('the secret of a seed is another than the seed, and always the same', () => {
  const seed = new Uint8Array(32).fill(3);
  expect(unassignedSecret(seed)).toHaveLength(32);
  expect(unassignedSecret(seed)).toEqual(unassignedSecret(seed.slice()));
  expect(unassignedSecret(seed)).not.toEqual(seed);
  expect(unassignedSecret(seed)).not.toEqual(unassignedSecret(new Uint8Array(32).fill(4)));
});
