/** The envelope's own bytes and limits: what is signed, what each refusal says, and signed bytes that are no message. */
import { beforeAll, expect, test } from 'vitest';
import { toHex } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { open, openManifest, openSigned, seal, signBytes, signedBytes, signManifest } from './envelope.ts';
import { type Identity, verifyInJavaScript } from './identity.ts';
import { MAX_BLOB_BYTES, MAX_GOSSIP_BYTES, MAX_MANIFEST_BYTES, PROTOCOL_VERSION } from './limits.ts';
import { testHash, testIdentity, testManifest } from './testing.ts';

let alice: Identity;
let bob: Identity;
beforeAll(async () => {
  alice = await testIdentity('alice');
  bob = await testIdentity('bob');
});

const profile = { kind: 'profile', run: testHash('run'), name: 'Ada', team: '', time: 5 } as const;
const value = { a: 1 };
const parts = (bytes: Uint8Array): unknown[] => {
  const decoded = decodeCanonical(bytes, MAX_MANIFEST_BYTES);
  if (!decoded.ok || !Array.isArray(decoded.value)) throw new Error('no envelope');
  return decoded.value as unknown[];
};

test('an envelope is [version, sender, signature, body], signed with its version and kind', async () => {
  const [version, sender, signature, body, ...more] = parts(await seal(alice, profile));
  expect([version, more]).toEqual([PROTOCOL_VERSION, []]);
  expect(sender).toEqual(alice.publicKey);
  expect(body).toEqual(encodeCanonical(profile));
  const covered = Buffer.concat([Buffer.from(`tabswarm/${PROTOCOL_VERSION}/profile\0`), body as Uint8Array]);
  expect(toHex(signedBytes('profile', body as Uint8Array))).toBe(covered.toString('hex'));
  expect(verifyInJavaScript(alice.publicKey, covered, signature as Uint8Array)).toBe(true);
});

test('signed bytes that are no message open as their kind only, unaltered, within the limit', async () => {
  const bytes = await signBytes(alice, 'claim', encodeCanonical(value));
  const limit = bytes.byteLength;
  expect(await openSigned(bytes, 'claim', limit)).toEqual({ ok: true, sender: alice.publicKey, value });
  expect(await openSigned(bytes, 'claim', limit - 1)).toEqual({
    ok: false,
    reason: 'too-large',
    detail: `${limit} bytes, limit ${limit - 1}`,
  });
  expect(await openSigned(bytes, 'profile', limit)).toEqual({
    ok: false,
    reason: 'signature',
    detail: 'the profile is not signed by its sender',
  });
  const notCanonical = await signBytes(alice, 'claim', Uint8Array.of(0x18, 1));
  expect(await openSigned(notCanonical, 'claim', limit)).toMatchObject({ ok: false, reason: 'malformed' });
  expect(await openSigned(Uint8Array.of(0xff), 'claim', limit)).toMatchObject({
    ok: false,
    reason: 'malformed',
    detail: 'not the canonical list of version, key, signature and body',
  });
});

test('a list of another form is malformed, and a refusal quotes at most 160 characters', async () => {
  const bytes = await seal(alice, profile);
  const good = parts(bytes);
  const forms: unknown[] = [
    [...good, 1],
    good.slice(0, 3),
    [good[0], new Uint8Array(31), good[2], good[3]],
    [good[0], good[1], new Uint8Array(63), good[3]],
    [good[0], good[1], good[2], 'text'],
    ['2', good[1], good[2], good[3]],
    [-1],
    [],
    {},
  ];
  for (const form of forms)
    expect(await open(encodeCanonical(form))).toMatchObject({
      ok: false,
      reason: 'malformed',
      detail: 'not the canonical list of version, key, signature and body',
    });
  // The same list in another encoding: the version, and then the body's length, in more bytes than they need.
  const [head, version, ...rest] = bytes;
  const bodyAt = 2 + 34 + 66;
  expect([...bytes.subarray(bodyAt, bodyAt + 1)]).toEqual([0x58]);
  for (const twin of [
    Uint8Array.of(head, 0x18, version, ...rest),
    Uint8Array.of(...bytes.subarray(0, bodyAt), 0x59, 0, ...bytes.subarray(bodyAt + 1)),
    Uint8Array.of(...bytes, 0),
    bytes.subarray(0, -1),
  ])
    expect(await open(twin)).toMatchObject({ ok: false, reason: 'malformed' });
  const quoting = await open(
    await signBytes(alice, 'profile', encodeCanonical({ ...profile, ['y'.repeat(5000)]: 1 })),
  );
  expect(quoting).toMatchObject({ ok: false });
  expect(quoting.ok ? '' : quoting.detail).toMatch(/^.{1,160}$/);
});

