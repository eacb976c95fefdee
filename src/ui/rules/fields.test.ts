/** What a person typed is never turned into its opposite: only an empty field says "no limit". */
import { expect, test } from 'vitest';
import { entryOf } from './fields.tsx';

test('a number is taken, an empty field is no limit where there may be none', () => {
  expect(entryOf('250', false, true)).toBe(250);
  expect(entryOf(' 1.5 ', false, false)).toBe(1.5);
  expect(entryOf('', false, true)).toBeNull();
});

test('what cannot be read is no wish', () => {
  // A browser gives '' and says that the input is bad.
  expect(entryOf('', true, true)).toBe('unreadable');
  for (const text of ['1,5', 'abc', '--', 'Infinity', '1e999'])
    expect(entryOf(text, false, true)).toBe('unreadable');
  expect(entryOf('', false, false)).toBe('unreadable');
});
