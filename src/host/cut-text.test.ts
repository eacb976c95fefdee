/** Texts of any script and shape are cut into pieces of sane sizes, at the best boundaries there are. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutText } from './cut-text.ts';

/** Checks what holds for every text; returns the pieces. */
function cut(text: string, count = 40): string[] {
  const pieces = cutText(text, count);
  expect(pieces.join('')).toBe(text);
  expect(pieces.length).toBe(Math.max(1, Math.min(count, text.length >> 1)));
  const share = text.length / pieces.length;
  for (const piece of pieces) {
    expect(piece.isWellFormed()).toBe(text.isWellFormed());
    expect(piece.length).toBeGreaterThanOrEqual(Math.floor(share / 2));
    expect(piece.length).toBeLessThanOrEqual(Math.ceil(share * 1.5) + 2);
  }
  return pieces;
}
const all = (pieces: readonly string[], end: RegExp): void => {
  for (const piece of pieces.slice(0, -1)) expect(piece).toMatch(end);
};

test.each([
  ['line feeds', '\n'],
  ['carriage returns', '\r'],
  ['both', '\r\n'],
  ['Unicode’s line separators', '\u2028'],
])('lines with %s are kept whole', (_, end) => {
  const lines = Array.from({ length: 900 }, (__, i) => `Line ${i}. It has two sentences.${end}`);
  for (const piece of cut(lines.join(''))) {
    expect(piece.startsWith('Line ')).toBe(true);
    expect(piece.endsWith(end)).toBe(true);
  }
});

test.each([
  ['Chinese', '这是一个测试。他们都来了！', /[。！]$/],
  ['Japanese', 'これはテストです。そうですか？', /[。？]$/],
  ['Hindi', 'यह एक परीक्षण है। वे आए। ', /। $/],
  ['English', 'This is a test. They have come. ', /\. $/],
])('a line of %s is cut between sentences', (_, sentence, end) => {
  all(cut(sentence.repeat(2000)), end);
});

test.each([
  ['Thai', 'ภาษาไทยไม่มีช่องว่างระหว่างคำ', 'th'],
  ['Lao', 'ພາສາລາວບໍ່ມີຊ່ອງວ່າງ', 'lo'],
  ['Khmer', 'ភាសាខ្មែរមិនមានដកឃ្លា', 'km'],
  ['Chinese without marks', '我们今天去学校学习中文', 'zh'],
])('a line of %s is cut between words, and never inside a character', (_, words, locale) => {
  const pieces = cut(words.repeat(1500));
  const graphemes = new Intl.Segmenter(locale, { granularity: 'grapheme' });
  const whole = new Set([...graphemes.segment(words.repeat(2))].map(({ segment }) => segment));
  for (const piece of pieces)
    for (const { segment } of graphemes.segment(piece)) expect(whole).toContain(segment);
});

test('minified text and text without any boundary are cut all the same', () => {
  all(cut('function(a,b){return a+b};var c=[1,2,3];'.repeat(5000)), /\P{L}$|\p{L}$/u);
  cut('x'.repeat(1_000_000));
  cut('👩‍👩‍👧‍👦'.repeat(3000)).forEach((piece) => expect(piece.startsWith('👩‍👩‍👧‍👦')).toBe(true));
  // One character of a million accents, and characters of two units.
  cut(`e${'\u0301'.repeat(1_000_000)}`);
  cut('😀'.repeat(10));
});

test('a boundary far away is no reason for a tiny last piece', () => {
  cut(`${'x'.repeat(100_000)} end`);
  cut(`${'这是一个测试'.repeat(20_000)}\n尾`);
});

test('any text comes back whole', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.integer({ min: 1, max: 50 }),
      (text, count) => {
        expect(cutText(text, count).join('')).toBe(text);
      },
    ),
  );
});
