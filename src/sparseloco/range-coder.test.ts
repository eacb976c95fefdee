/** The range coder alone: exact for any bits, carries included, and close to the entropy. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BitModels, RangeDecoder, RangeEncoder } from './range-coder.ts';
import { randomSource } from './testing.ts';

const prefix = Uint8Array.of(7, 0);

test('any mix of modelled, direct and tree bits comes back', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 0, max: 3000 }),
      fc.double({ min: 0, max: 1 }),
      (seed, n, skew) => {
        const random = randomSource(seed);
        const bits = Array.from({ length: n }, () => (random() < skew ? 1 : 0));
        const encoder = new RangeEncoder(prefix, 0);
        const models = new BitModels(40);
        bits.forEach((bit, i) => {
          if (i % 7 === 0) encoder.direct(bit * 5, 3);
          else if (i % 11 === 0) encoder.tree(models, 8, bit * 9, 5);
          else encoder.bit(models, i % 5, bit);
        });
        const bytes = encoder.finish();
        expect([...bytes.subarray(0, 2)]).toEqual([7, 0]);
        const decoder = new RangeDecoder(bytes, 2);
        const again = new BitModels(40);
        const decoded = bits.map((_, i) => {
          if (i % 7 === 0) return decoder.direct(3) / 5;
          if (i % 11 === 0) return decoder.tree(again, 8, 5) / 9;
          return decoder.bit(again, i % 5);
        });
        expect(decoded).toEqual(bits);
        expect(decoder.ended(2)).toBe(true);
      },
    ),
    { numRuns: 150, seed: 2 },
  );
});

test('a carry runs through any number of waiting bytes', () => {
  // Direct ones push `low` to the top of the range, so that a late addition ripples far up.
  for (let ones = 0; ones < 200; ones++) {
    const encoder = new RangeEncoder(new Uint8Array(), 0);
    const models = new BitModels(1, 65_504);
    for (let i = 0; i < ones; i++) encoder.direct(1, 1);
    for (let i = 0; i < 9; i++) encoder.bit(models, 0, 1);
    const decoder = new RangeDecoder(encoder.finish(), 0);
    const again = new BitModels(1, 65_504);
    for (let i = 0; i < ones; i++) expect(decoder.direct(1)).toBe(1);
    for (let i = 0; i < 9; i++) expect(decoder.bit(again, 0)).toBe(1);
    expect(decoder.ended(0)).toBe(true);
  }
});

test('skewed bits cost near their entropy', () => {
  const random = randomSource(9);
  const n = 200_000;
  const p = 1 / 64;
  const encoder = new RangeEncoder(new Uint8Array(), 0);
  const models = new BitModels(1);
  for (let i = 0; i < n; i++) encoder.bit(models, 0, random() < p ? 1 : 0);
  const entropy = n * -(p * Math.log2(p) + (1 - p) * Math.log2(1 - p));
  expect((8 * encoder.finish().byteLength) / entropy).toBeLessThan(1.05);
});

test('nothing at all takes no bytes', () => {
  expect(new RangeEncoder(new Uint8Array(), 0).finish().byteLength).toBe(0);
  const decoder = new RangeDecoder(new Uint8Array(), 0);
  expect(decoder.overrun).toBe(4);
  expect(decoder.ended(0)).toBe(true);
});

/** Shift of a model's update after so many bits, as docs/wire.md tells them. */
const rateAfter = (seen: number): number =>
  seen < 2 ? 2 : seen < 5 ? 3 : seen < 10 ? 4 : seen < 30 ? 5 : seen < 70 ? 6 : 7;

/** The coder's definition: one number of any length for the interval's start, so that no carry has to travel. */
function referenceBytes(steps: readonly { bit: number; model: number | null }[], models: number): number[] {
  const p = new Array<number>(models).fill(32768);
  const seen = new Array<number>(models).fill(0);
  let low = 0n;
  let range = 0xffffffffn;
  let bytes = 4;
  for (const { bit, model } of steps) {
    const bound = model === null ? range / 2n : (range >> 16n) * BigInt(p[model]);
    // A direct bit 1 takes the upper part, of the same size as the lower.
    if (bit === 1) {
      low += bound;
      range -= bound;
    } else range = bound;
    if (model !== null) {
      const rate = rateAfter(seen[model]++);
      const next = bit === 0 ? p[model] + ((65536 - p[model]) >> rate) : p[model] - (p[model] >> rate);
      p[model] = Math.min(65536 - 32, Math.max(32, next));
    }
    for (; range < 2n ** 24n; bytes++) {
      range *= 256n;
      low *= 256n;
    }
  }
  let end = low + range - 1n;
  for (let unit = 2n ** 32n; unit > 1n; unit /= 2n) {
    const candidate = (end / unit) * unit;
    if (candidate < low) continue;
    end = candidate;
    break;
  }
  const out = Array.from({ length: bytes }, (_, i) => Number((end >> BigInt(8 * (bytes - 1 - i))) & 255n));
  for (let left = 4; left > 0 && out.at(-1) === 0; left--) out.pop();
  return out;
}

