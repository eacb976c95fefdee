/** The words for a run's text: what is published, what is skipped, how far the preparation is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CorpusListing } from '../host/corpus.ts';
import type { SkippedEntry } from '../host/text-files.ts';
import { temporaryFolder } from '../host/testing/fixtures.ts';
import { listingLines, progressLines, publishedLines } from './say-corpus.ts';
import { cli } from './testing.ts';

const skipped: SkippedEntry[] = [
  { name: '.git/', why: 'hidden' },
  { name: '.trash/', why: 'hidden' },
  { name: 'old.txt', why: 'not-utf8', found: 'latin-1' },
  { name: 'closed.txt', why: 'unreadable', error: 'EACCES' },
  { name: 'way.txt', why: 'link' },
];
const listing: CorpusListing = {
  path: 'notes',
  files: [
    { name: 'a.txt', bytes: 900 },
    { name: 'b/c.md', bytes: 12_345 },
  ],
  skipped,
};

test('a start says once how much is published, and names what an owner may miss', () => {
  expect(publishedLines(listing)).toEqual([
    'Text: 2 files, 13.2 kB, becomes public: whoever reaches this host can read it; 5 skipped (2 hidden, 1 not UTF-8, 1 unreadable, 1 symbolic link), see --list',
    'Skipped: "old.txt" is not UTF-8 text; it seems to be Latin-1 or Windows-1252: save it as UTF-8',
    'Skipped: "closed.txt" may not be read',
  ]);
  expect(publishedLines({ ...listing, skipped: [] })).toEqual([
    'Text: 2 files, 13.2 kB, becomes public: whoever reaches this host can read it',
  ]);
  expect(publishedLines({ ...listing, path: null, skipped: [] })).toEqual([
    'Text: 2 files, 13.2 kB, public domain',
  ]);
  const many = Array.from({ length: 9 }, (_, i): SkippedEntry => ({ name: `${i}.txt`, why: 'too-large' }));
  expect(publishedLines({ ...listing, skipped: many }).slice(5)).toEqual([
    'Skipped: "4.txt" larger than 256 MiB: split it',
    'Skipped: 4 more like these',
  ]);
});

test('a name that is no text is said as what it is', () => {
  const entry: SkippedEntry = { name: 'caf\ufffd.txt', why: 'unreadable', error: 'ENOENT' };
  expect(publishedLines({ ...listing, skipped: [entry] })[1]).toBe(
    'Skipped: "caf\ufffd.txt" cannot be opened by this name',
  );
});

test('a list has every file and everything that is skipped, each with its reason', () => {
  expect(listingLines(listing)).toEqual([
    'Published, for everybody to read (bytes, name):',
    '    900  a.txt',
    '  12345  b/c.md',
    'Skipped:',
    '  .git/  (hidden)',
    '  .trash/  (hidden)',
    '  old.txt  (is not UTF-8 text; it seems to be Latin-1 or Windows-1252: save it as UTF-8)',
    '  closed.txt  (may not be read)',
    '  way.txt  (a symbolic link)',
    '2 files, 13245 bytes would be published; 5 skipped (2 hidden, 1 not UTF-8, 1 unreadable, 1 symbolic link). No run was made.',
  ]);
});

test('start --list prints what would be published, makes no run, and ends with 0', async () => {
  const folder = temporaryFolder();
  try {
    const corpus = join(folder.dir, 'corpus');
    mkdirSync(join(corpus, '.trash'), { recursive: true });
    writeFileSync(join(corpus, '.trash/deleted.md'), 'private words');
    writeFileSync(join(corpus, 'a.txt'), 'Public words. '.repeat(100));
    const data = join(folder.dir, 'data');
    const { code, out, err } = await cli('start', '--corpus', corpus, '--data', data, '--list');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('  1400  a.txt');
    expect(out).toContain('  .trash/  (hidden)');
    expect(out).toContain('No run was made.');
    expect(() => mkdirSync(data)).not.toThrow();

    writeFileSync(join(corpus, 'a.txt'), 'Too little.');
    const little = await cli('start', '--corpus', corpus, '--list');
    expect(little.code).toBe(0);
    expect(little.out).toMatch(
      /A start would refuse it: .* has 11 characters, and a run needs at least 1000/,
    );
    const absent = await cli('start', '--corpus', join(corpus, 'absent'), '--list');
    expect(absent).toMatchObject({ code: 1, out: '', err: expect.stringContaining('does not exist') });
  } finally {
    folder.remove();
  }
});

test('progress: a line for each stage, and one every few seconds while it lasts', () => {
  let now = 0;
  const line = progressLines(() => now);
  const at = (ms: number, stage: Parameters<typeof line>[0]['stage'], done: number, of: number | null) => {
    now = ms;
    return line({ stage, done, of });
  };
  expect(at(0, 'reading', 0, null)).toBe('Preparing, once: reading the text ...');
  expect(at(200, 'reading', 30, null)).toBeNull();
  expect(at(5100, 'reading', 900, null)).toBe('  reading the text: 900 files');
  expect(at(5200, 'tokenizer', 0, null)).toBe('Preparing, once: training the tokenizer ...');
  expect(at(9000, 'tokenizer', 64, 1791)).toBeNull();
  expect(at(10_300, 'tokenizer', 96, 1791)).toBe('  training the tokenizer: 96 of 1791 merges');
  expect(at(10_400, 'tokenizer', 128, 1791)).toBeNull();
  expect(at(10_500, 'writing', 1, 60)).toBe('Preparing, once: writing shards ...');
  expect(at(20_000, 'done', 0, null)).toBeNull();
});
