/** Text of strangers in the page's sentences. */
import { expect, test } from 'vitest';
import { openRun } from '../chain/run.ts';
import { signManifest } from '../protocol/envelope.ts';
import { simManifest } from '../sim/swarm.ts';
import { runInfo } from './describe.ts';
import { shownText } from './shown-text.ts';

test.each([
  ['A model, 1.1 M — “für alle” 日本語', 'A model, 1.1 M — “für alle” 日本語'],
  ['👩\u200d🔬', '👩\u200d🔬'],
  ['', ''],
  ['مريم (Uni)', '\u2068مريم (Uni)\u2069'],
  ['Model של חיפה', '\u2068Model של חיפה\u2069'],
  ['ߒߞߏ', '\u2068ߒߞߏ\u2069'],
  ['𞤀𞤁', '\u2068𞤀𞤁\u2069'],
])('%s', (text, shown) => {
  expect(shownText(text)).toBe(shown);
});

test('a run’s description does not turn the page’s sentences', async () => {
  const { organizer, manifest } = await simManifest({ name: 'مريم', description: 'plain' });
  const opened = await openRun(await signManifest(organizer, manifest));
  if (!opened.ok) throw new Error(opened.detail);
  expect(runInfo(opened.run)).toMatchObject({ name: '\u2068مريم\u2069', description: 'plain' });
});
