/** Preparation in a thread: the same data, news on the way, typed errors, and an end at once. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { preset } from '../model/presets.ts';
import { toHex } from '../protocol/bytes.ts';
import { randomSource } from '../sparseloco/testing.ts';
import type { CorpusListing } from './corpus.ts';
import { HostFault } from './faults.ts';
import { prepareGenesis } from './genesis.ts';
import { prepareData, type PrepareProgress } from './prepare.ts';
import { type PreparationOrder, prepareInThread } from './prepare-thread.ts';
import { startHost } from './run.ts';
import { smallRun, temporaryFolder, writeCorpus } from './testing/fixtures.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => folder.remove());

function order(source: string, vocabSize = 320): PreparationOrder {
  const dataDir = join(folder.dir, 'data');
  mkdirSync(dataDir, { recursive: true });
  return {
    dataDir,
    data: { vocabSize, sequence: 32, shardTokens: 1024, source },
    genesis: { model: preset('tiny').model, seed: 'a seed', fractionBits: 24 },
  };
}

/** One word of so many letters: the merges of 60,000 tokens take a while. */
function manyLetters(letters: number): string {
  const path = join(folder.dir, 'letters.txt');
  const random = randomSource(3);
  const letter = () => String.fromCharCode(97 + Math.floor(26 * random()));
  writeFileSync(path, Array.from({ length: letters }, letter).join(''));
  return path;
}

test('data and first state are those of a preparation in place; the news tell how far it is', async () => {
  const wanted = order(writeCorpus(folder.dir));
  const progress: PrepareProgress[] = [];
  const texts: CorpusListing[] = [];
  const prepared = await prepareInThread(wanted, {
    onProgress: (news) => progress.push(news),
    onText: (listing) => texts.push(listing),
  });
  expect(texts.map(({ files }) => files.map(({ name }) => name))).toEqual([['corpus.txt']]);
  expect([...new Set(progress.map(({ stage }) => stage))]).toEqual([
    'reading',
    'tokenizer',
    'encoding',
    'writing',
    'done',
    'genesis',
  ]);
  rmSync(wanted.dataDir, { recursive: true });
  mkdirSync(wanted.dataDir);
  expect(await prepareData(wanted.dataDir, wanted.data)).toEqual(prepared.data);
  const genesis = await prepareGenesis(wanted.dataDir, wanted.genesis);
  expect(toHex(genesis.root)).toBe(toHex(prepared.genesis.root));
  expect(genesis).toEqual(prepared.genesis);
});

test('errors keep their code and facts', async () => {
  writeFileSync(join(folder.dir, 'a.txt'), 'short');
  const failed = prepareInThread(order(join(folder.dir, 'a.txt')), {});
  await expect(failed).rejects.toBeInstanceOf(HostFault);
  await expect(failed).rejects.toMatchObject({
    code: 'corpus-too-short',
    fault: { facts: { characters: 5 } },
  });
  await expect(prepareInThread(order(writeCorpus(folder.dir), 7), {})).rejects.toMatchObject({
    code: 'preparation-failed',
    fault: { facts: { error: expect.stringContaining('vocabulary size 7') } },
  });
});

test('an abort ends it in the middle of synchronous work, while this thread goes on; the next one finishes it', async () => {
  const path = manyLetters(200_000);
  const stop = new AbortController();
  const stages: string[] = [];
  const stopped = prepareInThread(order(path, 59_968), {
    signal: stop.signal,
    onProgress: ({ stage, done }) => {
      stages.push(stage);
      if (stage === 'tokenizer' && done > 0) stop.abort(new Error('stopped by the test'));
    },
  });
  await expect(stopped).rejects.toThrow('stopped by the test');
  expect(stages.at(-1)).toBe('tokenizer');
  await expect(prepareInThread(order(path), { signal: stop.signal })).rejects.toThrow('stopped by the test');
  expect((await prepareInThread(order(path), {})).data.vocabSize).toBe(320);
});

test('a host answers "being prepared" meanwhile, and gives its port back when it is stopped', async () => {
  const port = await freePort();
  const { preset: tiny } = smallRun('');
  const stop = new AbortController();
  const answers: Promise<Response>[] = [];
  const starting = startHost({
    ...smallRun(manyLetters(1_000_000)),
    preset: { ...tiny, model: { ...tiny.model, vocabSize: 59_968 } },
    dataDir: join(folder.dir, 'run'),
    appDir: null,
    port,
    signal: stop.signal,
    onProgress: ({ stage, done }) => {
      if (stage !== 'tokenizer' || done === 0 || answers.length > 0) return;
      answers.push(fetch(`http://127.0.0.1:${port}/api/run`));
      void answers[0].finally(() => stop.abort(new Error('stopped by the test')));
    },
  });
  await expect(starting).rejects.toThrow('stopped by the test');
  const [answer] = await Promise.all(answers);
  expect(answer.status).toBe(503);
  expect(answer.headers.get('retry-after')).not.toBeNull();
  expect(await answer.text()).toContain('being prepared');
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  expect(await freePort(port)).toBe(port);
});

/** A port that nothing listens on, once it has been listened on. */
function freePort(port = 0): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}
