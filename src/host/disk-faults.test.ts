/**
 * Absence is not emptiness: a database, a key or a file that is missing, empty, unreadable, in use or for which the disk has no
 * room is told as that, and nothing that was there is gone afterwards.
 */
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faultText } from '../cli/say.ts';
import { toHex } from '../protocol/bytes.ts';
import { BlobFolder } from './blob-folder.ts';
import { diskCause } from './disk.ts';
import { fault, HostFault } from './faults.ts';
import { openRun } from './open-run.ts';
import { loadSeed } from './seeds.ts';
import { Store } from './store.ts';
import { copier, smallRun, temporaryFolder, writeCorpus } from './testing/fixtures.ts';
import { certifyRound, openChain } from './testing/one-round.ts';
import { createIdentity } from '../protocol/identity.ts';

const folder = temporaryFolder();
const prepared = join(folder.dir, 'prepared');
const copy = copier(folder.dir, prepared);
let wanted: Parameters<typeof openRun>[1];

beforeAll(async () => {
  wanted = smallRun(writeCorpus(folder.dir));
  const { store } = await openRun(prepared, wanted);
  const chain = await openChain(store);
  await certifyRound(chain, await createIdentity(loadSeed(prepared, 'validator')), 0);
  store.close();
});
afterAll(() => folder.remove());

/** Every file below a folder with its bytes: what may not change when a start is refused. */
function contents(dir: string): Map<string, string> {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile());
  // SQLite keeps an index of the journal beside it while a database is open.
  const kept = files.map((one) => join(one.parentPath, one.name)).filter((path) => !path.endsWith('-shm'));
  return new Map(kept.sort().map((path) => [path.slice(dir.length), readFileSync(path).toString('base64')]));
}

async function refusal(dir: string): Promise<HostFault> {
  const outcome = await openRun(dir, wanted).catch((error: unknown) => error);
  expect(outcome).toBeInstanceOf(HostFault);
  return outcome as HostFault;
}

const sqlite = (dir: string): string => join(dir, 'store.sqlite');
const removeStore = (dir: string): void => {
  for (const end of ['', '-wal', '-shm']) rmSync(`${sqlite(dir)}${end}`, { force: true });
};

/** What happens to a data folder, and the fault that says so. */
const MISHAPS: readonly (readonly [string, (dir: string) => void, string])[] = [
  ['the database is gone', removeStore, 'store-missing'],
  [
    'the database is gone, and the keys with it',
    (dir) => {
      removeStore(dir);
      for (const name of ['organizer', 'validator', 'node']) rmSync(join(dir, `${name}.key`));
    },
    'store-missing',
  ],
  [
    'only the keys are left',
    (dir) => {
      removeStore(dir);
      rmSync(join(dir, 'blobs'), { recursive: true });
    },
    'store-missing',
  ],
  [
    'the database is gone, its journal is not',
    (dir) => {
      removeStore(dir);
      writeFileSync(`${sqlite(dir)}-wal`, 'journal');
    },
    'store-missing',
  ],
  [
    'the database is a file without bytes',
    (dir) => {
      removeStore(dir);
      writeFileSync(sqlite(dir), '');
    },
    'store-empty',
  ],
  [
    'the database has its tables and nothing in them',
    (dir) => {
      const db = new DatabaseSync(sqlite(dir));
      db.exec('DELETE FROM meta; DELETE FROM blobs; DELETE FROM certificates; DELETE FROM opinions');
      db.close();
    },
    'store-empty',
  ],
  [
    'the database was cut short',
    (dir) => {
      truncateSync(sqlite(dir), 8192);
    },
    'store-damaged',
  ],
  [
    'the database holds something else',
    (dir) => writeFileSync(sqlite(dir), 'x'.repeat(9000)),
    'store-damaged',
  ],
  [
    'the database is a folder',
    (dir) => {
      removeStore(dir);
      mkdirSync(sqlite(dir));
    },
    'store-unreadable',
  ],
  ['the organizer’s key is gone', (dir) => rmSync(join(dir, 'organizer.key')), 'key-missing'],
  ['the validator’s key is gone', (dir) => rmSync(join(dir, 'validator.key')), 'no-validator-key'],
  ['the organizer’s key is empty', (dir) => writeFileSync(join(dir, 'organizer.key'), ' \n'), 'key-empty'],
  ['the validator’s key is empty', (dir) => writeFileSync(join(dir, 'validator.key'), ''), 'key-empty'],
  ['a key holds something else', (dir) => writeFileSync(join(dir, 'organizer.key'), 'abc'), 'key-malformed'],
  [
    'a key is a folder',
    (dir) => {
      rmSync(join(dir, 'organizer.key'));
      mkdirSync(join(dir, 'organizer.key'));
    },
    'key-unreadable',
  ],
  [
    'the folder of blobs is gone',
    (dir) => rmSync(join(dir, 'blobs'), { recursive: true }),
    'blob-folder-missing',
  ],
  [
    'the blobs are gone',
    (dir) => {
      rmSync(join(dir, 'blobs'), { recursive: true });
      mkdirSync(join(dir, 'blobs'));
    },
    'blobs-missing',
  ],
];

