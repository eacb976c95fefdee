/** Which claims continue what a contributor carried, whatever became of its rounds. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { REFUSAL_REASONS, type RefusalReason } from '../protocol/messages.ts';
import { testHash } from '../protocol/testing.ts';
import { afterRefusal, CarryBook, type CarryClaim, goesOn, isUnseen } from './carries.ts';

const ana = testHash('ana');
const zero = testHash('zeros');

/** A claim that starts from `before`; what it leaves is named after its round. */
const claim = (round: number, before: Uint8Array): CarryClaim => ({
  round,
  carry: { before, accepted: testHash(`${round} accepted`), refused: testHash(`${round} refused`) },
});
const everybody = () => true;
/** How a round ended for ana. */
const ended = (round: number, how: 'accepted' | RefusalReason) => {
  return {
    round,
    accepted: how === 'accepted' ? [{ contributor: ana, claim: testHash('claim'), units: 1, weight: 1 }] : [],
    refused: how === 'accepted' ? [] : [{ contributor: ana, reason: how }],
    unlisted: [],
  };
};

test('a newcomer starts from zeros, and only so; anybody may start over from them', () => {
  const book = new CarryBook(zero);
  expect(book.problem(ana, claim(1, zero))).toBeNull();
  expect(book.problem(ana, claim(1, testHash('made up')))).toMatchObject({ reason: 'carry' });
  book.note(ana, claim(1, zero));
  expect(book.problem(ana, claim(2, zero))).toBeNull();
  const without = { round: 1, carry: null };
  expect(book.problem(ana, without)).toMatchObject({ reason: 'malformed' });
});

test('starts over: a joiner, a reloaded tab and one that was late; one that was short of work in one round of eight', () => {
  const book = new CarryBook(zero);
  expect(book.startsOver(ana, claim(1, zero))).toBe(true);
  const without = { round: 1, carry: null };
  expect(book.startsOver(ana, without)).toBe(false);
  const next = (round: number, how: 'accepted' | RefusalReason) => {
    book.note(ana, claim(round, zero));
    book.settle(ended(round, how), everybody);
  };
  next(1, 'accepted');
  expect(book.startsOver(ana, claim(2, testHash('1 accepted')))).toBe(false);
  expect(book.startsOver(ana, claim(2, zero))).toBe(true);
  next(2, 'late');
  expect(book.startsOver(ana, claim(3, zero))).toBe(true);
  for (const [n, reason] of (['work', 'loss', 'direction'] as const).entries()) {
    const chances: boolean[] = [];
    for (let i = 0, round = 3 + 20 * n; i < 8; i++, round++) {
      next(round, reason);
      chances.push(book.startsOver(ana, claim(round + 1, zero)));
      expect(book.problem(ana, claim(round + 1, testHash(`${round} refused`)))).not.toBeNull();
    }
    expect(chances.filter(Boolean)).toHaveLength(1);
  }
  expect(new CarryBook(zero, book.encode()).encode()).toEqual(book.encode());
});

test('the next claim starts from what the last one left, by what became of it', () => {
  const book = new CarryBook(zero);
  book.note(ana, claim(1, zero));
  expect(book.problem(ana, claim(2, testHash('1 refused')))).toBeNull();
  expect(book.problem(ana, claim(2, testHash('1 accepted')))).toMatchObject({ reason: 'carry' });
  book.settle(ended(1, 'accepted'), everybody);
  expect(book.problem(ana, claim(2, testHash('1 accepted')))).toBeNull();
  expect(book.problem(ana, claim(2, testHash('1 refused')))).toMatchObject({ reason: 'carry' });
});

test('a round that a contributor can have refused by itself leaves nothing to go on from but zeros', () => {
  for (const reason of REFUSAL_REASONS) {
    const book = new CarryBook(zero);
    book.note(ana, claim(1, zero));
    book.settle(ended(1, reason), everybody);
    const next = book.problem(ana, claim(2, testHash('1 refused')));
    // What is on trial may be audited.
    if (reason === 'on-trial') expect(next).toBeNull();
    else expect(next).toMatchObject({ reason: 'carry' });
    expect(book.problem(ana, claim(2, zero))).toBeNull();
  }
  const unlisted = new CarryBook(zero);
  unlisted.note(ana, claim(1, zero));
  unlisted.settle({ round: 1, accepted: [], refused: [], unlisted: [] }, everybody);
  expect(unlisted.problem(ana, claim(2, testHash('1 refused')))).toMatchObject({ reason: 'carry' });
});

