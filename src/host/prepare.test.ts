/** Data preparation end to end on a temporary folder: what is written, doing it again, resuming, and clear errors. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeShard } from '../model/shards.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import { type Corpus, type CorpusListing, loadCorpus } from './corpus.ts';
import { HostFault } from './faults.ts';
import { blobPath, type PrepareProgress, prepareData } from './prepare.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tabswarm-prepare-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Twenty small documents that say their number. */
function writeDocuments(count = 20): string {
  const path = join(folder, 'text');
  mkdirSync(path);
  for (let i = 0; i < count; i++)
    writeFileSync(
      join(path, `${String(i).padStart(2, '0')}.txt`),
      `Document ${i}. ${`word${i} is here. `.repeat(60)}`,
    );
  return path;
}
const data = () => join(folder, 'data');
const settings = { vocabSize: 320, sequence: 32, shardTokens: 500 };
/** Of all characters. */
function heldOutShare({ train, heldOut }: Corpus): number {
  const size = (documents: Corpus['train']) => documents.reduce((sum, { text }) => sum + text.length, 0);
  return size(heldOut) / (size(train) + size(heldOut));
}
const count = (text: string, part: string) => text.split(part).length - 1;

describe('corpus', () => {
  it('built in: 233 addresses, every tenth held out', () => {
    const corpus = loadCorpus();
    expect(corpus.train.length).toBe(210);
    expect(corpus.heldOut.length).toBe(23);
    expect(corpus.train[0]?.name).toBe('1790_george_washington_n.txt');
    const names = new Set(corpus.train.map((d) => d.name));
    expect(corpus.heldOut.some((d) => names.has(d.name))).toBe(false);
    expect([...corpus.train, ...corpus.heldOut].reduce((n, d) => n + d.text.length, 0)).toBeGreaterThan(
      10_000_000,
    );
  });

  it('a folder, sorted by name; other files are left out', () => {
    const path = writeDocuments();
    writeFileSync(join(path, 'picture.png'), Uint8Array.of(0xff, 0xfe));
    const corpus = loadCorpus(path);
    expect(corpus.heldOut.map((d) => d.name)).toEqual(['09.txt', '19.txt']);
    expect(corpus.train.length).toBe(18);
    expect(corpus.licence).toBe('no licence stated');
  });

  it('one file, cut in pieces without losing or splitting anything', () => {
    const path = join(folder, 'book.txt');
    for (const text of [
      Array.from({ length: 900 }, (_, i) => `Line ${i} with a snowman ☃ and an emoji 👩‍👩‍👧.`).join('\n'),
      'no line end anywhere 👩 '.repeat(700),
      '这是一个测试。'.repeat(20_000),
      '我们今天去学校学习中文'.repeat(10_000),
      'ภาษาไทยไม่มีช่องว่างระหว่างคำ'.repeat(4000),
      'One line.\rAnd another, as old Macs had them.\r'.repeat(500),
      'a=function(b){return b};'.repeat(4000),
      'x'.repeat(100_000),
      `${'x'.repeat(100_000)} end`,
      'The shortest text. '.repeat(53),
    ]) {
      writeFileSync(path, text);
      const corpus = loadCorpus(path);
      const pieces = [...corpus.train, ...corpus.heldOut].sort(
        (a, b) => Number(a.name.split('#')[1]) - Number(b.name.split('#')[1]),
      );
      expect(pieces.map((d) => d.text).join('')).toBe(text);
      expect(heldOutShare(corpus)).toBeGreaterThan(0.05);
      expect(heldOutShare(corpus)).toBeLessThan(0.15);
    }
  });

  it.each<[string, number[]]>([
    ['one of ten is nearly everything', [...new Array<number>(9).fill(300), 200_000]],
    ['nine of ten are nearly everything', [...new Array<number>(9).fill(200_000), 30]],
    ['every tenth is large', Array.from({ length: 400 }, (_, i) => (i % 10 === 9 ? 5000 : 20))],
    ['two, of which one is tiny', [40, 50_000]],
    ['nine small ones', new Array<number>(9).fill(149)],
  ])('about a tenth is held out, however unequal the files are: %s', (_, lengths) => {
    const path = join(folder, 'text');
    mkdirSync(path);
    for (const [i, length] of lengths.entries())
      writeFileSync(
        join(path, `${String(i).padStart(4, '0')}.txt`),
        'Some words in a row, and more. '.repeat(Math.ceil(length / 31)).slice(0, length),
      );
    const corpus = loadCorpus(path);
    expect(heldOutShare(corpus)).toBeGreaterThan(0.05);
    expect(heldOutShare(corpus)).toBeLessThan(0.2);
    const texts = [...corpus.train, ...corpus.heldOut].map(({ text }) => text.length);
    expect(texts.reduce((a, b) => a + b, 0)).toBe(lengths.reduce((a, b) => a + b, 0));
  });

  it('a mark inside the text stays, the byte-order mark goes', () => {
    const path = join(folder, 'book.txt');
    writeFileSync(path, `\ufeffFirst line.\n${'\ufeffAnother line with a mark.\n'.repeat(400)}`);
    const { train, heldOut } = loadCorpus(path);
    const all = [...train, ...heldOut].map(({ text }) => text).join('');
    expect(count(all, '\ufeff')).toBe(400);
  });

  it('what is published is told, also when it is too little', () => {
    const listings: CorpusListing[] = [];
    const path = writeDocuments(2);
    mkdirSync(join(path, '.trash'));
    writeFileSync(join(path, '.trash/deleted.md'), 'private words');
    writeFileSync(join(path, '00.txt'), 'Short.');
    writeFileSync(join(path, '01.txt'), 'Short too.');
    expect(() => loadCorpus(path, { onListing: (listing) => listings.push(listing) })).toThrow(
      /^corpus-too-short .*"characters":16,"needs":1000/,
    );
    expect(listings).toEqual([
      {
        path,
        files: [
          { name: '00.txt', bytes: 6 },
          { name: '01.txt', bytes: 10 },
        ],
        skipped: [{ name: '.trash/', why: 'hidden' }],
      },
    ]);
  });

  it('is refused with a code when there is no usable text', () => {
    const bad = (path: string) => () => loadCorpus(path);
    expect(bad(join(folder, 'nowhere'))).toThrow(HostFault);
    expect(bad(join(folder, 'nowhere'))).toThrow(/^corpus-unreadable .*ENOENT/);
    expect(bad(folder)).toThrow(/^corpus-without-text/);
    writeFileSync(join(folder, 'a.txt'), Uint8Array.of(0xff, 0xfe, 0x00));
    expect(bad(join(folder, 'a.txt'))).toThrow(/^corpus-not-utf8/);
    expect(bad(folder)).toThrow(/^corpus-without-text/);
    writeFileSync(join(folder, 'a.txt'), 'short');
    expect(bad(folder)).toThrow(/^corpus-too-short/);
  });
});

