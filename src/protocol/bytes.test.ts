/** Byte strings, against Node's own hex, comparison and SHA-256. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { bytesEqual, compareBytes, concatBytes, fromHex, sha256, sha256Sync, toHex } from './bytes.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

test('hex is Node’s, and comes back from either case', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const hex = Buffer.from(bytes).toString('hex');
      expect(toHex(bytes)).toBe(hex);
      expect(fromHex(hex)).toEqual(bytes);
      expect(fromHex(hex.toUpperCase())).toEqual(bytes);
    }),
  );
});

test('anything but whole bytes of hex is refused, and quoted no longer than a line', () => {
  for (const text of ['0', 'abc', 'xy', '0x00', ' 00', '00 ', 'a\n', '0g', 'g0', '00zz', 'zz00'])
    expect(() => fromHex(text), text).toThrow(new RangeError(`not a hex string: "${text}"`));
  expect(() => fromHex('z'.repeat(200))).toThrow(new RangeError(`not a hex string: "${'z'.repeat(80)}"`));
});

test('equality and order are those of Node’s buffers', () => {
  const short = fc.uint8Array({ maxLength: 4, max: 2 });
  fc.assert(
    fc.property(short, short, (a, b) => {
      expect(bytesEqual(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
    }),
    { numRuns: 500 },
  );
  const prefix = Uint8Array.of(1, 2);
  const longer = Uint8Array.of(1, 2, 0);
  expect([bytesEqual(prefix, longer), bytesEqual(longer, prefix)]).toEqual([false, false]);
  expect(compareBytes(prefix, longer)).toBeLessThan(0);
  expect(compareBytes(longer, prefix)).toBeGreaterThan(0);
  // Differences count before lengths, and bytes are unsigned.
  expect(compareBytes(Uint8Array.of(2), Uint8Array.of(1, 9, 9))).toBeGreaterThan(0);
  expect(compareBytes(Uint8Array.of(0x80), Uint8Array.of(0x7f))).toBeGreaterThan(0);
});

test('parts are joined in order, into memory of their own', () => {
  const part = Uint8Array.of(1, 2);
  const joined = concatBytes(part, new Uint8Array(), Uint8Array.of(3, 4, 5), part);
  part[0] = 9;
  expect(joined).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 1, 2));
  expect(concatBytes()).toEqual(new Uint8Array());
});

test('SHA-256 is Node’s, with WebCrypto and in a page that has none', async () => {
  const digest = vi.spyOn(crypto.subtle, 'digest');
  for (const length of [0, 1, 55, 56, 64, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i);
    const expected = new Uint8Array(createHash('sha256').update(bytes).digest());
    expect(sha256Sync(bytes)).toEqual(expected);
    vi.unstubAllGlobals();
    digest.mockClear();
    expect(await sha256(bytes)).toEqual(expected);
    expect(digest).toHaveBeenCalledOnce();
    for (const without of [undefined, {}]) {
      vi.stubGlobal('crypto', without);
      expect(await sha256(bytes)).toEqual(expected);
    }
    expect(digest).toHaveBeenCalledOnce();
  }
});
