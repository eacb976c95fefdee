/** Ed25519 against RFC 8032's vectors, by WebCrypto and by the fallback, and what must not verify. */
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { bytesEqual, concatBytes, fromHex, toHex } from './bytes.ts';
import { createIdentity, verifyInJavaScript, verifySignature } from './identity.ts';

/** RFC 8032, section 7.1: secret, public key, message, signature. */
const VECTORS = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
] as const;

describe('RFC 8032 vectors', () => {
  test.each(VECTORS)('secret %s', async (secret, publicKey, message, signature) => {
    const identity = await createIdentity(fromHex(secret));
    expect(toHex(identity.publicKey)).toBe(publicKey);
    expect(toHex(await identity.sign(fromHex(message)))).toBe(signature);
    expect(toHex(identity.exportSeed())).toBe(secret);
    const good = [fromHex(publicKey), fromHex(message), fromHex(signature)] as const;
    expect(await verifySignature(...good)).toBe(true);
    expect(verifyInJavaScript(...good)).toBe(true);
  });
});

test('a flipped bit anywhere, another key and wrong lengths do not verify and do not throw', async () => {
  const identity = await createIdentity();
  const other = await createIdentity();
  expect(bytesEqual(identity.publicKey, other.publicKey)).toBe(false);
  const message = new TextEncoder().encode('work');
  const signature = await identity.sign(message);
  for (const verify of [
    verifySignature,
    async (...a: Parameters<typeof verifySignature>) => verifyInJavaScript(...a),
  ]) {
    expect(await verify(identity.publicKey, message, signature)).toBe(true);
    expect(await verify(other.publicKey, message, signature)).toBe(false);
    for (const at of [0, 31, 32, 63]) {
      const bad = signature.slice();
      bad[at] = bad[at] ^ 1;
      expect(await verify(identity.publicKey, message, bad)).toBe(false);
    }
    expect(await verify(identity.publicKey, message.subarray(1), signature)).toBe(false);
    expect(await verify(identity.publicKey, message, signature.subarray(1))).toBe(false);
    expect(await verify(new Uint8Array(31), message, signature)).toBe(false);
    // A key of small order, for which one signature would fit every message.
    const small = new Uint8Array(32);
    small[0] = 1;
    expect(await verify(small, message, new Uint8Array(64))).toBe(false);
  }
});

test('a crafted signature that only the cofactored equation accepts is refused by both', async () => {
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  const number = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes.slice().reverse())}`);
  const bytes32 = (n: bigint) => fromHex(n.toString(16).padStart(64, '0')).reverse();
  const message = new TextEncoder().encode('one message, two opinions');
  const [secret, nonce] = [12345678901234567890n, 98765432109876543210n];
  const torsion = Point.fromHex(ED25519_TORSION_SUBGROUP[1]);
  const make = (r: typeof torsion) => {
    const key = Point.BASE.multiply(secret).toBytes();
    const k = number(sha512(concatBytes(r.toBytes(), key, message))) % order;
    return { key, signature: concatBytes(r.toBytes(), bytes32((nonce + k * secret) % order)) };
  };
  const plain = make(Point.BASE.multiply(nonce));
  expect(verifyInJavaScript(plain.key, message, plain.signature)).toBe(true);
  expect(await verifySignature(plain.key, message, plain.signature)).toBe(true);
  const crafted = make(Point.BASE.multiply(nonce).add(torsion));
  expect(ed25519.verify(crafted.signature, message, crafted.key, { zip215: false })).toBe(true);
  expect(verifyInJavaScript(crafted.key, message, crafted.signature)).toBe(false);
  expect(await verifySignature(crafted.key, message, crafted.signature)).toBe(false);
  // Torsion as the whole key and the whole nonce.
  for (const hex of ED25519_TORSION_SUBGROUP) {
    const signature = concatBytes(fromHex(hex), new Uint8Array(32));
    expect(verifyInJavaScript(fromHex(hex), message, signature)).toBe(false);
    expect(await verifySignature(fromHex(hex), message, signature)).toBe(false);
  }
});

test('a signature with S raised by the group order is a second encoding, and refused by both', async () => {
  const identity = await createIdentity();
  const message = new Uint8Array(3);
  const signature = await identity.sign(message);
  const s = BigInt(`0x${toHex(signature.slice(32).reverse())}`) + ed25519.Point.Fn.ORDER;
  const twin = concatBytes(signature.subarray(0, 32), fromHex(s.toString(16).padStart(64, '0')).reverse());
  expect(verifyInJavaScript(identity.publicKey, message, twin)).toBe(false);
  expect(await verifySignature(identity.publicKey, message, twin)).toBe(false);
});

test('a seed of the wrong length is refused', async () => {
  await expect(createIdentity(new Uint8Array(31))).rejects.toThrow('32 bytes, got 31');
});

test('a key or a nonce of small order alone is refused by both, though the equation holds', async () => {
  const { Point } = ed25519;
  const order = Point.Fn.ORDER;
  const number = (bytes: Uint8Array) => BigInt(`0x${toHex(bytes.slice().reverse())}`);
  const bytes32 = (n: bigint) => fromHex(n.toString(16).padStart(64, '0')).reverse();
  const message = new TextEncoder().encode('any message at all');
  const neutral = Point.ZERO.toBytes();
  const [secret, nonce] = [12345678901234567890n, 98765432109876543210n];
  // With the neutral element as key, [S]B = R whatever is signed.
  const r = Point.BASE.multiply(nonce).toBytes();
  const anyone = { key: neutral, signature: concatBytes(r, bytes32(nonce)) };
  // With it as nonce, S is the challenge times the secret.
  const key = Point.BASE.multiply(secret).toBytes();
  const k = number(sha512(concatBytes(neutral, key, message))) % order;
  const bare = { key, signature: concatBytes(neutral, bytes32((k * secret) % order)) };
  for (const { key: of, signature } of [anyone, bare]) {
    expect(verifyInJavaScript(of, message, signature)).toBe(false);
    expect(await verifySignature(of, message, signature)).toBe(false);
  }
});

test('a signature with a byte too many is another text of the same number, and refused', async () => {
  const identity = await createIdentity();
  const message = new Uint8Array(3);
  const longer = concatBytes(await identity.sign(message), Uint8Array.of(0));
  expect(verifyInJavaScript(identity.publicKey, message, longer)).toBe(false);
  expect(await verifySignature(identity.publicKey, message, longer)).toBe(false);
});
