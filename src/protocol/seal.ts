/**
 * The commitment of a contributor to its claim (as in iExec's proof of contribution): what is committed shows nothing of
 * the claim, nor can anybody else use it, because the contributor's key is inside.
 */
import { bytesEqual, concatBytes, sha256Sync } from './bytes.ts';

/** SHA-256 of "tabswarm/seal" NUL, run id, round (u32 big-endian), contributor's key and the claim's SHA-256. */
export function sealOf(
  run: Uint8Array,
  round: number,
  contributor: Uint8Array,
  claim: Uint8Array,
): Uint8Array {
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round);
  return sha256Sync(
    concatBytes(new TextEncoder().encode('tabswarm/seal\0'), run, number, contributor, sha256Sync(claim)),
  );
}

/** Whether a revealed claim is the one that was sealed. */
export const sealMatches = (
  seal: Uint8Array,
  run: Uint8Array,
  round: number,
  contributor: Uint8Array,
  claim: Uint8Array,
): boolean => bytesEqual(seal, sealOf(run, round, contributor, claim));