describe('preparation', () => {
  it('writes tokenizer and shards by hash; the text comes back whole, the held-out apart', async () => {
    const source = writeDocuments();
    const stages: PrepareProgress['stage'][] = [];
    const prepared = await prepareData(data(), {
      ...settings,
      source,
      onProgress: (p) => stages.push(p.stage),
    });
    for (const blob of [prepared.tokenizer, prepared.heldOut, ...prepared.train]) {
      const bytes = readFileSync(blobPath(data(), blob.hash));
      expect(toHex(sha256Sync(bytes))).toBe(toHex(blob.hash));
      expect(bytes.length).toBe(blob.size);
    }
    const tokenizer = Tokenizer.fromJson(readFileSync(blobPath(data(), prepared.tokenizer.hash)));
    expect(tokenizer.vocabSize).toBe(prepared.vocabSize);
    const read = (shards: readonly (typeof prepared.heldOut)[]) =>
      shards.flatMap((s) => [
        ...decodeShard(readFileSync(blobPath(data(), s.hash)), tokenizer.vocabSize, s.tokens),
      ]);
    const train = read(prepared.train);
    expect(prepared.train.length).toBeGreaterThan(3);
    for (const shard of prepared.train) expect(shard.tokens).toBeGreaterThanOrEqual(500);
    expect(train.filter((t) => t === tokenizer.endOfText).length).toBe(18);
    expect(train.at(-1)).toBe(tokenizer.endOfText);
    const corpus = loadCorpus(source);
    expect(tokenizer.decode(train)).toBe(corpus.train.map((d) => d.text).join(''));
    const heldOut = tokenizer.decode(read([prepared.heldOut]));
    expect(heldOut).toBe(corpus.heldOut.map((d) => d.text).join(''));
    expect(count(heldOut, 'Document ')).toBe(2);
    expect([...new Set(stages)]).toEqual(['reading', 'tokenizer', 'encoding', 'writing', 'done']);
    expect(readdirSync(join(data(), 'blobs')).some((name) => name.endsWith('.tmp'))).toBe(false);
  });

  it('the second time finds everything and writes nothing', async () => {
    const source = writeDocuments();
    const first = await prepareData(data(), { ...settings, source });
    const path = blobPath(data(), first.heldOut.hash);
    utimesSync(path, 1, 1);
    const stages: string[] = [];
    const second = await prepareData(data(), {
      ...settings,
      source,
      onProgress: (p) => stages.push(p.stage),
    });
    expect(second).toEqual(first);
    expect([...new Set(stages)]).toEqual(['reading', 'done']);
    expect(statSync(path).mtimeMs).toBe(1000);
  });

  it('resumes after a stop, and repairs what was lost or cut off', async () => {
    const source = writeDocuments();
    const stopped = prepareData(data(), {
      ...settings,
      source,
      onProgress: (p) => {
        if (p.stage === 'writing') throw new Error('stopped by the test');
      },
    });
    await expect(stopped).rejects.toThrow('stopped by the test');
    const prepared = await prepareData(data(), { ...settings, source });

    rmSync(blobPath(data(), prepared.tokenizer.hash));
    const shard = blobPath(data(), prepared.train[1].hash);
    writeFileSync(shard, readFileSync(shard).subarray(0, 10));
    expect(await prepareData(data(), { ...settings, source })).toEqual(prepared);
    expect(toHex(sha256Sync(readFileSync(shard)))).toBe(shard.slice(-64));

    const index = readdirSync(data()).find((name) => name.startsWith('prepared-')) as string;
    writeFileSync(join(data(), index), '{"train": "nonsense"}');
    expect(await prepareData(data(), { ...settings, source })).toEqual(prepared);
  });

  it('other text or another vocabulary is another preparation', async () => {
    const source = writeDocuments();
    const first = await prepareData(data(), { ...settings, source });
    const second = await prepareData(data(), { ...settings, vocabSize: 280, source });
    expect(second.tokenizer.hash).not.toEqual(first.tokenizer.hash);
    writeFileSync(join(source, '00.txt'), 'Changed.');
    const third = await prepareData(data(), { ...settings, source });
    expect(third.train[0]?.hash).not.toEqual(first.train[0]?.hash);
  });

  it('says so when the text is too short for the sequences', async () => {
    const source = writeDocuments(10);
    await expect(prepareData(data(), { ...settings, sequence: 4096, source })).rejects.toMatchObject({
      code: 'too-few-tokens',
      fault: { facts: { sequence: 4096 } },
    });
  });
});
