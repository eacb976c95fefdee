/** Names that other people typed. */
import * as fc from 'fast-check';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { cleanName, MAX_NAME, Name } from './profile.ts';

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
