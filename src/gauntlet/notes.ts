/**
 * The figures behind refusals and audits, by code: what a validator tells a contributor beside the bare reason. No words
 * here: the page and the command line have their own for each code (ui/strings/notes.ts).
 */
import { cleanText } from '../protocol/clean-text.ts';
import type { Note, RefusalReason } from '../protocol/messages.ts';

type NoFigures = { readonly [name in never]: never };

/** Every note that this version's validator makes, with its figures. */
export interface NoteFigures {
  // form
  'too-large': { bytes: number; most: number };
  'unreadable-claim': NoFigures;
  'too-many-steps': { steps: number; most: number };
  'too-many-tokens': { tokens: number; steps: number; most: number };
  undecodable: { error: string };
  'no-finite-norm': NoFigures;
  'no-carry-roots': NoFigures;
  // time and place
  'other-run': NoFigures;
  'other-round': { round: number; open: number };
  'early-commit': { ms: number };
  'late-commit': { ms: number };
  'late-reveal': { ms: number };
  'no-commit': NoFigures;
  'two-commits': NoFigures;
  'not-admitted': NoFigures;
  'other-state': NoFigures;
  // bytes
  'other-claim': NoFigures;
  'other-bytes': NoFigures;
  'never-revealed': NoFigures;
  'not-served': { error: string };
  'slow-bytes': NoFigures;
  // room
  'many-newcomers': { most: number };
  'not-fetched': NoFigures;
  'not-drawn': { most: number };
  'not-measured': NoFigures;
  'gave-up': NoFigures;
  // work
  'changes-nothing': NoFigures;
  'norm-far': { norm: number; median: number; limit: number };
  'norm-short': { norm: number; expected: number; least: number };
  'copied-positions': { share: number; limit: number; from: string };
  'copied-mosaic': { share: number; limit: number; from: string };
  'copied-chunks': { share: number; limit: number; from: string };
  'other-direction': { agrees: number; signs: number; median: number };
  'carry-broken': NoFigures;
  'loss-undefined': NoFigures;
  'loss-worse': { nats: number; noise: number };
  'gain-short': { gain: number; others: number; noise: number; least: number };
  'no-better-on-own': { share: number };
  'audit-failed-before': NoFigures;
  'awaits-audit': { audited: number };
  // audits
  replayed: { work: number; moment1: number; moment2: number; sent: number; steps: number };
  silent: { asked: number };
  withheld: { asked: number };
  'unreadable-answer': NoFigures;
  'other-carry-before': NoFigures;
  'other-carry-after': NoFigures;
  'other-carry-refused': NoFigures;
}
export type NoteCode = keyof NoteFigures;

export interface Refusal {
  readonly reason: RefusalReason;
  readonly note: Note;
}

/** A figure that no number is, or that passes what a message may hold, becomes the greatest one. */
const bounded = (x: number | string): number | string =>
  typeof x === 'string'
    ? cleanText(x, 64)
    : Number.isFinite(x) && Math.abs(x) < 1e300
      ? x
      : x < 0
        ? -1e300
        : 1e300;

/** A note as it travels in an opinion. */
export function note<C extends NoteCode>(
  code: C,
  ...[figures]: keyof NoteFigures[C] extends never ? [] : [NoteFigures[C]]
): Note {
  const given: Record<string, number | string> = { ...figures };
  return { code, figures: Object.fromEntries(Object.entries(given).map(([name, x]) => [name, bounded(x)])) };
}

export function refusal<C extends NoteCode>(
  reason: RefusalReason,
  code: C,
  ...figures: keyof NoteFigures[C] extends never ? [] : [NoteFigures[C]]
): Refusal {
  return { reason, note: note(code, ...figures) };
}
