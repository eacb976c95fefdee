/** base64url without padding, against RFC 4648's vectors and Node's own. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBase64Url, toBase64Url } from './base64url.ts';

test('RFC 4648, section 10, without padding', () => {
  const encoded = ['', 'Zg', 'Zm8', 'Zm9v', 'Zm9vYg', 'Zm9vYmE', 'Zm9vYmFy'];
  encoded.forEach((text, length) => {
    const bytes = new TextEncoder().encode('foobar'.slice(0, length));
    expect(toBase64Url(bytes)).toBe(text);
    expect(fromBase64Url(text)).toEqual(bytes);
  });
});

test('any bytes read as Node writes them, past the length that one call takes too', () => {
  const check = (bytes: Uint8Array) => {
    const text = Buffer.from(bytes).toString('base64url');
    expect(toBase64Url(bytes)).toBe(text);
    expect(fromBase64Url(text)).toEqual(new Uint8Array(bytes));
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), check));
  for (const length of [8191, 8192, 8193, 200_000])
    check(Uint8Array.from({ length }, (_, i) => (i * 7) >> 2));
});

test('a value has one text: padding, other letters and spare bits are refused', () => {
  for (const text of [
    'Zg==',
    'Zg=',
    'Zh',
    'Zm9',
    'Z',
    'Zm9vY',
    '+A',
    '/A',
    'Z g',
    ' Zg',
    'Zg ',
    'Zg\n',
    'é',
    'Zé',
    'éZ',
  ])
    expect(fromBase64Url(text), text).toBeNull();
  expect(fromBase64Url('-_-_')).toEqual(Uint8Array.of(0xfb, 0xff, 0xbf));
});
