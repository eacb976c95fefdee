/**
 * Ed25519 identities (RFC 8032): who signed a message.
 *
 * WebCrypto's Ed25519 is used where it exists (about 0.1 ms a signature, off the main thread's JavaScript); pages that
 * are no secure context and older browsers fall back to @noble/curves (about 2 ms), which gives the same bytes.
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, fromHex, toHex } from './bytes.ts';
import { KEY_BYTES, SIGNATURE_BYTES } from './limits.ts';

export interface Identity {
  /** 32 bytes; the sender of everything this identity signs. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** Deterministic 64-byte signature. */
  sign(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** The 32-byte secret seed, to be kept where only its owner reads it. */
  exportSeed(): Uint8Array<ArrayBuffer>;
}

/** DER of a PKCS #8 Ed25519 private key up to its 32-byte seed (RFC 8410, section 7). */
const PKCS8_PREFIX = fromHex('302e020100300506032b657004220420');
const SEED_BYTES = 32;

/** Verification keys imported into WebCrypto, so that a contributor's next message skips the import. */
const importedKeys = new Map<string, CryptoKey>();
const MAX_IMPORTED_KEYS = 4096;

let supported: Promise<boolean> | null = null;

/** Whether this context's WebCrypto knows Ed25519; asked once. */
function webCryptoKnowsEd25519(): Promise<boolean> {
  supported ??= (async () => {
    const subtle = globalThis.crypto?.subtle;
    if (subtle === undefined) return false;
    try {
      await importPrivate(new Uint8Array(SEED_BYTES));
      return true;
    } catch {
      return false;
    }
  })();
  return supported;
}

const importPrivate = (seed: Uint8Array): Promise<CryptoKey> =>
  crypto.subtle.importKey('pkcs8', concatBytes(PKCS8_PREFIX, seed), 'Ed25519', false, ['sign']);

/** A new identity, or the one of a kept 32-byte seed. Throws RangeError when the seed has another length. */
export async function createIdentity(seed?: Uint8Array): Promise<Identity> {
  if (seed !== undefined && seed.byteLength !== SEED_BYTES) {
    throw new RangeError(`an identity's seed has ${SEED_BYTES} bytes, got ${seed.byteLength}`);
  }
  const secret = new Uint8Array(seed ?? crypto.getRandomValues(new Uint8Array(SEED_BYTES)));
  const publicKey = new Uint8Array(ed25519.getPublicKey(secret));
  const key = (await webCryptoKnowsEd25519()) ? await importPrivate(secret) : null;
  return {
    publicKey,
    async sign(bytes) {
      if (key === null) return new Uint8Array(ed25519.sign(bytes, secret));
      return new Uint8Array(await crypto.subtle.sign('Ed25519', key, bytes as Uint8Array<ArrayBuffer>));
    },
    exportSeed: () => new Uint8Array(secret),
  };
}

/** True when `signature` over `bytes` is `key`'s. Wrong lengths and keys off the curve are just false. */
export async function verifySignature(
  key: Uint8Array,
  bytes: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (key.byteLength !== KEY_BYTES || signature.byteLength !== SIGNATURE_BYTES) return false;
  try {
    if (!(await webCryptoKnowsEd25519())) return verifyInJavaScript(key, bytes, signature);
    return await crypto.subtle.verify(
      'Ed25519',
      await importPublic(key),
      signature as Uint8Array<ArrayBuffer>,
      bytes as Uint8Array<ArrayBuffer>,
    );
  } catch {
    return false;
  }
}

/**
 * The fallback, exported for its tests. It must accept exactly what WebCrypto accepts, or a crafted signature would
 * split the swarm: so [S]B = R + [k]A without the cofactor, which noble's own verify() multiplies in, and no points of
 * small order (https://wicg.github.io/webcrypto-secure-curves/#ed25519-operations-verify).
 */
export function verifyInJavaScript(key: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (key.byteLength !== KEY_BYTES || signature.byteLength !== SIGNATURE_BYTES) return false;
  try {
    const encodedR = signature.subarray(0, 32);
    const a = Point.fromBytes(key);
    const r = Point.fromBytes(encodedR);
    const s = littleEndian(signature.subarray(32));
    if (a.isSmallOrder() || r.isSmallOrder() || s >= ORDER) return false;
    const k = littleEndian(sha512(concatBytes(encodedR, key, bytes))) % ORDER;
    return Point.BASE.multiplyUnsafe(s).equals(r.add(a.multiplyUnsafe(k)));
  } catch {
    return false; // not a point on the curve
  }
}

const { Point } = ed25519;
/** Order of the group that the base point generates. */
const ORDER = Point.Fn.ORDER;

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.slice().reverse())}`);
}

async function importPublic(key: Uint8Array): Promise<CryptoKey> {
  const id = toHex(key);
  const known = importedKeys.get(id);
  if (known !== undefined) return known;
  const imported = await crypto.subtle.importKey('raw', key as Uint8Array<ArrayBuffer>, 'Ed25519', false, [
    'verify',
  ]);
  if (importedKeys.size >= MAX_IMPORTED_KEYS) {
    for (const oldest of importedKeys.keys()) {
      importedKeys.delete(oldest);
      break;
    }
  }
  importedKeys.set(id, imported);
  return imported;
}
