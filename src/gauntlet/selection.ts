/**
 * Who is fetched and judged first when more commit than one certificate can hold. Whoever has verified rounds comes before
 * who has none, but for every fourth place: members cost next to nothing, and may not take all places from the others.
 *
 * The lot's seed is the hash of all commits' seals: nobody knows it before the commit deadline, and nobody can grind a
 * key for a good place without knowing every other commit.
 */
import { compareBytes, concatBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { Rules } from '../chain/rules.ts';
import { type Standings, standingScore } from './standings.ts';

/** Every fourth place goes to a newcomer: nobody earns a standing without being judged. */
const NEWCOMER_EVERY = 4;

/** Seed of a round's lot, of the sampled chunks and of the probes: SHA-256 of all seals in ascending order. */
export function lotSeed(seals: readonly Uint8Array[]): Uint8Array {
  return sha256Sync(concatBytes(...[...seals].sort(compareBytes)));
}

/** The contributors in the order in which they are judged. */
export function selectionOrder(
  contributors: readonly Uint8Array[],
  rules: Pick<Rules, 'selection'>,
  standings: Standings,
  seed: Uint8Array,
  hasVerified: (contributor: Uint8Array) => boolean,
): Uint8Array[] {
  const drawn = contributors
    .map((contributor) => {
      const standing = standings.get(toHex(contributor));
      return {
        contributor,
        lot: sha256Sync(concatBytes(seed, contributor)),
        score: standing === undefined ? 0 : standingScore(standing),
      };
    })
    .sort((a, b) => compareBytes(a.lot, b.lot));
  const byRating = rules.selection === 'rating';
  const isKnown = (entry: (typeof drawn)[number]): boolean =>
    byRating ? entry.score > 0 : hasVerified(entry.contributor);
  const newcomers = drawn.filter((entry) => !isKnown(entry));
  const rated = drawn.filter(isKnown);
  if (byRating) rated.sort((a, b) => b.score - a.score);
  const order: Uint8Array[] = [];
  while (order.length < drawn.length) {
    const turn = order.length % NEWCOMER_EVERY === NEWCOMER_EVERY - 1;
    const next = (turn ? newcomers.shift() : rated.shift()) ?? rated.shift() ?? newcomers.shift();
    order.push((next as (typeof drawn)[number]).contributor);
  }
  return order;
}
