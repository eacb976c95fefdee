/**
 * Joining: a proof of work over one of the newest certificates, and how hard the next one is.
 *
 * A key costs nothing, so it must cost something to bring one into a round. The work binds run, certificate and key, so
 * that it can neither be prepared before the certificate exists nor be used for another key. SHA-256 with leading zero
 * bits (Hashcash, Back 2002); checking takes one hash.
 */
import { bytesEqual, concatBytes, sha256Sync } from './bytes.ts';
import { JOIN_WINDOW, MAX_JOIN_BITS, MAX_JOIN_RISE } from './limits.ts';
import type { Admission } from './manifest.ts';

const DOMAIN = new TextEncoder().encode('tabswarm/join\0');
/** Hashes between two looks at the clock: well under a millisecond of them. */
const HASHES_PER_LOOK = 256;
/** Longest stretch without letting the thread do something else, ms: half a frame. */
const SLICE_MS = 8;

/** What a join's work is done over. All byte strings are 32 bytes. */
export interface JoinChallenge {
  readonly run: Uint8Array;
  /** Hash of a certificate's body; the run id before the first. */
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

/** A certificate over which joins may be done: what a chain's head remembers of each of the newest. */
export interface JoinBase {
  /** Hash of its body; the run id at height 0. */
  readonly certificate: Uint8Array;
  /** Leading zero bits that a join over it needs. */
  readonly bits: number;
  /** Newcomers that it lists. */
  readonly joined: number;
}

/** How a join stands with a chain: over a certificate of the window with enough work, with too little, or over another. */
export type JoinCheck =
  | { readonly is: 'good'; readonly age: number; readonly hash: Uint8Array }
  | { readonly is: 'weak' | 'stale' };

/** Checks a join with one hash. `bases`: the newest certificates, newest first. */
export function checkJoin(
  run: Uint8Array,
  contributor: Uint8Array,
  { certificate, nonce }: { readonly certificate: Uint8Array; readonly nonce: number },
  bases: readonly JoinBase[],
): JoinCheck {
  const age = bases.findIndex((base) => bytesEqual(base.certificate, certificate));
  if (age < 0) return { is: 'stale' };
  const hash = joinHash({ run, certificate, contributor }, nonce);
  return leadingZeroBits(hash) < bases[age].bits ? { is: 'weak' } : { is: 'good', age, hash };
}

/**
 * Bits that joins over the certificate of `height` need. They move by one at most every {@link JOIN_WINDOW} certificates:
 * up when more joined with these than `joinTarget` each, down when less than half of that. They stay within
 * {@link MAX_JOIN_RISE} of the manifest's, which a browser can do in a round: whoever hashes most may not shut out everybody
 * else (decision 16).
 *
 * `before`: the newest certificates before it, newest first. `joined`: newcomers that it lists itself.
 */
export function nextJoinBits(
  height: number,
  joined: number,
  before: readonly JoinBase[],
  { joinBits, joinTarget }: Admission,
): number {
  const [{ bits }] = before;
  if (height % JOIN_WINDOW !== 0) return bits;
  const recent = before.slice(0, JOIN_WINDOW - 1).reduce((sum, base) => sum + base.joined, joined);
  if (recent > JOIN_WINDOW * joinTarget) return Math.min(MAX_JOIN_BITS, joinBits + MAX_JOIN_RISE, bits + 1);
  return 2 * recent < JOIN_WINDOW * joinTarget ? Math.max(joinBits, bits - 1) : bits;
}

/** The window of a head after a certificate. */
export const nextJoinBases = (newest: JoinBase, before: readonly JoinBase[]): JoinBase[] => [
  newest,
  ...before.slice(0, JOIN_WINDOW - 1),
];
