/**
 * Text on its way to a terminal. Names, states and errors come from other people, and a terminal obeys what it reads:
 * so characters that move its cursor, set its title or turn the writing direction are written as escapes.
 */
import type { Output } from './output.ts';

/**
 * Controls but the line end, marks of the writing direction, separators, tags, halves of surrogate pairs. Joiners and
 * what is only invisible do a terminal no harm.
 */
const OBEYED = new RegExp(
  '[\\u0000-\\u0009\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f' +
    '\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e0fff}\\p{Surrogate}]',
  'gu',
);

/** `\u202e` and the like, also for a character of two units: inside a string of JSON that is the same text as before. */
const escaped = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');

/** A line as it may be printed. Line ends inside it are blanks, so that nobody can write a line of their own. */
export const printable = (line: string): string =>
  line.replace(OBEYED, escaped).replaceAll('\n', escaped('\n'));

/** An output that prints {@link printable} lines only. */
export const guarded = ({ out, err }: Output): Output => ({
  out: (line) => out(printable(line)),
  err: (line) => err(printable(line)),
});
