/** A Node process as a platform: what it keeps and where, and the key that it claims. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sha256, toHex } from '../../protocol/bytes.ts';
import { cacheFolder, stateFolder } from './folders.ts';
import { nodePlatform } from './platform.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tabswarm-platform-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it('keeps blobs by their hash, and gives up those whose bytes have changed', async () => {
  const corrupt: string[] = [];
  const { cache } = nodePlatform({
    keyFile: () => join(dir, 'key'),
    blobs: join(dir, 'blobs'),
    onCorrupt: (hash) => corrupt.push(hash),
  });
  const bytes = Uint8Array.of(1, 2, 3);
  const hash = toHex(await sha256(bytes));
  expect(await cache.get(hash)).toBeNull();
  await cache.put(hash, bytes);
  expect(await cache.get(hash)).toEqual(bytes);
  writeFileSync(join(dir, 'blobs', hash), 'other');
  expect(await cache.get(hash)).toBeNull();
  expect(corrupt).toEqual([hash]);
  await cache.put(hash, bytes);
  await cache.delete(hash);
  expect(readdirSync(join(dir, 'blobs'))).toEqual([]);
});

it('claims the key of the file, for one at a time, and tells where it is', async () => {
  const told: unknown[] = [];
  const path = join(dir, 'state', 'key');
  const platform = nodePlatform({ keyFile: () => path, blobs: dir, onKey: (key) => told.push(key) });
  const first = await platform.claimIdentity();
  expect(first.notKept).toBeNull();
  await expect(platform.claimIdentity()).rejects.toMatchObject({ code: 'key-in-use' });
  first.release();
  const second = await platform.claimIdentity();
  expect(second.identity.publicKey).toEqual(first.identity.publicKey);
  second.release();
  expect(told).toEqual([
    { path, created: true, exposed: false },
    { path, created: false, exposed: false },
  ]);
});

it('finds its folders by the XDG specification, which has relative paths ignored', () => {
  expect(stateFolder({ XDG_STATE_HOME: dir })).toBe(join(dir, 'tabswarm'));
  expect(cacheFolder({ XDG_CACHE_HOME: dir })).toBe(join(dir, 'tabswarm'));
  if (process.platform === 'win32') return;
  expect(stateFolder({ XDG_STATE_HOME: 'state' })).toBe(join(homedir(), '.local/state/tabswarm'));
  expect(cacheFolder({})).toBe(join(homedir(), '.cache/tabswarm'));
});
