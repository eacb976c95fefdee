/** What a validator's machine failed at, from the errors that disks, databases, browsers and evaluators throw. */
import { expect, test } from 'vitest';
import { failedRound, failureOf, MeasuringError } from './round-failure.ts';

const coded = (code: string, more: object = {}) => Object.assign(new Error('failed'), { code, ...more });

test.each([
  ['a full disk', coded('ENOSPC'), 'disk-full'],
  ['a used quota', coded('EDQUOT'), 'disk-full'],
  ['a full database', coded('ERR_SQLITE_ERROR', { errcode: 13 }), 'disk-full'],
  ['a browser without room', new DOMException('no', 'QuotaExceededError'), 'disk-full'],
  ['a read-only disk', coded('EROFS'), 'disk'],
  ['a broken database', coded('ERR_SQLITE_ERROR', { errcode: 11 }), 'disk'],
  ['a database that cannot write', coded('ERR_SQLITE_ERROR', { errcode: 10 | (3 << 8) }), 'disk'],
  ['no memory', new RangeError('Array buffer allocation failed'), 'memory'],
  ['an evaluator', new MeasuringError('gone'), 'measuring'],
  [
    'a cause inside',
    new Error('round', { cause: new Error('link', { cause: coded('ENOSPC') }) }),
    'disk-full',
  ],
  ['an evaluator that ran out of disk', new MeasuringError('gone', { cause: coded('ENOSPC') }), 'measuring'],
  ['anything else', new Error('what'), 'other'],
  ['no error at all', 'text', 'other'],
] as const)('%s', (_, error, failure) => {
  expect(failureOf(error)).toBe(failure);
});

test('errors that cause each other end', () => {
  const one = new Error('one');
  one.cause = new Error('two', { cause: one });
  expect(failedRound(3, one)).toEqual({ round: 3, failure: 'other', error: 'one' });
});
