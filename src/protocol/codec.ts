/**
 * Canonical bytes of a value: DAG-CBOR (https://ipld.io/specs/codecs/dag-cbor/spec/).
 *
 * One value has exactly one encoding: what is signed or hashed must not have two. Decoding therefore re-encodes and
 * compares, which also refuses what the decoder lets pass (floats that are integers, unsorted or magic keys).
 */
import { messageOf } from './errors.ts';
import * as dagCbor from '@ipld/dag-cbor';
import { bytesEqual } from './bytes.ts';

export type Decoded =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly detail: string };

/**
 * Canonical bytes of a value made of null, booleans, finite numbers, strings, `Uint8Array`s, arrays and plain objects.
 * Throws Error on anything else (undefined, NaN, functions): that is a mistake of the caller, not of a peer.
 */
export function encodeCanonical(value: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(dagCbor.encode(value));
}

/** Decodes at most `maxBytes` of canonical DAG-CBOR. Never throws. */
export function decodeCanonical(bytes: Uint8Array, maxBytes: number): Decoded {
  if (bytes.byteLength > maxBytes) {
    return { ok: false, detail: `${bytes.byteLength} bytes, limit ${maxBytes}` };
  }
  try {
    const value: unknown = dagCbor.decode(bytes);
    if (!bytesEqual(dagCbor.encode(value), bytes)) return { ok: false, detail: 'not in canonical form' };
    return { ok: true, value };
  } catch (error) {
    return { ok: false, detail: `not DAG-CBOR: ${messageOf(error).slice(0, 100)}` };
  }
}
