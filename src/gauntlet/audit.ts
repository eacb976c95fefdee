/**
 * Whom to audit, and what can be said of an answer without replaying anything. Pure.
 *
 * Who was never audited comes first, so that nobody earns for long unseen; among equals the round's lot decides, which
 * nobody knew before commits closed. Half of the draws go to who has waited longest: else identities that come and go
 * would keep honest newcomers waiting.
 */
import type { Account } from '../chain/ledger.ts';
import { compareBytes, bytesEqual, concatBytes, sha256, sha256Sync } from '../protocol/bytes.ts';

import type { ParameterLayout } from '../model/layout.ts';
import { addScaled, type SparseUpdate } from '../sparseloco/update.ts';
import { type CarryDigests, carryRoot, type CarryRoots, partBytes } from '../training/carry.ts';
import type { NoteCode } from './notes.ts';

/**
 * Of those who passed an audit already, at most this share is drawn again in a round (rounded up): an answer is 12 to 24 bytes
 * a parameter of upload, and in a small swarm the same few would be asked in every round.
 */
const REPEATS = 0.25;
/** Share of the draws for those never audited that goes by rounds waited; by lot the rest, or liars would know their turn. */
const BY_WAITING = 0.5;

/** Where a contributor stands in the line of those to be audited. */
export interface Place {
  /** -1: never audited; 0: ever failed; else audits passed. */
  readonly audits: number;
  /** Submissions that certificates name, accepted or refused. */
  readonly submissions: number;
}

/**
 * The contributors to audit: at most `count`, those with the fewest audits first. `seed`: the round's lot seed
 * (RoundBook.lotSeed); `place`: see {@link placeOf}.
 */
export function drawAudits(
  contributors: readonly Uint8Array[],
  seed: Uint8Array,
  place: (contributor: Uint8Array) => Place,
  count: number,
): Uint8Array[] {
  const line = contributors
    .map((contributor) => ({
      contributor,
      ...place(contributor),
      lot: sha256Sync(concatBytes(seed, contributor)),
    }))
    .sort((a, b) => a.audits - b.audits || compareBytes(a.lot, b.lot));
  const unproven = line.filter((one) => one.audits <= 0);
  const longest = unproven
    .filter((one) => one.audits < 0)
    .sort((a, b) => b.submissions - a.submissions)
    .slice(0, Math.floor(BY_WAITING * count));
  const repeats = line.slice(unproven.length, unproven.length + Math.ceil(REPEATS * line.length));
  const drawn = new Set([...longest, ...unproven, ...repeats]);
  return [...drawn].slice(0, count).map(({ contributor }) => contributor);
}

/**
 * An account's place in the line of those to be audited: never audited, then who ever failed, then by audits passed. So
 * liars who come back again and again keep nobody from being looked at for the first time.
 */
export function placeOf(
  account: Pick<Account, 'auditsPassed' | 'auditsFailed' | 'accepted' | 'refused'> | undefined,
): Place {
  if (account === undefined) return { audits: -1, submissions: 0 };
  const submissions = account.accepted + account.refused;
  if (account.auditsPassed + account.auditsFailed === 0) return { audits: -1, submissions };
  return { audits: account.auditsFailed > 0 ? 0 : account.auditsPassed, submissions };
}

/** What is wrong with the digests that an answer shows; null when they are those committed to. */
export function answerProblem(
  { before, after }: { readonly before: CarryDigests | null; readonly after: CarryDigests },
  roots: CarryRoots,
  zero: CarryDigests,
): Extract<NoteCode, 'other-carry-before' | 'other-carry-after'> | null {
  if (!bytesEqual(carryRoot(before ?? zero), roots.before)) return 'other-carry-before';
  return bytesEqual(carryRoot(after), roots.accepted) ? null : 'other-carry-after';
}

/**
 * Whether the root for a refused round is what it must be: the carry after the round with what was sent put back into
 * the error feedback. Exact: one f32 addition an entry, which is the same everywhere.
 */
export async function refusedRootMatches(
  after: CarryDigests,
  error: Float32Array,
  sent: SparseUpdate,
  roots: CarryRoots,
  layout: ParameterLayout,
): Promise<boolean> {
  const owed = Float32Array.from(error);
  addScaled(owed, sent, layout, 1);
  return bytesEqual(carryRoot({ ...after, error: await sha256(partBytes(owed)) }), roots.refused);
}
