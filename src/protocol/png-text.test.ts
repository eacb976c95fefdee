/** A text inside a PNG: chunks laid out as the specification says, their CRC by zlib, and every file that is not so. */
import { crc32, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { concatBytes } from './bytes.ts';
import { joinPng, MAX_PNG_BYTES, splitPng } from './png-text.ts';

const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const uint32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

function chunk(type: string, data: Uint8Array, crc?: number): Uint8Array {
  const body = concatBytes(ascii(type), data);
  return concatBytes(uint32(data.byteLength), body, uint32(crc ?? crc32(body)));
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const HEAD = chunk('IHDR', concatBytes(uint32(1), uint32(1), Uint8Array.of(8, 0, 0, 0, 0)));
const PIXEL = chunk('IDAT', new Uint8Array(deflateSync(Uint8Array.of(0, 255))));
const END = chunk('IEND', new Uint8Array());
const png = (...chunks: Uint8Array[]) => concatBytes(SIGNATURE, ...chunks);
const picture = png(HEAD, PIXEL, END);
const KEYWORD = ascii('Tabswarm contribution\0');
const ours = (text: string, crc?: number) => chunk('tEXt', concatBytes(KEYWORD, ascii(text)), crc);

test('the text is a tEXt chunk before the last one, and splitting gives both back', () => {
  const signed = joinPng(picture, 'a text');
  expect(signed).toEqual(png(HEAD, PIXEL, ours('a text'), END));
  expect(splitPng(signed)).toEqual({ ok: true, picture, text: 'a text' });
  expect(splitPng(joinPng(picture, ''))).toEqual({ ok: true, picture, text: '' });
});

test('it is found wherever it stands, also in a view into other bytes', () => {
  const moved = png(HEAD, ours('early'), PIXEL, END);
  expect(splitPng(moved)).toEqual({ ok: true, picture, text: 'early' });
  const inside = concatBytes(ascii('before'), moved, ascii('after')).subarray(6, 6 + moved.byteLength);
  expect(splitPng(inside)).toEqual({ ok: true, picture, text: 'early' });
  expect(joinPng(concatBytes(ascii('xx'), picture).subarray(2), 'a')).toEqual(joinPng(picture, 'a'));
});

test('other texts are left alone', () => {
  const others = [
    chunk('tEXt', ascii('Title\0A picture')),
    chunk('tEXt', ascii('Tabswarm contribution')),
    // The keyword's NUL would be the first byte of the CRC.
    chunk('tEXt', ascii('Tabswarm contribution'), 0),
    chunk('tEXt', ascii('Tabswarm contributions\0x')),
    chunk('zTXt', concatBytes(KEYWORD, ascii('x'))),
    chunk('tEXt', concatBytes(ascii(' '), KEYWORD)),
  ];
  for (const other of others) {
    const file = png(HEAD, other, PIXEL, END);
    expect(splitPng(file)).toEqual({ ok: false, reason: 'no-text' });
    expect(splitPng(joinPng(file, 'ours'))).toEqual({ ok: true, picture: file, text: 'ours' });
  }
});

test('two texts, or one with a wrong CRC, are damage', () => {
  expect(splitPng(png(HEAD, ours('a'), ours('b'), PIXEL, END))).toEqual({ ok: false, reason: 'damaged' });
  expect(splitPng(png(HEAD, ours('a', 7), PIXEL, END))).toEqual({ ok: false, reason: 'damaged' });
  const signed = joinPng(picture, 'a text');
  const at = signed.byteLength - END.byteLength - 4;
  // Every bit of the text's last letter and of the CRC.
  for (let bit = 0; bit < 40; bit++) {
    const bent = signed.slice();
    bent[at - 1 + (bit >> 3)] ^= 1 << (bit & 7);
    expect(splitPng(bent)).toEqual({ ok: false, reason: 'damaged' });
  }
});

test('what is no PNG from its first byte to its last is none', () => {
  const none = { ok: false, reason: 'no-png' };
  for (let i = 0; i < SIGNATURE.length; i++) {
    const bent = picture.slice();
    bent[i] ^= 0x20;
    expect(splitPng(bent)).toEqual(none);
  }
  for (let length = 0; length < picture.byteLength; length++)
    expect(splitPng(picture.subarray(0, length)), `${length} bytes`).toEqual(none);
  expect(splitPng(concatBytes(picture, Uint8Array.of(0)))).toEqual(none);
  expect(splitPng(concatBytes(picture, PIXEL))).toEqual(none);
  // The last chunk claims more than there is.
  expect(splitPng(png(HEAD, PIXEL, concatBytes(uint32(5), ascii('IEND'), uint32(0))))).toEqual(none);
  expect(splitPng(png(HEAD, concatBytes(uint32(0xffffffff), ascii('IDAT')), END))).toEqual(none);
});

test('a file, its chunks and its text are read up to a limit', () => {
  const some = (count: number) => Array.from({ length: count }, () => chunk('tEXt', ascii('k\0v')));
  expect(splitPng(png(HEAD, ours('a'), ...some(4096 - 4), PIXEL, END))).toMatchObject({
    ok: true,
    text: 'a',
  });
  expect(splitPng(png(HEAD, ours('a'), ...some(4097 - 4), PIXEL, END))).toEqual({
    ok: false,
    reason: 'no-png',
  });
  // The text's own frame counts with it.
  const most = 2 ** 20 - KEYWORD.length - 12;
  expect(splitPng(png(HEAD, PIXEL, ours('t'.repeat(most)), END))).toMatchObject({ ok: true });
  expect(splitPng(png(HEAD, PIXEL, ours('t'.repeat(most + 1)), END))).toEqual({
    ok: false,
    reason: 'damaged',
  });
  const rest = MAX_PNG_BYTES - png(HEAD, ours('a'), PIXEL, END).byteLength - 12;
  const wide = (bytes: number) => png(HEAD, ours('a'), chunk('zTXt', new Uint8Array(bytes)), PIXEL, END);
  expect(splitPng(wide(rest))).toMatchObject({ ok: true, text: 'a' });
  expect(splitPng(wide(rest + 1))).toEqual({ ok: false, reason: 'no-png' });
});

test('signing what is no PNG, or is signed, is our mistake', () => {
  expect(() => joinPng(ascii('no picture'), 'a')).toThrow(new RangeError('the picture is no PNG file'));
  expect(() => joinPng(SIGNATURE, 'a')).toThrow(new RangeError('the picture is no PNG file'));
  expect(() => joinPng(joinPng(picture, 'a'), 'b')).toThrow(new RangeError('the picture is signed already'));
});
