/** A few thousand of the fuzzers' inputs, so that every run of the tests has some. */
import { expect, test } from 'vitest';
import { fuzz as envelope } from './targets/envelope.ts';
import { fuzz as inbox } from './targets/inbox.ts';

test.each([
  ['inbox', inbox],
  ['envelope', envelope],
])('%s: 3000 hostile inputs throw nothing, spread nothing and are held in bounds', async (_, fuzz) => {
  expect((await fuzz(3000, 7)).findings).toEqual([]);
});
