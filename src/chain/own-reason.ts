/** Why a contributor's own work of a round was not accepted, from what validators said of that round. */
import { bytesEqual } from '../protocol/bytes.ts';
import { MAX_REFUSED } from '../protocol/limits.ts';
import type { RefusalReason, RefusedEntry, RoundFailure } from '../protocol/messages.ts';
import { isPassedOver } from '../protocol/passed-over.ts';

/** `not-listed`: refused for a reason of its own, in a round with more refusals than a list has room for. */
export type OwnReason = RefusalReason | 'not-listed';

/** Of a certificate or of word that there is none. */
interface Said {
  readonly refused: readonly RefusedEntry[];
  readonly passedOver: Uint8Array;
  readonly failure?: RoundFailure | null;
}

/**
 * The reason for which `contributor`, which handed in work, is not among the accepted. `isMember`: whether it is a member by
 * what was certified since. A list with room left names every member that was heard: whoever is missing was not heard in time.
 */
export function ownReason(
  { refused, passedOver, failure = null }: Said,
  contributor: Uint8Array,
  isMember: boolean,
): OwnReason {
  const listed = refused.find((entry) => bytesEqual(entry.contributor, contributor));
  if (listed !== undefined) return listed.reason;
  if (!isMember) return 'not-member';
  if (failure !== null) return 'unjudged';
  if (isPassedOver(passedOver, contributor)) return 'capacity';
  return refused.length < MAX_REFUSED ? 'late' : 'not-listed';
}
