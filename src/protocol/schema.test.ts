/** Bounds of the building blocks: the last value that is taken, and the first that is not. */
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { messageOf } from './errors.ts';
import { MAX_BLOB_BYTES } from './limits.ts';
import * as schema from './schema.ts';

const bytes = (length: number) => new Uint8Array(length);

function bounds(of: v.GenericSchema, taken: readonly unknown[], refused: readonly unknown[]): void {
  for (const value of taken) expect(v.is(of, value), String(value)).toBe(true);
  for (const value of refused) expect(v.is(of, value), String(value)).toBe(false);
}
const why = (of: v.GenericSchema, value: unknown): string | undefined =>
  v.safeParse(of, value).issues?.[0].message;

test('byte strings have one length and are no arrays', () => {
  bounds(schema.Bytes, [bytes(0), Buffer.alloc(3)], [[1, 2], 'ab', new ArrayBuffer(2), null]);
  bounds(schema.Hash, [bytes(32)], [bytes(31), bytes(33), Array.from(bytes(32))]);
  bounds(schema.Key, [bytes(32)], [bytes(31), bytes(33)]);
  bounds(schema.Signature, [bytes(64)], [bytes(63), bytes(65)]);
  expect(why(schema.Bytes, 1)).toBe('must be bytes');
  expect(why(schema.Hash, bytes(1))).toBe('a hash must be 32 bytes');
  expect(why(schema.Key, bytes(1))).toBe('a key must be 32 bytes');
  expect(why(schema.Signature, bytes(1))).toBe('a signature must be 64 bytes');
});

test('numbers are whole where they count, finite, and within their bounds', () => {
  bounds(schema.uint(9), [0, 9], [-1, 10, 0.5, Number.NaN, '1']);
  bounds(schema.positive(9), [1, 9], [0, 10, 1.5, Number.NaN, '1']);
  bounds(
    schema.real(-1, Number.POSITIVE_INFINITY),
    [-1, 0.25, 1e300],
    [-1.01, Number.POSITIVE_INFINITY, Number.NaN, '1'],
  );
  bounds(schema.real(0, 2), [0, 2], [-0.01, 2.01]);
  bounds(schema.Time, [0, Number.MAX_SAFE_INTEGER], [-1, Number.MAX_SAFE_INTEGER + 1]);
  for (const of of [schema.Round, schema.Height]) bounds(of, [0, 2 ** 32 - 1], [-1, 2 ** 32]);
  bounds(schema.Loss, [0, 1e6], [-1e-9, 1e6 + 1]);
});

test('a blob has a hash, a size and nothing else', () => {
  const hash = bytes(32);
  bounds(
    schema.BlobRef,
    [
      { hash, size: 1 },
      { hash, size: MAX_BLOB_BYTES },
    ],
    [{ hash, size: 0 }, { hash, size: MAX_BLOB_BYTES + 1 }, { hash }, { hash, size: 1, name: 'a' }],
  );
});

test('whatever is thrown has a message', () => {
  expect(messageOf(new RangeError('too long'))).toBe('too long');
  expect(messageOf('text')).toBe('text');
  expect(messageOf(undefined)).toBe('undefined');
});
