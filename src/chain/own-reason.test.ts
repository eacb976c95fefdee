/** What a contributor is told of a round in which nothing of it was accepted. */
import { expect, test } from 'vitest';
import { MAX_REFUSED } from '../protocol/limits.ts';
import type { RefusedEntry } from '../protocol/messages.ts';
import { encodePassedOver } from '../protocol/passed-over.ts';
import { testHash } from '../protocol/testing.ts';
import { ownReason } from './own-reason.ts';

const ana = testHash('ana');
const none = encodePassedOver([]);
const full: RefusedEntry[] = Array.from({ length: MAX_REFUSED }, (_, i) => ({
  contributor: testHash(`other ${i}`),
  reason: 'late',
}));

test.each([
  [
    'it is listed',
    { refused: [{ contributor: ana, reason: 'norm' as const }], passedOver: none },
    true,
    'norm',
  ],
  ['its membership ended', { refused: [], passedOver: none }, false, 'not-member'],
  [
    'the validator failed',
    { refused: full, passedOver: none, failure: 'disk-full' as const },
    true,
    'unjudged',
  ],
  ['there was no room', { refused: full, passedOver: encodePassedOver([ana]) }, true, 'capacity'],
  ['a list with room left does not name it', { refused: full.slice(1), passedOver: none }, true, 'late'],
  ['a full list does not name it', { refused: full, passedOver: none }, true, 'not-listed'],
] as const)('%s', (_, said, isMember, reason) => {
  expect(ownReason(said, ana, isMember)).toBe(reason);
});
