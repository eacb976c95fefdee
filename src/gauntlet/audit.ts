/**
 * Whom to audit, and what can be said of an answer without replaying anything. Pure.
 *
 * Who was never audited comes first, so that nobody earns for long unseen; among equals the round's lot decides, which
 * nobody knew before commits closed.
 */
import { compareBytes, bytesEqual, concatBytes, sha256, sha256Sync } from '../protocol/bytes.ts';
import { type CarryDigests, carryRoot, type CarryRoots, partBytes } from '../protocol/carry.ts';
import type { Account } from '../protocol/ledger.ts';
import type { MessageOf } from '../protocol/messages.ts';
import type { ParameterLayout } from '../model/layout.ts';
import { addScaled, type SparseUpdate } from '../sparseloco/update.ts';

/**
 * Of those who passed an audit already, at most this share is drawn again in a round (rounded up): an answer is 12 to 24 bytes
 * a parameter of upload, and in a small swarm the same few would be asked in every round.
 */
const REPEATS = 0.25;

/**
 * The contributors to audit: at most `count`, those with the fewest audits first. `seed`: the round's lot seed
 * (RoundBook.lotSeed); `audits`: place in the line ({@link auditsOf}).
 */
export function drawAudits(
  contributors: readonly Uint8Array[],
  seed: Uint8Array,
  audits: (contributor: Uint8Array) => number,
  count: number,
): Uint8Array[] {
  const line = contributors
    .map((contributor) => ({
      contributor,
      audits: audits(contributor),
      lot: sha256Sync(concatBytes(seed, contributor)),
    }))
    .sort((a, b) => a.audits - b.audits || compareBytes(a.lot, b.lot));
  const unproven = line.filter((one) => one.audits <= 0);
  const repeats = line.slice(unproven.length, unproven.length + Math.ceil(REPEATS * line.length));
  return [...unproven, ...repeats].slice(0, count).map(({ contributor }) => contributor);
}

/**
 * An account's place in the line of those to be audited: never audited, then who ever failed, then by audits passed. So
 * liars who come back again and again keep nobody from being looked at for the first time.
 */
export function auditsOf(account: Pick<Account, 'auditsPassed' | 'auditsFailed'> | undefined): number {
  if (account === undefined || account.auditsPassed + account.auditsFailed === 0) return -1;
  return account.auditsFailed > 0 ? 0 : account.auditsPassed;
}

/** What is wrong with the digests that an answer shows; null when they are those committed to. */
export function answerProblem(
  { before, after }: Pick<MessageOf<'carry'>, 'before' | 'after'>,
  roots: CarryRoots,
  zero: CarryDigests,
): string | null {
  if (!bytesEqual(carryRoot(before ?? zero), roots.before))
    return 'shows another carry before the round than committed';
  if (!bytesEqual(carryRoot(after), roots.accepted))
    return 'shows another carry after the round than committed';
  return null;
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
