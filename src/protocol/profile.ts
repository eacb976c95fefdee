/**
 * The name and team that a contributor may show beside its key. Names are what other people typed: they are bounded,
 * and only text that reads as it is stored gets through (no control, invisible or direction-changing characters, no
 * towers of combining marks). They are not unique, so whoever shows one shows the key too.
 */
import * as v from 'valibot';

/** Unicode code points of a name or a team. */
export const MAX_NAME = 32;

/** Control, format, private and unassigned characters, line separators, and what Unicode says shows as nothing. */
const HIDDEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{2800}]/gu;
/** More than two combining marks on one letter. */
const TOWER = /(\p{M}{2})\p{M}+/gu;

const pass = (text: string): string =>
  Array.from(
    text
      .replace(/\s+/gu, ' ')
      .replace(HIDDEN, '')
      .normalize('NFC')
      .replace(TOWER, '$1')
      .replace(/ {2,}/g, ' ')
      .trim(),
  )
    .slice(0, MAX_NAME)
    .join('')
    .trim();

/** What is left of a text as a name; '' when nothing is. Cleaning twice changes nothing more. */
export function cleanName(text: string): string {
  let name = pass(text.slice(0, 4 * MAX_NAME));
  // Taking a character out can make its neighbours combine; two passes settle almost everything, four all that is known.
  for (let i = 0; i < 4; i++) {
    const next = pass(name);
    if (next === name) return name;
    name = next;
  }
  return '';
}

/** A name as it may travel: at most {@link MAX_NAME} code points, already clean. '' is no name. */
export const Name = v.pipe(
  v.string(),
  v.maxLength(2 * MAX_NAME),
  v.check((text) => cleanName(text) === text, 'a name must have no hidden characters'),
);

/** Teams are one whatever the capitals. */
export const teamKey = (team: string): string => team.toLowerCase();
