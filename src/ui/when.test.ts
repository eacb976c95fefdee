/** Times of day and the words for how far off they are. */
import { expect, test } from 'vitest';
import { clockTime, minutesOf, when } from './when.ts';

const at = (...parts: [number, number, number, number?, number?]) => new Date(...parts).getTime();

test.each([
  [at(2026, 10, 21, 22), 'at 22:00'],
  [at(2026, 10, 22, 7), 'tomorrow at 07:00'],
  [at(2026, 10, 23, 7, 30), 'on Monday at 07:30'],
  [at(2026, 10, 27, 0), 'on Friday at 00:00'],
  [at(2026, 11, 1), 'on 1 December'],
])('%#: %s', (instant, words) => {
  expect(when(instant, at(2026, 10, 21, 12))).toBe(words);
});

test('a minute after midnight is tomorrow, however near', () => {
  expect(when(at(2026, 9, 26, 0, 1), at(2026, 9, 25, 23, 59))).toBe('tomorrow at 00:01');
});

test('times of day read back', () => {
  for (const minutes of [0, 5, 450, 1439]) expect(minutesOf(clockTime(minutes))).toBe(minutes);
  expect(minutesOf('22:00:00')).toBe(1320);
  for (const text of ['', '7:30', '24:00', 'noon']) expect(minutesOf(text)).toBeNull();
});
