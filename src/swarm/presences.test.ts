/** Signs of life: two rooms, so that keys that cost nothing push nobody out. */
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { ordinaryMessages } from '../protocol/testing-messages.ts';
import { testHash } from '../protocol/testing.ts';
import { PresenceBook } from './presences.ts';

const { presence } = ordinaryMessages(testHash('run'), 3, 'peer');
const book = (clock = { now: 0 }) =>
  new PresenceBook(
    () => 3,
    () => clock.now,
  );
const from = (i: number, known: boolean) => ({ sender: testHash(i), from: 'peer', known });
const keys = (of: PresenceBook) => of.list().map(({ contributor }) => contributor);

test('a flood of strangers fills its own small room, and the known stand first', () => {
  const presences = book();
  for (let i = 0; i < 3000; i++) expect(presences.take(presence, from(i, false))).toBe('ignore');
  for (let i = 5000; i < 5100; i++) expect(presences.take(presence, from(i, true))).toBe('accept');
  for (let i = 6000; i < 9000; i++) presences.take(presence, from(i, false));
  expect(presences.sizes).toEqual({ known: 100, strangers: 256 });
  expect(keys(presences).slice(0, 100)).toEqual(
    Array.from({ length: 100 }, (_, i) => toHex(testHash(5000 + i))),
  );
  expect(keys(presences).at(-1)).toBe(toHex(testHash(8999)));
});

test('a full room of the known loses whoever was silent longest', () => {
  const presences = book();
  for (let i = 0; i < 4096; i++) presences.take(presence, from(i, true));
  presences.take(presence, from(0, true));
  presences.take(presence, from(4096, true));
  expect(presences.sizes.known).toBe(4096);
  expect([0, 1, 4096].map((i) => keys(presences).includes(toHex(testHash(i))))).toEqual([true, false, true]);
});

test('one that becomes known has one place, keeps its links, and grows old like all', () => {
  const clock = { now: 0 };
  const presences = book(clock);
  const { links, ...bare } = presence;
  presences.take(presence, from(1, false));
  presences.take(bare, from(1, true));
  expect(presences.sizes).toEqual({ known: 1, strangers: 0 });
  expect(presences.list()[0].links).toEqual(links);
  presences.take(presence, from(2, false));
  clock.now += 20_001;
  expect(presences.list()).toEqual([]);
});

test('of another peer or another time it is nobody’s', () => {
  const presences = book();
  expect(presences.take(presence, { ...from(1, true), from: 'another' })).toBe('ignore');
  for (const round of [1, 5]) expect(presences.take({ ...presence, round }, from(1, true))).toBe('ignore');
  for (const round of [2, 3, 4]) expect(presences.take({ ...presence, round }, from(1, true))).toBe('accept');
});
