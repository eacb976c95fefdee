/** Names that other people typed. */
import * as fc from 'fast-check';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { cleanName, MAX_NAME, Name, teamKey } from './profile.ts';

test('keeps ordinary names in any script', () => {
  for (const name of ['Ada Lovelace', 'Zoë', '北京大学', 'Δημήτρης', 'मधु', 'O’Brien & Söhne', 'crab 🦀'])
    expect(cleanName(name)).toBe(name);
});

test('drops what cannot be seen or turns the line around', () => {
  expect(cleanName('  Ada\u0000 \t\n Love\u200Blace ')).toBe('Ada Lovelace');
  expect(cleanName('\u202Eevil\u202C')).toBe('evil');
  expect(cleanName('\u3164\u2800\uFE0F')).toBe('');
  expect(cleanName('Z\u0300\u0301\u0302\u0303\u0304')).toBe('Z\u0300\u0301');
  expect(cleanName('half \uD83E')).toBe('half');
});

test('whatever is typed becomes a name that may travel, and cleaning it again changes nothing', () => {
  const odd = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({
      unit: fc.constantFrom('a', '\u0301', '\u0327', '\u200D', '\u1100', '\u1161', ' ', '\u0915', '\u093C'),
    }),
  );
  fc.assert(
    fc.property(odd, (text) => {
      const name = cleanName(text);
      expect(Array.from(name).length).toBeLessThanOrEqual(MAX_NAME);
      expect(cleanName(name)).toBe(name);
      expect(v.is(Name, name)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('a name is cut at 32 code points and never in the middle of one', () => {
  expect(cleanName('a'.repeat(200))).toBe('a'.repeat(32));
  expect(cleanName('🦀'.repeat(33))).toBe('🦀'.repeat(32));
  expect(cleanName(`${'a'.repeat(31)} b`)).toBe('a'.repeat(31));
  // Only the beginning is looked at, however long the text is.
  expect(cleanName(`${'\u200B'.repeat(128)}a`)).toBe('');
  expect(cleanName(`${'\u200B'.repeat(127)}a`)).toBe('a');
});

test('blanks are one, also where something between them went, and marks are composed and few', () => {
  expect(cleanName('a \u200B b')).toBe('a b');
  expect(cleanName('a\t\n b')).toBe('a b');
  expect(cleanName('\u2028a\u00A0')).toBe('a');
  expect(cleanName('e\u0301')).toBe('é');
  expect(cleanName(`Z${'\u0300'.repeat(60)}`)).toBe('Z\u0300\u0300');
});

test('only a clean name may travel', () => {
  for (const name of ['', 'Ada', '🦀'.repeat(32), 'Z\u0300\u0301']) expect(v.is(Name, name), name).toBe(true);
  for (const name of [' Ada', 'Ada ', 'A  da', 'A\u202Eda', 'e\u0301', 'a'.repeat(33), 'a'.repeat(65), 7])
    expect(v.is(Name, name), String(name)).toBe(false);
  expect(v.safeParse(Name, ' Ada').issues?.[0].message).toBe('a name must have no hidden characters');
});

test('a team is one whatever the capitals', () => {
  expect(teamKey('Moss & Söhne')).toBe(teamKey('MOSS & SÖHNE'));
  expect(teamKey('Moss')).not.toBe(teamKey('Mos'));
  expect(teamKey('MOSS')).toBe('moss');
});