test('a round that nobody looked at leaves what it started from, and nothing that was made up in it', () => {
  const listed = ['refused', 'unlisted'] as const;
  for (const reason of REFUSAL_REASONS.filter(isUnseen))
    for (const where of listed) {
      const book = new CarryBook(zero);
      book.note(ana, claim(1, zero));
      book.settle(ended(1, 'accepted'), everybody);
      const kept = testHash('1 accepted');
      for (let round = 2; round < 5; round++) {
        // Its own error feedback is there still, however often there is no room.
        expect(book.problem(ana, claim(round, kept))).toBeNull();
        book.note(ana, claim(round, kept));
        const nothing = { round, accepted: [], refused: [], unlisted: [] };
        book.settle({ ...nothing, [where]: [{ contributor: ana, reason }] }, everybody);
        for (const made of ['accepted', 'refused'])
          expect(book.problem(ana, claim(round + 1, testHash(`${round} ${made}`)))).not.toBeNull();
      }
    }
});

test('unlisted for its own doing leaves nothing; who was short of work stays so over a round without room', () => {
  for (const reason of REFUSAL_REASONS.filter((one) => !goesOn(one))) {
    const book = new CarryBook(zero);
    book.note(ana, claim(1, zero));
    book.settle(ended(1, 'accepted'), everybody);
    book.note(ana, claim(2, testHash('1 accepted')));
    book.settle({ round: 2, accepted: [], refused: [], unlisted: [{ contributor: ana, reason }] }, everybody);
    for (const from of ['1 accepted', '2 accepted', '2 refused'])
      expect(book.problem(ana, claim(3, testHash(from)))).not.toBeNull();
  }
  const book = new CarryBook(zero);
  const chances: boolean[] = [];
  for (let round = 1; round <= 16; round++) {
    book.note(ana, claim(round, zero));
    book.settle(ended(round, round % 2 === 1 ? 'work' : 'capacity'), everybody);
    chances.push(book.startsOver(ana, claim(round + 1, zero)));
  }
  expect(chances.filter(Boolean)).toHaveLength(2);
});

test('a claim that does not follow leaves nothing to follow', () => {
  const book = new CarryBook(zero);
  book.note(ana, claim(1, zero));
  book.note(ana, claim(2, testHash('made up')));
  expect(book.problem(ana, claim(3, testHash('2 refused')))).toMatchObject({ reason: 'carry' });
  expect(book.problem(ana, claim(3, testHash('1 refused')))).toBeNull();
});

test('only the first claim of a round counts', () => {
  const book = new CarryBook(zero);
  book.note(ana, claim(1, zero));
  const other = claim(1, zero);
  book.note(ana, { ...other, carry: { before: zero, accepted: zero, refused: testHash('second') } });
  expect(book.problem(ana, claim(2, testHash('second')))).toMatchObject({ reason: 'carry' });
});

test('honest contributors always follow, whatever is accepted, over restarts of the validator and of the tab', () => {
  const end = fc.constantFrom('accepted' as const, 'unheard' as const, ...REFUSAL_REASONS);
  const round = fc.record({ end, restart: fc.boolean(), reload: fc.boolean() });
  fc.assert(
    fc.property(fc.array(round, { maxLength: 12 }), (rounds) => {
      let book = new CarryBook(zero);
      let carried = zero;
      rounds.forEach(({ end, restart, reload }, i) => {
        if (reload) carried = zero;
        const made = claim(i, carried);
        expect(book.problem(ana, made)).toBeNull();
        book.note(ana, made);
        if (end !== 'unheard') book.settle(ended(i, end), everybody);
        const after = end === 'unheard' ? 'refused' : end === 'accepted' ? end : afterRefusal(end);
        if (after === 'reset') carried = zero;
        else if (after !== 'undone') carried = testHash(`${i} ${after}`);
        if (restart) book = new CarryBook(zero, book.encode());
      });
    }),
  );
});

test('who is no member any more is forgotten; a broken note counts as none', () => {
  const book = new CarryBook(zero);
  book.note(ana, claim(1, zero));
  book.settle(ended(1, 'on-trial'), (key) => key !== toHex(ana));
  expect(book.problem(ana, claim(2, testHash('1 refused')))).toMatchObject({ reason: 'carry' });
  const broken = new CarryBook(zero, new TextEncoder().encode('{"'));
  expect(broken.problem(ana, claim(2, zero))).toBeNull();
});
