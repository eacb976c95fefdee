/**
 * A browser whose site data are blocked: every storage interface throws SecurityError at its first touch. Nothing of the page may
 * fail of that, and the key is told not to be kept.
 */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { BrowserUsage, MonthlyUsage } from '../../app/governor/usage.ts';
import { loadProfile, saveProfile } from '../../app/profile.ts';
import { DEFAULT_SETTINGS } from '../../app/settings.ts';
import { loadSettings, saveSettings } from '../../app/settings-store.ts';
import { toHex } from '../../protocol/bytes.ts';
import { browserTunings } from '../../worker/tuning-store.ts';
import { browserBlobCache } from './blob-cache.ts';
import { identityClaims } from './identities.ts';
import { browserKeyStorage } from './key-storage.ts';
import { tryLock } from './tab-lock.ts';

const denied = (): never => {
  throw new DOMException('The request was denied.', 'SecurityError');
};
/** Interfaces that throw when they are used. */
const refusing = (...names: string[]) => Object.fromEntries(names.map((name) => [name, denied]));
/** One that throws when it is looked at, as `localStorage` does. */
const throwing = (on: object, name: string) => {
  const before = Object.getOwnPropertyDescriptor(on, name);
  Object.defineProperty(on, name, { get: denied, configurable: true });
  undo.push(() => {
    Reflect.deleteProperty(on, name);
    if (before !== undefined) Object.defineProperty(on, name, before);
  });
};
const undo: (() => void)[] = [];

beforeEach(() => {
  vi.stubGlobal('indexedDB', refusing('open', 'deleteDatabase', 'databases'));
  vi.stubGlobal('navigator', {
    locks: { request: async () => denied() },
    storage: refusing('persist', 'persisted', 'estimate'),
  });
  for (const name of ['localStorage', 'caches']) throwing(globalThis, name);
});
afterEach(() => {
  for (const one of undo.splice(0)) one();
  vi.unstubAllGlobals();
});

test('the key is told not to be kept, before Start and when it is claimed', async () => {
  const storage = browserKeyStorage();
  const keeping = { notKept: 'blocked', promised: null };
  expect(await storage.look()).toEqual(keeping);
  expect(await storage.askPromise()).toEqual(keeping);
  const { identity, notKept } = await identityClaims()();
  expect(notKept).toBe('blocked');
  expect(identity.publicKey).toHaveLength(32);
});

test('a key that is not kept lasts as long as the tab', async () => {
  const claim = identityClaims();
  const first = await claim();
  first.release();
  expect(toHex((await claim()).identity.publicKey)).toBe(toHex(first.identity.publicKey));
  expect(toHex((await identityClaims()()).identity.publicKey)).not.toBe(toHex(first.identity.publicKey));
});

test('interfaces that throw when they are looked at do no more harm than those that refuse', async () => {
  throwing(globalThis, 'indexedDB');
  vi.stubGlobal('navigator', {});
  for (const name of ['locks', 'storage']) throwing(navigator, name);
  expect(await browserKeyStorage().askPromise()).toEqual({ notKept: 'blocked', promised: null });
  expect((await identityClaims()()).notKept).toBe('blocked');
  await expect(tryLock('a seat')).rejects.toThrow('denied');
});

test('a database that fails for another reason is told as that', async () => {
  vi.stubGlobal('navigator', {
    locks: { request: async (_: string, __: object, granted: (lock: object) => unknown) => granted({}) },
  });
  vi.stubGlobal('indexedDB', {
    open: () => {
      throw new DOMException('no backing store', 'UnknownError');
    },
  });
  // As Chromium does where site data are blocked: the other storages tell.
  expect((await browserKeyStorage().look()).notKept).toBe('blocked');
  expect((await identityClaims()()).notKept).toBe('blocked');
  vi.stubGlobal('localStorage', { length: 0 });
  expect((await browserKeyStorage().look()).notKept).toBe('failed');
  expect((await identityClaims()()).notKept).toBe('failed');
});

test('blobs, settings, name, month and tuning do without', async () => {
  const cache = browserBlobCache();
  await cache.put('ab', new Uint8Array(3));
  expect(await cache.get('ab')).toBeNull();
  await cache.delete('ab');
  saveSettings(DEFAULT_SETTINGS);
  expect(loadSettings()).toEqual(DEFAULT_SETTINGS);
  saveProfile({ name: 'Ada', team: '', time: 1 });
  expect(loadProfile()).toEqual({ name: '', team: '', time: 0 });
  const usage = new MonthlyUsage(new BrowserUsage());
  usage.observe({ down: 5, up: 7 });
  await usage.flush(0);
  expect(usage.month).toEqual({ down: 5, up: 7 });
  await browserTunings.save('key', { choice: {}, timings: [] } as never);
  expect(await browserTunings.load('key')).toBeUndefined();
});