test.each(MISHAPS)('%s: told as that, and nothing is changed', async (_, happen, code) => {
  const dir = copy();
  happen(dir);
  const before = contents(dir);
  const refused = await refusal(dir);
  expect(refused.code).toBe(code);
  expect(contents(dir)).toEqual(before);
  expect(faultText(refused.fault)).toContain(dir);
  // The second start says the same: the first made nothing that hides it.
  expect((await refusal(dir)).code).toBe(code);
});

test('each mishap has words of its own', () => {
  const facts = { dir: 'D', path: 'P', found: 'F', error: 'E', cause: null, key: 'organizer' } as const;
  const codes = ['store-missing', 'store-empty', 'store-unreadable', 'store-damaged', 'disk-full'] as const;
  const more = ['disk-read-only', 'folder-in-use', 'key-missing', 'key-empty', 'key-unreadable'] as const;
  const texts = [...codes, ...more].map((code) => faultText(fault(code, facts).fault));
  expect(new Set(texts).size).toBe(texts.length);
});

test('a lost database that is put back finds everything that it names', async () => {
  const dir = copy();
  const away = join(folder.dir, 'away.sqlite');
  renameSync(sqlite(dir), away);
  await refusal(dir);
  renameSync(away, sqlite(dir));
  const { store, created } = await openRun(dir, wanted);
  expect(created).toBe(false);
  const chain = await openChain(store);
  expect(chain.head.height).toBe(1);
  expect(await chain.recentWork(1)).toHaveLength(1);
  expect((await chain.recentWork(1))[0]).toHaveLength(2);
  store.close();
});

test('a new run beside an old one’s files, with the owner’s word, deletes none of them', async () => {
  const dir = copy();
  const blobs = readdirSync(join(dir, 'blobs'));
  removeStore(dir);
  const made = await openRun(dir, { ...wanted, newRun: true });
  expect(made).toMatchObject({ created: true, movedAside: 0 });
  made.store.close();
  expect(readdirSync(join(dir, 'blobs'))).toEqual(expect.arrayContaining(blobs));

  const again = await openRun(dir, wanted);
  expect(again.created).toBe(false);
  expect(again.movedAside).toBeGreaterThan(0);
  again.store.close();
  const kept = [...readdirSync(join(dir, 'blobs')), ...readdirSync(join(dir, 'aside'))];
  expect(kept).toEqual(expect.arrayContaining(blobs));
});

test('a preparation that was cut short goes on, whatever it had written', async () => {
  const dir = join(folder.dir, 'cut-short');
  const stopped = new AbortController();
  const cut = openRun(dir, {
    ...wanted,
    signal: stopped.signal,
    onProgress: ({ stage }) => {
      if (stage === 'writing') stopped.abort(new Error('stopped'));
    },
  });
  await expect(cut).rejects.toThrow('stopped');
  expect(readdirSync(join(dir, 'blobs')).length).toBeGreaterThan(0);
  const { created, store } = await openRun(dir, wanted);
  expect(created).toBe(true);
  store.close();
});

