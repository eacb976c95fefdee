/** Text files: UTF-8 with or without a mark is read, everything else is named as what it is. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeText } from './decode-text.ts';

const ascii = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));
const bytes = (...parts: (readonly number[] | string)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? ascii(part) : part)));
const utf16 = (text: string, big = false): number[] =>
  ascii(text).flatMap((c) => (big ? [c >> 8, c & 255] : [c & 255, c >> 8]));
/** Latin-1: a byte a character. */
const LATIN = 'Über die Kürze: Größe und Maß der Wörter, wie man sie früher schrieb. ';
/** GBK of 这是一个测试。 */
const GBK = [0xd5, 0xe2, 0xca, 0xc7, 0xd2, 0xbb, 0xb8, 0xf6, 0xb2, 0xe2, 0xca, 0xd4, 0xa1, 0xa3];

test.each([
  ['nothing', bytes(), ''],
  ['plain text', bytes('one\r\ntwo'), 'one\r\ntwo'],
  ['a byte-order mark, which is left out', bytes([0xef, 0xbb, 0xbf], '{"a": 1}'), '{"a": 1}'],
  ['only a byte-order mark', bytes([0xef, 0xbb, 0xbf]), ''],
  ['a few NULs', bytes('abcdef', [0], 'ghijkl', [0, 0]), 'abcdef\0ghijkl\0\0'],
  ['other scripts', new TextEncoder().encode('日本語 ไทย 👩‍👩‍👧'), '日本語 ไทย 👩‍👩‍👧'],
])('reads %s', (_, given, text) => {
  expect(decodeText(given)).toEqual({ ok: true, text });
});

test.each([
  ['UTF-16, little-endian with a mark', bytes([0xff, 0xfe], utf16('{"name": "x"}')), 'utf-16'],
  ['UTF-16, big-endian with a mark', bytes([0xfe, 0xff], utf16('text', true)), 'utf-16'],
  ['UTF-16 without a mark', bytes(utf16('A text without a mark.\r\n')), 'utf-16'],
  ['UTF-16 without a mark, big-endian', bytes(utf16('A text without a mark.', true)), 'utf-16'],
  ['UTF-16 with accents and no mark', bytes(utf16(LATIN)), 'utf-16'],
  ['an empty UTF-16 file', bytes([0xff, 0xfe]), 'utf-16'],
  ['UTF-32', bytes([0xff, 0xfe, 0, 0, 0x41, 0, 0, 0]), 'utf-32'],
  ['Latin-1', bytes(LATIN), 'latin-1'],
  ['one Latin-1 letter at the end', bytes('voil', [0xe0]), 'latin-1'],
  ['UTF-8 cut off in a character', new TextEncoder().encode('日本語').subarray(0, 8), 'cut-off'],
  ['GBK', bytes(GBK, GBK, '\n', GBK), 'legacy'],
  ['the head of an AppleDouble file', bytes([0, 5, 0x16, 7, 0, 2, 0, 0, 0xff]), 'binary'],
  ['a PNG', bytes([0x89], 'PNG\r\n', [0x1a, 0x0a, 0, 0, 0, 0x0d], 'IHDR', [0, 0, 4, 0]), 'binary'],
] as const)('names %s', (_, given, found) => {
  expect(decodeText(given)).toEqual({ ok: false, found });
});

test('any text comes back, any bytes get an answer', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      fc.pre(!text.includes('\0') && !text.startsWith('\ufeff'));
      expect(decodeText(new TextEncoder().encode(text))).toEqual({ ok: true, text });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (given) => {
      expect(typeof decodeText(given).ok).toBe('boolean');
    }),
  );
});