test('the bytes are those of the definition, for modelled and direct bits of any skew', () => {
  for (let seed = 0; seed < 120; seed++) {
    const random = randomSource(seed);
    const skew = random();
    const steps = Array.from({ length: seed * 4 }, () => ({
      bit: random() < skew ? 1 : 0,
      model: random() < 0.2 ? null : Math.floor(random() * 3),
    }));
    const encoder = new RangeEncoder(prefix, 0);
    const models = new BitModels(3);
    for (const { bit, model } of steps)
      if (model === null) encoder.direct(bit, 1);
      else encoder.bit(models, model, bit);
    expect([...encoder.finish()]).toEqual([7, 0, ...referenceBytes(steps, 3)]);
  }
});

test('no two byte strings mean the same bits', () => {
  /** What nine bits a string decodes to; null when it does not end as the encoder ends. */
  const read = (bytes: Uint8Array): string | null => {
    const decoder = new RangeDecoder(bytes, 0);
    const models = new BitModels(1, 60_000);
    const bits = Array.from({ length: 9 }, (_, i) =>
      i % 3 === 0 ? decoder.direct(1) : decoder.bit(models, 0),
    );
    return decoder.ended(0) ? bits.join('') : null;
  };
  const meanings = new Map<string, string>();
  const strings = [new Uint8Array()];
  for (let a = 0; a < 256; a++) {
    strings.push(Uint8Array.of(a));
    for (let b = 0; b < 256; b++) strings.push(Uint8Array.of(a, b), Uint8Array.of(a, b, 0));
  }
  for (const bytes of strings) {
    const bits = read(bytes);
    if (bits === null) continue;
    expect(meanings.get(bits), `${String(bytes)} and ${meanings.get(bits)}`).toBeUndefined();
    meanings.set(bits, String(bytes));
  }
  // Most of the 512 sequences are likely enough for two bytes, and each of those is what the encoder writes.
  expect(meanings.size).toBeGreaterThan(100);
  for (const [bits, bytes] of meanings) {
    const encoder = new RangeEncoder(new Uint8Array(), 0);
    const models = new BitModels(1, 60_000);
    Array.from(bits, Number).forEach((bit, i) => {
      if (i % 3 === 0) encoder.direct(bit, 1);
      else encoder.bit(models, 0, bit);
    });
    expect(String(encoder.finish())).toBe(bytes);
  }
});

test('a model starts where it is told, within the bounds of probabilities', () => {
  const models = new BitModels(3);
  models.start(0, -5, 0);
  models.start(1, 70_000, 3);
  models.start(2, 1234.5, 70);
  expect([...models.p]).toEqual([32, 65_504, 1235]);
  expect([...models.seen]).toEqual([0, 3, 70]);
  // However long it sees one bit, it stays within them, and its last rate stays.
  const encoder = new RangeEncoder(new Uint8Array(), 0);
  for (let i = 0; i < 3000; i++) {
    encoder.bit(models, 0, 0);
    encoder.bit(models, 1, 1);
  }
  // 127 - (127 >> 7) is 127: a probability settles before the bound.
  expect([...models.p.subarray(0, 2)]).toEqual([65_536 - 127, 127]);
  expect([...models.seen]).toEqual([70, 70, 70]);
});

test('what was read past the end is counted', () => {
  const decoder = new RangeDecoder(Uint8Array.of(1, 2, 3, 4, 5), 1);
  expect(decoder.overrun).toBe(0);
  decoder.direct(20);
  expect(decoder.overrun).toBe(2);
  expect(new RangeDecoder(Uint8Array.of(9, 9), 1).overrun).toBe(3);
});
