/** Building blocks of the message schemas: sized byte strings, counts, times. Canonical form is DAG-CBOR. */
import * as v from 'valibot';
import { HASH_BYTES, KEY_BYTES, MAX_BLOB_BYTES, SIGNATURE_BYTES } from './limits.ts';

/** Any byte string, over whatever kind of buffer. */
export const Bytes = v.custom<Uint8Array>((x) => x instanceof Uint8Array, 'must be bytes');

const bytesOf = (length: number, what: string) =>
  v.pipe(
    Bytes,
    v.check((b) => b.byteLength === length, `${what} must be ${length} bytes`),
  );

/** SHA-256 digest. */
export const Hash = bytesOf(HASH_BYTES, 'a hash');
/** Ed25519 public key (RFC 8032). */
export const Key = bytesOf(KEY_BYTES, 'a key');
/** Ed25519 signature (RFC 8032). */
export const Signature = bytesOf(SIGNATURE_BYTES, 'a signature');

export const uint = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
export const positive = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max));
export const real = (min: number, max: number) =>
  v.pipe(v.number(), v.finite(), v.minValue(min), v.maxValue(max));

/** Milliseconds since the Unix epoch. */
export const Time = uint(Number.MAX_SAFE_INTEGER);
/** Wall-clock round number since the run's start. */
export const Round = uint(0xffffffff);
/** How many certificates the run has: the genesis state has height 0. */
export const Height = uint(0xffffffff);
/** A natural-log loss in nats per token. */
export const Loss = real(0, 1e6);

/** Content address of a blob. */
export const BlobRef = v.strictObject({ hash: Hash, size: positive(MAX_BLOB_BYTES) });
export type BlobRef = v.InferOutput<typeof BlobRef>;
