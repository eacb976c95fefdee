/**
 * Who copied whom, from the positions that submissions keep.
 *
 * Top-k supports of honest peers overlap little more than by chance (k/4096) plus what the state makes important to
 * both; a copy, even one with noise on its values, shares nearly all. Three measures, each against what was there
 * before: the submissions committed earlier and those of the last certificate, which everybody could fetch.
 *
 * - one source: share of all positions in common with one earlier submission;
 * - mosaic: as much in common chunk by chunk, each chunk with the earlier submission that it resembles most;
 * - moved chunks: share of chunks whose positions another chunk of one earlier submission has, wherever it lies.
 *
 * The later one is the copy: the victim, whose seal was seen first, is never punished. Pairs are many, so long
 * submissions are compared on a sample of their chunks, drawn by a seed that nobody knows before all commits are in.
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
  const inSample = chunkSample(positions.length, seed);
  return positions.filter((position) => inSample(position >>> CHUNK_BITS));
}

/** Which chunks are looked at in a submission of so many positions: about {@link SAMPLE} positions' worth. */
export function chunkSample(length: number, seed: number): (chunk: number) => boolean {
  if (length <= SAMPLE) return () => true;
  const threshold = (SAMPLE / length) * 2 ** 32;
  return (chunk) => mix(chunk, seed) < threshold;
}

const CHUNK_BITS = 12;

/** A 32-bit mixer (the finaliser of MurmurHash3): spreads chunk numbers evenly for any seed. */
function mix(value: number, seed: number): number {
  let h = (value ^ seed) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export interface Copy {
  /** Index of the later submission. */
  readonly copy: number;
  /** Index of the earlier one that it resembles most; -1: one of the last certificate's. */
  readonly original: number;
  readonly kind: 'positions' | 'mosaic' | 'moved-chunks';
  /** The share in question, and the limit that it exceeds. */
  readonly share: number;
  readonly limit: number;
}

/**
 * Share in common chunk by chunk with the most similar of many; of honest ones up to 0.35, of waiting ones 0.51
 * (docs/gauntlet.md).
 */
const MAX_MOSAIC = 0.6;
/** Share of chunks found again elsewhere; of honest ones up to 0.20: matrices of one input have its rows in common. */
const MAX_MOVED = 0.35;
/** With fewer chunks than this the share of moved ones says nothing. */
const MIN_CHUNKS = 8;

/**
 * Submissions, in the order of their commits, that are copies of an earlier one by any of the three measures;
 * `maxOverlap` is the limit of the first. `previous`: what the last certificate applied.
 */
export function findCopies(
  submissions: readonly Positions[],
  maxOverlap: number,
  seed: number,
  previous: readonly Positions[] = [],
): readonly Copy[] {
  const longest = Math.max(0, ...[...submissions, ...previous].map(({ positions }) => positions.length));
  const inSample = chunkSample(longest, seed);
  const summarise = ({ positions }: Positions): Summary => ({
    positions: positions.filter((position) => inSample(position >>> CHUNK_BITS)),
    prints: chunkPrints(positions, seed),
  });
  // Those of the last certificate come before all commits, and cannot be copies.
  const all = [...previous, ...submissions].map(summarise);
  const copies: Copy[] = [];
  for (let later = previous.length; later < all.length; later++) {
    const found = copyOf(all[later], all.slice(0, later), maxOverlap);
    if (found === null) continue;
    const { original, ...rest } = found;
    copies.push({
      copy: later - previous.length,
      original: Math.max(-1, original - previous.length),
      ...rest,
    });
  }
  return copies;
}

interface Summary extends Positions {
  readonly prints: ReadonlyMap<number, readonly string[]>;
}

function copyOf(later: Summary, earlier: readonly Summary[], maxOverlap: number): Omit<Copy, 'copy'> | null {
  let most = { original: 0, share: 0 };
  let mostMoved = { original: 0, share: 0 };
  earlier.forEach((other, original) => {
    const share = overlapOf(other, later);
    if (share > most.share) most = { original, share };
    const moved = sharedPrints(later.prints, other.prints);
    if (moved > mostMoved.share) mostMoved = { original, share: moved };
  });
  if (most.share > maxOverlap) return { kind: 'positions', limit: maxOverlap, ...most };
  if (mostMoved.share > MAX_MOVED) return { kind: 'moved-chunks', limit: MAX_MOVED, ...mostMoved };
  const share = mosaicShare(later, earlier);
  return share > MAX_MOSAIC ? { kind: 'mosaic', limit: MAX_MOSAIC, original: most.original, share } : null;
}

/** Mean over the later one's chunks of the greatest share that any one earlier submission has of them. */
export function mosaicShare({ positions }: Positions, earlier: readonly Positions[]): number {
  const best = new Map<number, number>();
  const sizes = new Map<number, number>();
  for (const position of positions) {
    const chunk = position >>> CHUNK_BITS;
    sizes.set(chunk, (sizes.get(chunk) ?? 0) + 1);
  }
  for (const other of earlier) {
    const common = new Map<number, number>();
    for (let i = 0, j = 0; i < positions.length && j < other.positions.length; ) {
      const p = positions[i];
      const q = other.positions[j];
      if (p === q) common.set(p >>> CHUNK_BITS, (common.get(p >>> CHUNK_BITS) ?? 0) + 1);
      if (p <= q) i++;
      if (q <= p) j++;
    }
    for (const [chunk, count] of common) best.set(chunk, Math.max(best.get(chunk) ?? 0, count));
  }
  if (positions.length === 0) return 0;
  let shared = 0;
  for (const count of best.values()) shared += count;
  return shared / positions.length;
}

const PRINTS = 4;
const PRINT_SIZE = 3;

/**
 * Fingerprints of each chunk that do not depend on where it lies: the smallest three of its positions in each of four
 * pseudo-random orders (MinHash, Broder 1997). Two chunks that share the share J of their joint positions have one of
 * them in common with probability J^3.
 */
function chunkPrints(positions: Uint32Array, seed: number): ReadonlyMap<number, readonly string[]> {
  const prints = new Map<number, readonly string[]>();
  for (let from = 0; from < positions.length; ) {
    const chunk = positions[from] >>> CHUNK_BITS;
    let to = from;
    while (to < positions.length && positions[to] >>> CHUNK_BITS === chunk) to++;
    const within = [...positions.subarray(from, to)].map((position) => position & 0xfff);
    if (within.length >= PRINT_SIZE) {
      prints.set(
        chunk,
        Array.from({ length: PRINTS }, (_, i) => `${i}:${smallest(within, seed + i).join()}`),
      );
    }
    from = to;
  }
  return prints;
}

/** The {@link PRINT_SIZE} positions that come first in the order of `seed`. */
function smallest(within: readonly number[], seed: number): number[] {
  return [...within].sort((a, b) => mix(a, seed) - mix(b, seed)).slice(0, PRINT_SIZE);
}

/** Share of the chunks of `later` whose positions another chunk of `other` seems to have. */
export const movedShare = (later: Positions, other: Positions, seed: number): number =>
  sharedPrints(chunkPrints(later.positions, seed), chunkPrints(other.positions, seed));

/** Share of chunks with a fingerprint of some other chunk of the other submission. */
function sharedPrints(later: Summary['prints'], other: Summary['prints']): number {
  if (later.size < MIN_CHUNKS) return 0;
  const known = new Map<string, number>();
  for (const [chunk, prints] of other) for (const print of prints) known.set(print, chunk);
  let found = 0;
  for (const [chunk, prints] of later) {
    if (prints.some((print) => (known.get(print) ?? chunk) !== chunk)) found++;
  }
  return found / later.size;
}