test('gossip and manifests have limits of their own, and the last byte is within them', async () => {
  const full = await open(new Uint8Array(MAX_GOSSIP_BYTES));
  expect(full).toMatchObject({ reason: 'malformed' });
  expect(await open(new Uint8Array(MAX_GOSSIP_BYTES + 1))).toEqual({
    ok: false,
    reason: 'too-large',
    detail: `${MAX_GOSSIP_BYTES + 1} bytes, limit ${MAX_GOSSIP_BYTES}`,
  });
  expect(await openManifest(new Uint8Array(MAX_MANIFEST_BYTES))).toMatchObject({ reason: 'malformed' });
  expect(await openManifest(new Uint8Array(MAX_MANIFEST_BYTES + 1))).toMatchObject({ reason: 'too-large' });
  // A body that is no CBOR, in an envelope that is.
  const body = await signBytes(alice, 'manifest', Uint8Array.of(0xff));
  expect(await open(body)).toMatchObject({ reason: 'malformed' });
  expect(await openManifest(body)).toMatchObject({
    reason: 'malformed',
    detail: expect.stringContaining('not DAG-CBOR'),
  });
});

test('a manifest with as many and as large shards as it may have is signed and opens', async () => {
  const manifest = testManifest(alice.publicKey, [{ key: alice.publicKey, weight: 1 }]);
  const shard = { hash: testHash('shard'), size: MAX_BLOB_BYTES, tokens: MAX_BLOB_BYTES };
  const large = {
    ...manifest,
    task: {
      ...manifest.task,
      data: { ...manifest.task.data, train: Array.from({ length: 10_000 }, () => shard) },
    },
  };
  const signed = await signManifest(alice, large);
  expect(signed.byteLength).toBeGreaterThan(MAX_MANIFEST_BYTES / 2);
  expect(await openManifest(signed)).toMatchObject({ ok: true });
});

test('a manifest is refused by the reason that fits', async () => {
  const manifest = testManifest(alice.publicKey, [{ key: alice.publicKey, weight: 1 }]);
  const body = encodeCanonical(manifest);
  expect(await openManifest(await signBytes(bob, 'manifest', body))).toEqual({
    ok: false,
    reason: 'signature',
    detail: 'signed by a key that is not its organizer.key',
  });
  expect(await openManifest(await signBytes(alice, 'commit', body))).toEqual({
    ok: false,
    reason: 'signature',
    detail: 'the manifest is not signed by its sender',
  });
  expect(await open(await signBytes(alice, 'commit', encodeCanonical(profile)))).toEqual({
    ok: false,
    reason: 'signature',
    detail: 'the profile is not signed by its sender',
  });
  await expect(signManifest(bob, manifest)).rejects.toThrow(
    new RangeError('bad manifest: organizer.key is not the key that signs it'),
  );
  await expect(signManifest(alice, { ...manifest, protocol: 7 } as never)).rejects.toThrow(
    /^bad manifest: protocol: /,
  );
});

test('a message past the gossip limit is not sealed', async () => {
  const signature = new Uint8Array(64);
  const validator = testHash('validator');
  const certificate = (bytes: number) => ({
    kind: 'certificate' as const,
    body: new Uint8Array(bytes),
    signatures: [{ validator, signature }],
  });
  const overhead = (await seal(alice, certificate(70_000))).byteLength - 70_000;
  const last = MAX_GOSSIP_BYTES - overhead;
  const sealed = await seal(alice, certificate(last));
  expect(sealed.byteLength).toBe(MAX_GOSSIP_BYTES);
  expect(await open(sealed)).toMatchObject({ ok: true });
  await expect(seal(alice, certificate(last + 1))).rejects.toThrow(
    new RangeError(`a certificate of ${MAX_GOSSIP_BYTES + 1} bytes exceeds ${MAX_GOSSIP_BYTES}`),
  );
});
