/** Identities where WebCrypto is missing or older than Ed25519, and the keys that WebCrypto keeps. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { toHex } from './bytes.ts';
import { testHash } from './testing.ts';

/** A fresh module: it asks once what WebCrypto knows, and keeps imported keys. */
let identity: typeof import('./identity.ts');
const real = globalThis.crypto;
beforeEach(async () => {
  vi.resetModules();
  identity = await import('./identity.ts');
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const getRandomValues = real.getRandomValues.bind(real);
const old = { importKey: vi.fn(async () => Promise.reject(new Error('Ed25519?'))) };
const seed = testHash('seed');
const message = new TextEncoder().encode('work');

test('a seed gives the same key and signatures with WebCrypto, without it and with an old one', async () => {
  const expected = await identity.createIdentity(seed);
  const signature = await expected.sign(message);
  for (const crypto of [{ getRandomValues }, { getRandomValues, subtle: old }]) {
    vi.resetModules();
    const fresh: typeof identity = await import('./identity.ts');
    vi.stubGlobal('crypto', crypto);
    const same = await fresh.createIdentity(seed);
    expect(same.publicKey).toEqual(expected.publicKey);
    expect(await same.sign(message)).toEqual(signature);
    expect(await fresh.verifySignature(same.publicKey, message, signature)).toBe(true);
    expect(await fresh.verifySignature(same.publicKey, message, signature.slice().reverse())).toBe(false);
    expect(await fresh.verifySignature(same.publicKey.subarray(1), message, signature)).toBe(false);
    vi.unstubAllGlobals();
  }
  // An old WebCrypto is asked once, not at every signature.
  expect(old.importKey).toHaveBeenCalledOnce();
});

test('where WebCrypto knows Ed25519, it signs and verifies', async () => {
  const sign = vi.spyOn(real.subtle, 'sign');
  const verify = vi.spyOn(real.subtle, 'verify');
  const own = await identity.createIdentity(seed);
  expect(await identity.verifySignature(own.publicKey, message, await own.sign(message))).toBe(true);
  expect([sign.mock.calls.length, verify.mock.calls.length]).toEqual([1, 1]);
  vi.restoreAllMocks();
});

test('a key is imported once, however many of its messages come', async () => {
  const own = await identity.createIdentity(seed);
  const { publicKey } = own;
  const signature = await own.sign(message);
  const importKey = vi.spyOn(real.subtle, 'importKey');
  for (let i = 0; i < 3; i++)
    expect(await identity.verifySignature(publicKey, message, signature)).toBe(true);
  expect(importKey).toHaveBeenCalledOnce();
  // A flood of keys pushes the oldest out, so that memory stays bounded; it is imported anew when it comes back.
  importKey.mockImplementation(async () => ({}) as CryptoKey);
  vi.spyOn(real.subtle, 'verify').mockImplementation(async () => true);
  for (let i = 0; i < 4095; i++) {
    const key = new Uint8Array(32);
    new DataView(key.buffer).setUint32(0, i + 1);
    await identity.verifySignature(key, message, signature);
  }
  importKey.mockClear();
  await identity.verifySignature(publicKey, message, signature);
  expect(importKey).not.toHaveBeenCalled();
  await identity.verifySignature(new Uint8Array(32).fill(9), message, signature);
  await identity.verifySignature(publicKey, message, signature);
  expect(importKey).toHaveBeenCalledTimes(2);
  vi.restoreAllMocks();
});

test('a seed has 32 bytes, is the caller’s own copy, and is drawn anew where none is given', async () => {
  for (const length of [0, 31, 33])
    await expect(identity.createIdentity(new Uint8Array(length))).rejects.toThrow(
      new RangeError(`an identity's seed has 32 bytes, got ${length}`),
    );
  const given = seed.slice();
  const kept = await identity.createIdentity(given);
  given.fill(0);
  kept.exportSeed().fill(0);
  expect(toHex(kept.exportSeed())).toBe(toHex(seed));
  const [one, two] = [await identity.createIdentity(), await identity.createIdentity()];
  expect(one.exportSeed()).not.toEqual(two.exportSeed());
  expect(one.exportSeed()).not.toEqual(new Uint8Array(32));
});

test('the secret cannot be read back from WebCrypto, and a key that it refuses verifies nothing', async () => {
  const importKey = vi.spyOn(real.subtle, 'importKey');
  const { publicKey } = await identity.createIdentity(seed);
  for (const [format, , , extractable, uses] of importKey.mock.calls)
    expect([format, extractable, uses]).toEqual(['pkcs8', false, ['sign']]);
  expect(importKey).toHaveBeenCalled();
  importKey.mockImplementation(async () => Promise.reject(new Error('no point')));
  expect(await identity.verifySignature(publicKey, message, new Uint8Array(64))).toBe(false);
  vi.restoreAllMocks();
});
