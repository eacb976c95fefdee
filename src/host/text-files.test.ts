/** What of a corpus folder is published: files that lie there as text, and nothing by way of a link or a hidden name. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryFolder } from './testing/fixtures.ts';
import { readTextFiles } from './text-files.ts';

let folder: ReturnType<typeof temporaryFolder>;
let corpus: string;
beforeEach(() => {
  folder = temporaryFolder();
  corpus = join(folder.dir, 'corpus');
  write('a.txt');
});
afterEach(() => folder.remove());

/** Writes a file below the corpus folder; folders are made as needed. */
function write(name: string, content: string | Uint8Array = `Text of ${name}.`): string {
  const path = join(corpus, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}
const published = (path = corpus): string[] => readTextFiles(path).files.map(({ name }) => name);
/** What was skipped, as "why name". */
const skipped = (): string[] => readTextFiles(corpus).skipped.map(({ name, why }) => `${why} ${name}`);

test('text files are published in order of their names, from all subfolders', () => {
  for (const name of ['b/z.md', 'b.txt', 'B.TXT', 'b/deep/er/x.text', 'notes.txt/inside.md', '日本.txt'])
    write(name);
  expect(published()).toEqual([
    'B.TXT',
    'a.txt',
    'b.txt',
    'b/deep/er/x.text',
    'b/z.md',
    'notes.txt/inside.md',
    '日本.txt',
  ]);
  expect(skipped()).toEqual([]);
});

test('hidden files and folders and what programs keep are skipped, however their names are written', () => {
  for (const name of [
    '._a.txt',
    '.env.txt',
    '.trash/deleted.md',
    '.git/description.txt',
    '.obsidian/plugins/readme.md',
    'notes/.trash/old.md',
    'notes/.secret.txt',
    'node_modules/pkg/README.md',
    'web/Node_Modules/pkg/LICENSE.txt',
    '__MACOSX/a.txt',
    '$RECYCLE.BIN/b.txt',
  ])
    write(name);
  expect(published()).toEqual(['a.txt']);
  expect(skipped()).toEqual([
    'program $RECYCLE.BIN/',
    'hidden ._a.txt',
    'hidden .env.txt',
    'hidden .git/',
    'hidden .obsidian/',
    'hidden .trash/',
    'program __MACOSX/',
    'program node_modules/',
    'hidden notes/.secret.txt',
    'hidden notes/.trash/',
    'program web/Node_Modules/',
  ]);
});

test('no link is followed: out of the folder, within it, to nowhere, to itself', () => {
  writeFileSync(join(folder.dir, 'private.txt'), 'A private text.');
  mkdirSync(join(folder.dir, 'private'));
  writeFileSync(join(folder.dir, 'private/p.txt'), 'Another one.');
  symlinkSync(join(folder.dir, 'private.txt'), join(corpus, 'out.txt'));
  symlinkSync('../private.txt', join(corpus, 'relative.txt'));
  symlinkSync(join(folder.dir, 'private'), join(corpus, 'folder'));
  symlinkSync(join(folder.dir, 'private'), join(corpus, 'folder.txt'));
  symlinkSync('a.txt', join(corpus, 'within.txt'));
  symlinkSync('/nowhere', join(corpus, 'dangling.txt'));
  symlinkSync('loop.txt', join(corpus, 'loop.txt'));
  symlinkSync('.', join(corpus, 'self'));
  expect(published()).toEqual(['a.txt']);
  expect(skipped().every((line) => line.startsWith('link '))).toBe(true);
  expect(skipped().length).toBe(8);
});

test('the path that was named may be a link, hidden, or of any name: its owner chose it', () => {
  const hidden = write('.hidden/one.txt');
  symlinkSync(corpus, join(folder.dir, 'way'));
  symlinkSync(hidden, join(folder.dir, 'way.txt'));
  expect(published(join(folder.dir, 'way'))).toEqual(['a.txt']);
  expect(published(join(corpus, '.hidden'))).toEqual(['one.txt']);
  expect(published(join(folder.dir, 'way.txt'))).toEqual(['way.txt']);
  expect(published(write('LICENSE'))).toEqual(['LICENSE']);
});

test('pipes, sockets and devices are skipped without waiting for them', async () => {
  const sh = (command: string): boolean => spawnSync('sh', ['-c', command], { cwd: corpus }).status === 0;
  expect(sh('mkfifo pipe.txt pipe.pdf')).toBe(true);
  // Only root may make a device.
  const device = sh('mknod zero.txt c 1 5');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(corpus, 'socket.txt'), resolve));
  try {
    expect(published()).toEqual(['a.txt']);
    expect(skipped()).toEqual([
      'other-kind pipe.pdf',
      'special pipe.txt',
      'special socket.txt',
      ...(device ? ['special zero.txt'] : []),
    ]);
    expect(() => readTextFiles(join(corpus, 'pipe.txt'))).toThrow(/^corpus-no-file/);
  } finally {
    server.close();
  }
  expect(() => readTextFiles('/dev/null')).toThrow(/^corpus-no-file/);
});

