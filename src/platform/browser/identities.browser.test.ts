/** Keys of a browser's tabs in Chromium's IndexedDB, under Web Locks: one a tab, the same after a reload, none overwritten. */
import { openDB } from 'idb';
import { beforeEach, expect, test } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { identityClaims } from './identities.ts';
import { browserKeyStorage } from './key-storage.ts';

beforeEach(() => {
  indexedDB.deleteDatabase('tabswarm');
});

const keyOf = ({ identity }: Awaited<ReturnType<ReturnType<typeof identityClaims>>>): string =>
  toHex(identity.publicKey);

test('two tabs have two keys, a reload the same again, and looking makes none', async () => {
  expect(await browserKeyStorage().look()).toMatchObject({ notKept: null });
  const claim = identityClaims();
  const [one, two] = [await claim(), await identityClaims()()];
  expect(keyOf(one)).not.toBe(keyOf(two));
  expect([one.notKept, two.notKept]).toEqual([null, null]);
  one.release();
  // At once, as Start after Stop.
  const again = await claim();
  expect(keyOf(again)).toBe(keyOf(one));
  for (const claimed of [two, again]) claimed.release();
});

test('what is stored under a number and is no key is left alone, and the next number used', async () => {
  const claim = identityClaims();
  (await claim()).release();
  const database = await openDB('tabswarm', 1);
  await database.put('identities', 'not a seed', 0);
  const claimed = await claim();
  expect(claimed.notKept).toBeNull();
  claimed.release();
  expect(await database.get('identities', 0)).toBe('not a seed');
  expect(await database.get('identities', 1)).toBeInstanceOf(Uint8Array);
  database.close();
});