test('the node’s key is made anew, and that is said', async () => {
  const dir = copy();
  rmSync(join(dir, 'node.key'));
  const first = await openRun(dir, wanted);
  expect(first.nodeKeyMade).toBe(true);
  first.store.close();
  const second = await openRun(dir, wanted);
  expect(second.nodeKeyMade).toBe(false);
  second.store.close();
});

describe('a disk that fails', () => {
  const errno = (code: string): NodeJS.ErrnoException =>
    Object.assign(new Error(`${code}: it failed`), { code });
  const BYTES = new TextEncoder().encode('some bytes');

  test.each([
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['EROFS', 'disk-read-only'],
  ])('%s while a blob is written: typed, and no draft is left', async (code, expected) => {
    for (const at of ['before-blob', 'before-rename']) {
      const dir = join(folder.dir, `full-${code}-${at}`);
      const blobs = new BlobFolder(dir, (step) => {
        if (step === at) throw errno(code);
      });
      const outcome = await blobs.write(BYTES).catch((error: unknown) => error);
      expect(outcome).toMatchObject({ code: expected, cause: { code } });
      expect(readdirSync(join(dir, 'blobs'))).toEqual([]);
    }
  });

  test('a round that found the disk full is written once there is room, by the same process', async () => {
    const dir = copy();
    let full = true;
    const store = Store.open(dir, {
      onStep: (step) => {
        if (full && step === 'in-transaction')
          throw Object.assign(errno('x'), { errcode: 13, code: 'ERR_SQLITE_ERROR' });
      },
    });
    const chain = await openChain(store);
    const validator = await createIdentity(loadSeed(dir, 'validator'));
    await expect(certifyRound(chain, validator, 1)).rejects.toMatchObject({ code: 'disk-full' });
    expect(chain.head.height).toBe(1);
    full = false;
    await certifyRound(chain, validator, 2);
    expect(chain.head.height).toBe(2);
    store.close();
  });

  test('what cannot be read is not called missing or damaged, and is asked for again', async () => {
    const blobs = new BlobFolder(join(folder.dir, 'unreadable'));
    const ref = await blobs.write(BYTES);
    const path = blobs.path(ref.hash);
    const fresh = new BlobFolder(join(folder.dir, 'unreadable'));
    renameSync(path, `${path}.away`);
    mkdirSync(path);
    await expect(fresh.read(ref)).rejects.toMatchObject({
      code: 'blob-unreadable',
      fault: { facts: { hash: toHex(ref.hash), cause: 'wrong-kind' } },
    });
    await expect(fresh.condition(ref.hash)).rejects.toMatchObject({ code: 'blob-unreadable' });
    rmSync(path, { recursive: true });
    expect(await fresh.condition(ref.hash)).toBe('missing');
    expect(await fresh.read(ref)).toBeNull();
    renameSync(`${path}.away`, path);
    expect(await fresh.condition(ref.hash)).toBe('whole');
    writeFileSync(path, 'some other');
    expect(await fresh.read(ref)).toBeNull();
  });

  test.each([
    ['ENOENT', 'missing'],
    ['EACCES', 'not-allowed'],
    ['EBUSY', 'locked'],
    ['ENOSPC', 'full'],
    ['EROFS', 'read-only'],
    ['EMFILE', 'too-many-files'],
    ['ENFILE', 'too-many-files'],
    ['EIO', 'broken'],
    ['ECONNRESET', null],
  ])('%s is %s, also as the cause of another error', (code, expected) => {
    expect(diskCause(errno(code))).toBe(expected);
    expect(diskCause(new Error('outer', { cause: errno(code) }))).toBe(expected);
    expect(diskCause(code)).toBeNull();
  });
});