test('an odd file among others is named and skipped; alone it is the error', () => {
  const odd: Record<string, [string | Uint8Array, string, RegExp]> = {
    'latin.txt': [
      Uint8Array.from('Gruß und Größe. '.repeat(20), (c) => c.charCodeAt(0)),
      'latin-1',
      /"latin-1"/,
    ],
    'wide.md': [Buffer.from('\ufeffA note.', 'utf16le'), 'utf-16', /"utf-16"/],
    'binary.txt': [Uint8Array.of(0, 5, 22, 7, 255), 'binary', /"binary"/],
  };
  for (const [name, [content]] of Object.entries(odd)) write(name, content);
  for (const [name, content] of [
    ['empty.txt', ''],
    ['blank.txt', ' \n\t\u3000\n'],
    ['mark.txt', '\ufeff'],
    ['nuls.txt', new Uint8Array(5000)],
  ] as const)
    write(name, content);
  truncateSync(write('huge.txt'), (256 << 20) + 1);
  for (const name of ['page.html', 'scan.pdf', 'list.csv', 'old.txt~', 'txt']) write(name);
  expect(published()).toEqual(['a.txt']);
  const { skipped: entries } = readTextFiles(corpus);
  expect(entries.filter(({ why }) => why === 'not-utf8')).toEqual(
    ['binary.txt', 'latin.txt', 'wide.md'].map((name) => ({ name, why: 'not-utf8', found: odd[name][1] })),
  );
  expect(entries.filter(({ why }) => why === 'blank').map(({ name }) => name)).toEqual([
    'blank.txt',
    'empty.txt',
    'mark.txt',
    'nuls.txt',
  ]);
  expect(entries.filter(({ why }) => why === 'too-large').map(({ name }) => name)).toEqual(['huge.txt']);
  expect(entries.filter(({ why }) => why === 'other-kind').length).toBe(5);
  for (const [name, [, , message]] of Object.entries(odd)) {
    expect(() => readTextFiles(join(corpus, name))).toThrow(/^corpus-not-utf8/);
    expect(() => readTextFiles(join(corpus, name))).toThrow(message);
  }
  expect(() => readTextFiles(join(corpus, 'blank.txt'))).toThrow(/^corpus-blank/);
  expect(() => readTextFiles(join(corpus, 'huge.txt'))).toThrow(/^corpus-file-too-large/);
  expect(() => readTextFiles(join(corpus, 'absent.txt'))).toThrow(/^corpus-unreadable .*ENOENT/);
});

test('what may not be read is skipped and counted', () => {
  chmodSync(write('closed.txt'), 0o000);
  write('closed/x.txt');
  chmodSync(join(corpus, 'closed'), 0o000);
  // Root may read everything: be somebody else for a moment.
  const root = process.geteuid?.() === 0;
  chmodSync(folder.dir, 0o755);
  try {
    if (root) process.seteuid?.(65_534);
    expect(published()).toEqual(['a.txt']);
    expect(readTextFiles(corpus).skipped).toEqual([
      { name: 'closed.txt', why: 'unreadable', error: 'EACCES' },
      { name: 'closed/', why: 'unreadable', error: 'EACCES' },
    ]);
    expect(() => readTextFiles(join(corpus, 'closed'))).toThrow(/^corpus-unreadable .*EACCES/);
  } finally {
    if (root) process.seteuid?.(0);
    chmodSync(join(corpus, 'closed'), 0o755);
  }
});

test('a name that is no text is skipped', () => {
  writeFileSync(Buffer.concat([Buffer.from(`${corpus}/caf`), Buffer.of(0xe9), Buffer.from('.txt')]), 'Old.');
  expect(published()).toEqual(['a.txt']);
  expect(skipped()).toEqual(['unreadable caf\ufffd.txt']);
});

test('files are counted while they are read', () => {
  for (let i = 0; i < 4; i++) write(`${i}.md`);
  const counts: number[] = [];
  readTextFiles(corpus, (files) => counts.push(files));
  expect(counts).toEqual([1, 2, 3, 4, 5]);
});
