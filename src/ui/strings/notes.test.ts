/** Notes in words: with their figures, and as they came when they are of another version. */
import { expect, test } from 'vitest';
import { note } from '../../gauntlet/notes.ts';
import { noteText } from './notes.ts';

test('a note has its figures in its sentence', () => {
  expect(noteText(note('late-commit', { ms: 12 }))).toBe('committed 12 ms after the deadline');
  expect(noteText(note('copied-positions', { share: 0.912, limit: 0.6, from: '0badcafe' }))).toBe(
    '91.2 % of its positions are those of an earlier commit (0badcafe), limit 60.0 %',
  );
  expect(noteText(note('copied-chunks', { share: 0.9, limit: 0.6, from: '' }))).toMatch(
    /the last certificate/,
  );
  const figures = { work: 0.5, moment1: 0.001, moment2: 0.002, sent: 0, steps: 0 };
  expect(noteText(note('replayed', figures))).toMatch(/^work off by 0\.50, first moments by 0\.0010/);
  expect(noteText(note('replayed', { ...figures, steps: 2 }))).toMatch(
    /^Adam's step count is off by 2, work/,
  );
});

test('a code that this version does not know is shown with its figures', () => {
  expect(noteText({ code: 'too-green', figures: { hue: 120, from: 'x' } })).toBe(
    'too-green (hue 120, from x)',
  );
  expect(noteText({ code: 'toString', figures: {} })).toBe('toString');
});

test('figures that are missing or no numbers do not throw', () => {
  expect(noteText({ code: 'loss-worse', figures: {} })).toBe('loss-worse');
  expect(noteText({ code: 'loss-worse', figures: { nats: 'many', noise: 1 } })).toBe(
    'loss-worse (nats many, noise 1)',
  );
});
