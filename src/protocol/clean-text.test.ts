/** Texts of the protocol: what may be in them, in every field of every message and of the manifest. */
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { CleanText, cleanText, isClean, Token } from './clean-text.ts';
import { ManifestSchema } from './manifest.ts';
import { MessageSchema } from './messages.ts';
import { Name } from './profile.ts';

/** What moves a terminal's cursor or sets its title, turns writing round, hides, or ends a line. */
const HOSTILE: Readonly<Record<string, string>> = {
  title: 'a\u001b]0;owned\u0007b',
  'clear screen': '\u001b[2J',
  'C1 control sequence': 'a\u009b2Jb',
  'line end': 'a\r\nb',
  tab: 'a\tb',
  NUL: 'a\0b',
  DEL: 'a\u007fb',
  backspace: 'a\bb',
  'right-to-left override': 'a\u202eb',
  'right-to-left embedding': 'a\u202bb',
  isolate: 'a\u2067b\u2069',
  mark: 'a\u200fb',
  'Arabic letter mark': 'a\u061cb',
  'line separator': 'a\u2028b',
  'paragraph separator': 'a\u2029b',
  'zero-width space': 'a\u200bb',
  'byte-order mark': 'a\ufeffb',
  'word joiner': 'a\u2060b',
  'soft hyphen': 'a\u00adb',
  'Hangul filler': 'a\u3164b',
  tag: 'a\u{e0041}b',
  noncharacter: 'a\uffffb',
  'half a pair': 'a\ud83db',
};

test.each(Object.entries(HOSTILE))('%s is refused, and cleaned out', (_, text) => {
  expect(isClean(text)).toBe(false);
  expect(v.is(CleanText(80), text)).toBe(false);
  expect(v.is(Token(80), text)).toBe(false);
  const cleaned = cleanText(text, 80);
  expect(isClean(cleaned)).toBe(true);
  expect(cleaned).not.toMatch(/^\s|\s$/);
});

test('scripts of the world, emoji and joiners are texts; a token is ASCII without blanks', () => {
  for (const text of [
    '',
    'Zürich',
    'مدل زبان',
    'نمی\u200cدانم',
    '训练',
    'தமிழ்',
    '👩\u200d🔬 lab',
    '❤️',
    'a  b',
  ])
    expect(v.is(CleanText(40), text), text).toBe(true);
  expect(v.is(CleanText(3), 'abcd')).toBe(false);
  expect(v.is(CleanText(3), 7)).toBe(false);
  expect(v.is(Token(9), 'loss-worse')).toBe(false);
  expect(v.is(Token(10), 'loss-worse')).toBe(true);
  expect(v.is(Token(10), 'two words')).toBe(false);
  expect(v.is(Token(10), 'naïve')).toBe(false);
});

test('cleaning keeps to the length and cuts no character in two', () => {
  expect(cleanText('a'.repeat(200), 120)).toHaveLength(120);
  expect(cleanText('ab😀', 3)).toBe('ab');
  expect(cleanText(' \u001b[31mRed Card\u001b[0m ', 40)).toBe('[31mRed Card [0m');
});

/** Every string schema inside a schema, with the path to it. */
function strings(schema: unknown, path: string, found: { path: string; schema: v.GenericSchema }[]): void {
  if (typeof schema !== 'object' || schema === null) return;
  const s = schema as Record<string, unknown> & { type?: string };
  if (s.type === 'string') {
    found.push({ path, schema: s as unknown as v.GenericSchema });
    return;
  }
  const inner = [s['wrapped'], s['item'], s['key'], s['value'], s['options'], s['items'], s['rest']].flat();
  for (const one of inner) strings(one, `${path}*`, found);
  const entries = (s['entries'] ?? {}) as Record<string, unknown>;
  for (const [name, one] of Object.entries(entries)) strings(one, `${path}.${name}`, found);
}

test.each([
  ['messages', MessageSchema, 10],
  ['manifest', ManifestSchema, 6],
])('no string of the %s takes a hidden character', (_, schema, least) => {
  const found: { path: string; schema: v.GenericSchema }[] = [];
  strings(schema, '', found);
  expect(found.length).toBeGreaterThanOrEqual(least);
  for (const { path, schema: one } of found)
    for (const [what, text] of Object.entries(HOSTILE))
      expect(v.is(one, text), `${path} takes ${what}`).toBe(false);
  expect(v.is(Name, 'a\u001bb')).toBe(false);
});
