/** Durability: what survives a restart, a kill at each step of a write, a damaged file, and a second process. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { createIdentity } from '../protocol/identity.ts';
import type { HostChain } from './chain.ts';
import { HostFault } from './faults.ts';
import { openRun } from './open-run.ts';
import { loadSeed } from './seeds.ts';
import { Store } from './store.ts';
import { copier, smallRun, temporaryFolder, writeCorpus } from './testing/fixtures.ts';
import { certifyRound, openChain } from './testing/one-round.ts';

const folder = temporaryFolder();
const prepared = join(folder.dir, 'prepared');
const copy = copier(folder.dir, prepared);

beforeAll(async () => {
  const run = await openRun(prepared, smallRun(writeCorpus(folder.dir)));
  expect(run.created).toBe(true);
  run.store.close();
});
afterAll(() => folder.remove());

const validatorOf = (dir: string) => createIdentity(loadSeed(dir, 'validator'));
const summary = (chain: HostChain) => ({
  height: chain.head.height,
  root: toHex(chain.head.root),
  issued: chain.ledger.issued,
  credits: [...chain.ledger.accounts].map(([key, account]) => [key, account.credits]),
});

test('a restart continues at the same height, root and credits', async () => {
  const dir = copy();
  const store = Store.open(dir);
  const chain = await openChain(store);
  const validator = await validatorOf(dir);
  await certifyRound(chain, validator, 0);
  await certifyRound(chain, validator, 3);
  const before = summary(chain);
  const theta = await chain.theta();
  expect(before).toMatchObject({ height: 2, issued: 200_000_000 });
  store.close();

  const again = Store.open(dir);
  const reopened = await openChain(again);
  expect(summary(reopened)).toEqual(before);
  expect(await reopened.theta()).toEqual(theta);
  await certifyRound(reopened, validator, 4);
  expect(reopened.head.height).toBe(3);
  again.close();
});

test.each([
  ['before-blob', 1, 1],
  ['before-rename', 2, 1],
  ['before-rename', 3, 1],
  ['before-transaction', 1, 1],
  ['in-transaction', 1, 1],
  ['after-transaction', 1, 2],
  ['after-prune', 1, 2],
] as const)('killed at %s (%i): the chain is whole at its height', async (step, occurrence, height) => {
  const dir = copy();
  const child = spawnSync(
    process.execPath,
    [
      '--import',
      join(import.meta.dirname, '../../scripts/register.mjs'),
      fileURLToPath(new URL('./testing/crash-child.ts', import.meta.url)),
      dir,
      step,
      String(occurrence),
    ],
    { encoding: 'utf8' },
  );
  expect(child.stderr).toBe('');
  expect(child.signal).toBe('SIGKILL');

  const store = Store.open(dir);
  const chain = await openChain(store);
  expect(chain.head.height).toBe(height);
  expect(chain.ledger.issued).toBe(height * 100_000_000);
  expect(chain.checkpoint.height).toBe(height);
  store.moveOrphansAside();
  const named = new Set(readdirSync(join(dir, 'blobs')));
  expect([...named].filter((name) => name.endsWith('.tmp'))).toEqual([]);
  for (const { checkpoint } of store.links(1, 10)) expect(named.has(toHex(checkpoint.hash))).toBe(true);
  await certifyRound(chain, await validatorOf(dir), 7);
  expect(chain.head.height).toBe(height + 1);
  store.close();
});

test('a damaged newest checkpoint is rebuilt from the one before and the submissions since', async () => {
  const dir = copy();
  const store = Store.open(dir);
  const chain = await openChain(store);
  const validator = await validatorOf(dir);
  await certifyRound(chain, validator, 0);
  await certifyRound(chain, validator, 1);
  const before = summary(chain);
  const path = store.path(chain.checkpoint.hash);
  const size = statSync(path).size;
  writeFileSync(path, new Uint8Array(size).fill(7));
  store.close();

  const again = Store.open(dir);
  const reopened = await openChain(again);
  expect(summary(reopened)).toEqual(before);
  expect(reopened.checkpoint.height).toBe(2);
  expect(await again.readBlob(reopened.checkpoint)).not.toBeNull();
  again.close();
});

test('opinions lie beside their certificate; a wrong file is noticed before it is served, and replaced when it is written', async () => {
  const dir = copy();
  const store = Store.open(dir);
  const chain = await openChain(store);
  const { messages } = await certifyRound(chain, await validatorOf(dir), 0);
  const [link] = store.links(1, 10);
  expect([...link.opinions, link.certificate].map((m) => toHex(m))).toEqual(messages.map((m) => toHex(m)));

  const { heldOut } = chain.run.manifest.task.data;
  const bytes = (await store.readBlob(heldOut)) as Uint8Array;
  expect(await store.blobCondition(heldOut.hash)).toBe('whole');
  store.close();
  writeFileSync(store.path(heldOut.hash), new Uint8Array(heldOut.size).fill(7));

  const again = Store.open(dir);
  expect(again.missingRunBlobs()).toEqual([]); // of the right size
  expect(await again.blobCondition(heldOut.hash)).toBe('damaged');
  expect(await again.readBlob(heldOut)).toBeNull();
  await again.writeBlob(bytes);
  expect(await again.blobCondition(heldOut.hash)).toBe('whole');
  again.close();
});

test('a certificate that does not fit its chain is named', async () => {
  const dir = copy();
  const store = Store.open(dir);
  const chain = await openChain(store);
  const validator = await validatorOf(dir);
  await certifyRound(chain, validator, 0);
  await certifyRound(chain, validator, 1);
  store.close();
  const db = new DatabaseSync(join(dir, 'store.sqlite'));
  db.exec('DELETE FROM certificates WHERE height = 1');
  db.close();
  const again = Store.open(dir);
  await expect(openChain(again)).rejects.toMatchObject({
    code: 'chain-broken',
    fault: { facts: { height: 1, detail: 'missing' } },
  });
  again.close();
});

test('old checkpoints go, the genesis checkpoint and the newest three stay', async () => {
  const dir = copy();
  const store = Store.open(dir);
  const chain = await openChain(store);
  const validator = await validatorOf(dir);
  for (let round = 0; round < 5; round++) await certifyRound(chain, validator, round);
  const there = store.links(1, 10).map(({ checkpoint }) => store.blob(checkpoint.hash) !== null);
  expect(there).toEqual([false, false, true, true, true]);
  expect(store.blob(chain.run.manifest.genesis.checkpoint.hash)).toMatchObject({ kind: 'run' });
  expect(store.missingRunBlobs()).toEqual([]);
  store.close();
});

test('a second host on the same folder is told so', () => {
  const dir = copy();
  const store = Store.open(dir);
  expect(() => Store.open(dir)).toThrow(/^folder-in-use/);
  store.close();
  Store.open(dir).close();
});

test('keys are for their owner only, and stay the same', () => {
  const dir = copy();
  const seed = loadSeed(dir, 'organizer');
  expect(statSync(join(dir, 'organizer.key')).mode & 0o777).toBe(0o600);
  expect(loadSeed(dir, 'organizer')).toEqual(seed);
  writeFileSync(join(dir, 'organizer.key'), 'not a key');
  expect(() => loadSeed(dir, 'organizer')).toThrow(HostFault);
});

test('foreign keys, missing data and a broken database are refused with a code each', async () => {
  const wanted = smallRun(join(folder.dir, 'corpus.txt'));
  const foreign = copy();
  writeFileSync(join(foreign, 'organizer.key'), `${'ab'.repeat(32)}\n`);
  await expect(openRun(foreign, wanted)).rejects.toThrow(/^other-organizer/);

  const validator = copy();
  writeFileSync(join(validator, 'validator.key'), `${'cd'.repeat(32)}\n`);
  await expect(openRun(validator, wanted)).rejects.toThrow(/^other-validator-key/);

  const missing = copy();
  const store = Store.open(missing);
  const { data } = (await openChain(store)).run.manifest.task;
  const shard = store.path(data.heldOut.hash);
  store.close();
  writeFileSync(shard, 'short');
  await expect(openRun(missing, wanted)).rejects.toThrow(/^blobs-missing/);

  const changed = copy();
  const db = new DatabaseSync(join(changed, 'store.sqlite'));
  db.exec("UPDATE meta SET value = x'83010203' WHERE key = 'manifest'");
  db.close();
  await expect(openRun(changed, wanted)).rejects.toThrow(/^manifest-unusable/);

  const newer = copy();
  const later = new DatabaseSync(join(newer, 'store.sqlite'));
  later.exec('PRAGMA user_version = 99');
  later.close();
  await expect(openRun(newer, wanted)).rejects.toThrow(/^format-newer/);

  const older = copy();
  const earlier = new DatabaseSync(join(older, 'store.sqlite'));
  earlier.exec('PRAGMA user_version = 1');
  earlier.close();
  await expect(openRun(older, wanted)).rejects.toMatchObject({
    code: 'format-older',
    fault: { facts: { dir: older, format: 1, known: 2 } },
  });

  const broken = copy();
  writeFileSync(
    join(broken, 'store.sqlite'),
    'this is no database at all, but long enough to be read as one',
  );
  await expect(openRun(broken, wanted)).rejects.toThrow(/^store-damaged/);
});

test('a new run begins in an empty folder only, and touches nothing in anybody else’s', () => {
  const photos = join(folder.dir, 'photos');
  mkdirSync(photos);
  writeFileSync(join(photos, 'cat.jpg'), 'miaow');
  expect(() => Store.open(photos)).toThrow(/^folder-not-empty .*cat\.jpg/);
  expect(readdirSync(photos)).toEqual(['cat.jpg']);

  // A mount, in which a node's key was put back from a backup; a run's own keys need the owner's word.
  const mount = join(folder.dir, 'mount');
  mkdirSync(join(mount, 'lost+found'), { recursive: true });
  loadSeed(mount, 'node');
  Store.open(mount).close();
  const keyed = join(folder.dir, 'keyed');
  mkdirSync(keyed);
  loadSeed(keyed, 'validator');
  expect(() => Store.open(keyed)).toThrow(/^store-missing .*validator\.key/);
  Store.open(keyed, { newRun: true }).close();

  // What is added beside a run later is no reason to refuse the run.
  const run = copy();
  writeFileSync(join(run, 'notes.txt'), 'mine');
  Store.open(run).close();

  const other = join(folder.dir, 'other');
  mkdirSync(other);
  const theirs = new DatabaseSync(join(other, 'store.sqlite'));
  theirs.exec('CREATE TABLE songs (title TEXT)');
  theirs.close();
  expect(() => Store.open(other)).toThrow(/^database-foreign/);
});
