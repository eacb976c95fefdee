/** A note that cannot be written is told, and costs nothing else. */
import { expect, test } from 'vitest';
import type { ValidatorEvent } from '../gauntlet/events.ts';
import { saveOrReport } from './note-store.ts';

test('what is saved is handed on; what cannot be saved is reported', () => {
  const saved = new Map<string, Uint8Array>();
  const reports: ValidatorEvent[] = [];
  const report = (event: ValidatorEvent): void => void reports.push(event);
  const bytes = Uint8Array.of(1, 2);
  saveOrReport({ saveNote: (name, note) => saved.set(name, note) }, report, 'standings', bytes);
  expect(saved.get('standings')).toBe(bytes);
  const full = {
    saveNote: () => {
      throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
    },
  };
  saveOrReport(full, report, 'carries', bytes);
  expect(reports).toEqual([{ is: 'note-failed', what: 'carries', error: 'database or disk is full' }]);
});
