/** Canonical bytes: known encodings of DAG-CBOR, and everything that is not the one encoding of its value. */
import { expect, test } from 'vitest';
import { fromHex, toHex } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';

const decode = (hex: string, maxBytes = 1000) => decodeCanonical(fromHex(hex), maxBytes);

test('values have the bytes that RFC 8949 and DAG-CBOR give them, and come back', () => {
  const known: [unknown, string][] = [
    [null, 'f6'],
    [true, 'f5'],
    [0, '00'],
    [24, '1818'],
    [-1, '20'],
    [1_000_000, '1a000f4240'],
    [1.5, 'fb3ff8000000000000'],
    ['ü', '62c3bc'],
    [Uint8Array.of(1, 2, 3), '43010203'],
    [[1, [2]], '82018102'],
    // Shorter keys come first, whatever the alphabet says.
    [{ b: 1, aa: 2 }, 'a261620162616102'],
  ];
  for (const [value, hex] of known) {
    expect(toHex(encodeCanonical(value))).toBe(hex);
    expect(decode(hex)).toEqual({ ok: true, value });
  }
});

test('what the caller must not encode throws', () => {
  for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, () => 1, { a: undefined }])
    expect(() => encodeCanonical(value)).toThrow(Error);
});

test('a second encoding of a value is refused', () => {
  // A float that is an integer is what the decoder itself lets pass.
  expect(decode('fb3ff0000000000000')).toEqual({ ok: false, detail: 'not in canonical form' });
  for (const hex of [
    'f7',
    '1801',
    '5801ff',
    'a2616201616102',
    'a262616102616201',
    'f93e00',
    'fa3fc00000',
    '9f01ff',
    'a2616101616102',
  ])
    expect(decode(hex).ok, hex).toBe(false);
});

test('garbage says why, in at most a line', () => {
  for (const hex of ['', 'ff', '43ff', '0000', 'd82a00', 'fb7ff8000000000000']) {
    const decoded = decode(hex);
    expect(decoded, hex).toEqual({ ok: false, detail: expect.stringMatching(/^not DAG-CBOR: \S/) });
  }
  // The decoder quotes a key that is there twice, and the key is a peer's.
  const key = `7899${'61'.repeat(0x99)}`;
  const { detail } = decode(`a2${key}01${key}01`) as { detail: string };
  expect(detail).toMatch(/^not DAG-CBOR: .*aaa/);
  expect(detail.length).toBe('not DAG-CBOR: '.length + 100);
});

test('the limit is the last size that is read', () => {
  expect(decode('43010203', 4)).toMatchObject({ ok: true });
  expect(decode('43010203', 3)).toEqual({ ok: false, detail: '4 bytes, limit 3' });
});
