/**
 * Training text that a newcomer fetches ahead, and how much that is: the page tells it before Start, so both follow from
 * one rule.
 */

/** Shards that an assignment draws (training/assignment.ts). */
const ASSIGNED_SHARDS = 2;
/** Bytes at most: which of the text this peer will need is drawn only when it is admitted. */
const AHEAD_BYTES = 4 << 20;

/** The leading items that are fetched ahead. `size`: bytes. */
export function textAhead<T extends { readonly size: number }>(shards: readonly T[]): T[] {
  let left = AHEAD_BYTES;
  const ahead: T[] = [];
  for (const shard of shards) {
    left -= shard.size;
    if (left < 0) break;
    ahead.push(shard);
  }
  return ahead;
}

/**
 * About how many bytes of text a tab has fetched when its first round begins: what is fetched ahead, and what is drawn for
 * the round, as far as the one does not hold the other.
 */
export function firstTextBytes(shards: readonly { readonly size: number }[]): number {
  const sum = (some: typeof shards): number => some.reduce((bytes, { size }) => bytes + size, 0);
  const all = sum(shards);
  if (all === 0) return 0;
  const ahead = sum(textAhead(shards));
  const drawn = (all / shards.length) * Math.min(ASSIGNED_SHARDS, shards.length);
  return Math.round(ahead + drawn * (1 - ahead / all));
}
