/**
 * Text that reads as it is stored. Whatever the protocol carries is shown on somebody's page and printed on somebody's
 * terminal, so characters that move the cursor, turn the writing direction, hide, or break a line may not travel.
 *
 * The list is of code points and not of Unicode classes: peers with different Unicode versions must agree on it.
 */
import * as v from 'valibot';

/**
 * What may not be in a text: controls (C0, DEL, C1), line and paragraph separators, marks, embeddings, overrides and
 * isolates of the writing direction, zero-width and other invisible characters, tags, noncharacters. The joiners U+200C
 * and U+200D stay: Persian, Indic scripts and emoji need them.
 */
const REFUSED =
  '\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e\\u200f' +
  '\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufdd0-\\ufdef\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff\\u{e0000}-\\u{e0fff}';
const HAS_REFUSED = new RegExp(`[${REFUSED}]`, 'u');
const EACH_REFUSED = new RegExp(`[${REFUSED}]+`, 'gu');
/** Half of a surrogate pair: no character, and UTF-8 cannot hold it. */
const LONE = /\p{Surrogate}/gu;

export const isClean = (text: string): boolean => text.isWellFormed() && !HAS_REFUSED.test(text);

/**
 * What is left of a text of somebody else's making (a driver, an error) where it has to be clean: at most `maxLength`
 * UTF-16 units, a blank where characters were taken out, no half character at the cut.
 */
export function cleanText(text: string, maxLength: number): string {
  const cleaned = text.replace(LONE, ' ').replace(EACH_REFUSED, ' ').trim().slice(0, maxLength);
  return cleaned.replace(LONE, '').trim();
}

/** A text of at most `maxLength` UTF-16 units that {@link isClean}; '' is one. */
export const CleanText = (maxLength: number) =>
  v.pipe(v.string(), v.maxLength(maxLength), v.check(isClean, 'a text must have no hidden characters'));

/** A code, a name of a figure: printable ASCII without blanks. */
export const Token = (maxLength: number) =>
  v.pipe(v.string(), v.maxLength(maxLength), v.regex(/^[!-~]*$/, 'must be printable ASCII'));
