/**
 * Who copied whom: the share of positions two submissions have in common.
 *
 * Top-k supports of honest peers overlap little more than by chance (k/4096) plus what the state makes important to
 * both; a copy, even one with noise on its values, shares nearly all. The later commit is the copy: the victim, whose
 * bytes were seen first, is never punished. Pairs are many, so long submissions are compared on a sample of their
 * chunks, drawn by a seed that nobody knows before all commits are in.
 */
import { overlap as overlapOf } from '../sparseloco/stats.ts';

/** Kept positions as `chunk * 4096 + position`, ascending. */
export interface Positions {
  readonly positions: Uint32Array;
}

/** Enough for a standard error under 0.6 % of the overlap. */
const SAMPLE = 8192;

/** Positions of a pseudo-random choice of whole chunks, about {@link SAMPLE} of them; all when there are fewer. */
export function samplePositions(positions: Uint32Array, seed: number): Uint32Array {
  if (positions.length <= SAMPLE) return positions;
  const threshold = (SAMPLE / positions.length) * 2 ** 32;
  return positions.filter((position) => mix(position >>> 12, seed) < threshold);
}

/** A 32-bit mixer (the finaliser of MurmurHash3): spreads chunk numbers evenly for any seed. */
function mix(value: number, seed: number): number {
  let h = (value ^ seed) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export interface Copy {
  /** Index of the later submission, and of the earlier one that it overlaps most. */
  readonly copy: number;
  readonly original: number;
  readonly overlap: number;
}

/** Submissions, in the order of their commits, that overlap an earlier one by more than `maxOverlap`. */
export function findCopies(
  submissions: readonly Positions[],
  maxOverlap: number,
  seed: number,
): readonly Copy[] {
  const samples = submissions.map(({ positions }) => ({ positions: samplePositions(positions, seed) }));
  const copies: Copy[] = [];
  samples.forEach((later, copy) => {
    let worst: Copy | null = null;
    for (let original = 0; original < copy; original++) {
      const overlap = overlapOf(samples[original], later);
      if (overlap > maxOverlap && overlap > (worst?.overlap ?? 0)) worst = { copy, original, overlap };
    }
    if (worst !== null) copies.push(worst);
  });
  return copies;
}
