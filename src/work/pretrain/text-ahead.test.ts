/** The page's estimate follows the rule by which text is really fetched ahead. */
import { expect, test } from 'vitest';
import { firstTextBytes, textAhead } from './text-ahead.ts';

const shards = (count: number, size: number) => Array.from({ length: count }, () => ({ size }));

test('whole shards are fetched ahead, up to four MiB', () => {
  expect(textAhead(shards(100, 2 ** 20))).toHaveLength(4);
  expect(textAhead(shards(2, 2 ** 20))).toHaveLength(2);
  expect(textAhead(shards(3, 5 * 2 ** 20))).toHaveLength(0);
});

test('the estimate is what is fetched ahead and what the round still lacks', () => {
  // Little text: all of it comes ahead.
  expect(firstTextBytes(shards(2, 2 ** 20))).toBe(2 ** 21);
  // Four of a hundred shards are there already; of two drawn ones 4 % are among them.
  expect(firstTextBytes(shards(100, 2 ** 20))).toBe(Math.round(2 ** 20 * (4 + 2 * 0.96)));
  // Shards too large to fetch ahead: the two of the round.
  expect(firstTextBytes(shards(10, 2 ** 23))).toBe(2 ** 24);
  expect(firstTextBytes([])).toBe(0);
});
