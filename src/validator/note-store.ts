/** Where a seat keeps what it remembers of contributors: it helps, and must never cost a round. */
import type { Report } from '../gauntlet/events.ts';
import { messageOf } from '../protocol/errors.ts';

/** Small values that may be lost without harm to the chain; a lost one costs contributors their standing. */
export interface NoteStore {
  note(name: NoteName): Promise<Uint8Array | null>;
  saveNote(name: NoteName, bytes: Uint8Array): void;
}

export type NoteName = 'standings' | 'carries';

/** Saves a note, or reports that it could not be saved: a full disk. Never throws. */
export function saveOrReport(
  notes: Pick<NoteStore, 'saveNote'>,
  report: Report,
  name: NoteName,
  bytes: Uint8Array,
): void {
  try {
    notes.saveNote(name, bytes);
  } catch (error) {
    report({ is: 'note-failed', what: name, error: messageOf(error) });
  }
}
