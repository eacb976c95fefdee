/** The check for words: what is a sentence for people, and where there may be some. */
import { expect, test } from 'vitest';
import { isSentence, sentenceProblems } from '../../scripts/check/sentences.ts';
import { parseSource } from '../../scripts/check/sources.ts';

test('sentences are found, in whatever marks they stand', () => {
  for (const text of [
    'The model was closed.',
    ' Fetching training text. ',
    'The host answered … for ….',
    '… Trying again.',
    '"…" is not UTF-8 text.',
    '“…” is taken; what now?',
    'There is no preset "…".',
    'Cannot use it (see the log).',
    'Ändere das bitte!',
    'The port … is taken, says "Chrome."',
  ])
    expect(isSentence(text), text).toBe(true);
});

test('CSS, SQL, addresses, headers, labels and errors for developers are none', () => {
  for (const text of [
    'INSERT INTO meta VALUES (?, ?)',
    'SELECT value FROM meta WHERE key = ?',
    'DELETE FROM blobs WHERE height <= ?;',
    'Content-Type: text/html; charset=utf-8',
    'https://example.org/a?b.',
    'border: 1px solid red.',
    'expected 32 bytes, got 31',
    'not a hex string: "…"',
    'Two words.',
    'Loss by round',
    'default-src ’self’; script-src ’self’.',
  ])
    expect(isSentence(text), text).toBe(false);
});

const sources = [
  parseSource(
    'app/a.ts',
    'const one = `The host is ${away}.`; const two = "It is not known."; const id = "away";',
  ),
  parseSource('app/b.tsx', 'const b = <p>This is for people.</p>;'),
  parseSource('app/a.test.ts', 'const a = "This is a test.";'),
  parseSource('app/testing.ts', 'const a = "This is made up.";'),
  parseSource('ui/strings/a.ts', 'const a = "This is its home.";'),
  parseSource('cli/say.ts', 'const a = "This is another home.";'),
  parseSource('cli/say-join.ts', 'const a = "This is its annex.";'),
];

test('sentences below the page and the command line are problems, each file once', () => {
  expect(sentenceProblems(sources)).toEqual([
    'src/app/a.ts has 2 sentence(s) for people, words belong in src/ui/strings/ or src/cli/say.ts:\n    The host is ….\n    It is not known.',
    'src/app/b.tsx has 1 sentence(s) for people, words belong in src/ui/strings/ or src/cli/say.ts:\n    This is for people.',
  ]);
  expect(sentenceProblems(sources.filter(({ path }) => !path.startsWith('app/')))).toEqual([]);
});
