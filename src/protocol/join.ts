/**
 * Joining: a proof of work over the newest certificate, and how hard the next one is.
 *
 * A key costs nothing, so it must cost something to bring one into a round. The work binds run, certificate and key, so
 * that it can neither be prepared before the certificate exists nor be used for another key. SHA-256 with leading zero
 * bits (Hashcash, Back 2002); checking takes one hash.
 */
import { concatBytes, sha256Sync } from './bytes.ts';
import { MAX_JOIN_BITS } from './limits.ts';
import type { Admission } from './manifest.ts';

const DOMAIN = new TextEncoder().encode('tabswarm/join\0');
/** Hashes between two looks at the clock: well under a millisecond of them. */
const HASHES_PER_LOOK = 256;
/** Longest stretch without letting the thread do something else, ms: half a frame. */
const SLICE_MS = 8;

/** What a join's work is done over. All byte strings are 32 bytes. */
export interface JoinChallenge {
  readonly run: Uint8Array;
  /** Hash of the newest certificate's body; the run id before the first. */
  readonly certificate: Uint8Array;
  readonly contributor: Uint8Array;
}

/** SHA-256(SHA-256("tabswarm/join" NUL run certificate contributor) || nonce as u64 big-endian). */
export function joinHash(challenge: JoinChallenge, nonce: number): Uint8Array {
  const input = attempt(challenge);
  setNonce(input, nonce);
  return sha256Sync(input);
}

/** The 40 bytes that are hashed, with nonce 0: what is fixed is hashed once, so that an attempt is a single block. */
function attempt({ run, certificate, contributor }: JoinChallenge): Uint8Array {
  const input = new Uint8Array(40);
  input.set(sha256Sync(concatBytes(DOMAIN, run, certificate, contributor)));
  return input;
}

function setNonce(input: Uint8Array, nonce: number): void {
  const view = new DataView(input.buffer);
  view.setUint32(32, Math.floor(nonce / 2 ** 32));
  view.setUint32(36, nonce % 2 ** 32);
}

export function leadingZeroBits(hash: Uint8Array): number {
  let bits = 0;
  for (const byte of hash) {
    if (byte !== 0) return bits + Math.clz32(byte) - 24;
    bits += 8;
  }
  return bits;
}

/** Whether `nonce` is worth `bits`. */
export const joinWorks = (challenge: JoinChallenge, nonce: number, bits: number): boolean =>
  leadingZeroBits(joinHash(challenge, nonce)) >= bits;

/**
 * Finds a nonce of `bits` leading zero bits: 2^bits hashes on average, 0.66 million a second on one core of a shared server. Gives
 * way to the thread's other work every {@link SLICE_MS} of `now`, and at once when that has been set back. On a clock that
 * stands still it never does. Rejects with the signal's reason when it aborts.
 */
export async function solveJoin(
  challenge: JoinChallenge,
  bits: number,
  signal?: AbortSignal,
  now: () => number = () => performance.now(),
): Promise<number> {
  const input = attempt(challenge);
  let sliceStart = now();
  for (let nonce = 0; ; nonce++) {
    setNonce(input, nonce);
    if (leadingZeroBits(sha256Sync(input)) >= bits) return nonce;
    if (nonce % HASHES_PER_LOOK !== 0) continue;
    const taken = now() - sliceStart;
    if (taken >= 0 && taken < SLICE_MS) continue;
    await nextTask();
    signal?.throwIfAborted();
    sliceStart = now();
  }
}

/** Resolves in a task of its own. Not a timer: those of a hidden tab fire once a second. */
function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
    port2.postMessage(null);
  });
}

/**
 * Bits that joins after a certificate need, from those that joins before it needed and how many joined with it: one
 * more above the target, one less below half of it, never below the manifest's floor.
 */
export function nextJoinBits(bits: number, joined: number, rules: Admission): number {
  if (joined > rules.joinTarget) return Math.min(MAX_JOIN_BITS, bits + 1);
  if (2 * joined < rules.joinTarget) return Math.max(rules.joinBits, bits - 1);
  return bits;
}
