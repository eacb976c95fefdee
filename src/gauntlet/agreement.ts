/**
 * Whether a submission pulls the way the others pull: the signs it has where others moved the same coordinates.
 *
 * Honest peers train the same model on text of the same kind, so where two keep the same coordinate they nearly always
 * agree on its sign (decision 4). Made-up signs agree with half, flipped ones with none. No loss need be measured.
 *
 * Agreement of two = 2 (share of matching signs) - 1 over the coordinates that both keep. A submission's own is that of
 * the middle fifth of its pairs (three fifths with known contributors), taken together: a median with less noise.
 * Pairs, and not votes on each coordinate: attackers who all keep the same coordinates would outvote there the honest
 * ones, who spread.
 */
import { lowerMedian } from './checks.ts';
import { type Refusal, refusal } from './notes.ts';
import { chunkSample } from './overlap.ts';

/** Kept positions as `chunk * 4096 + position`, ascending, and for each 1 when its value is negative, else 0. */
export interface SignedPositions {
  readonly positions: Uint32Array;
  readonly negative: Uint8Array;
}

export interface Agreement {
  /** -1..1; 0 when nothing is shared. */
  readonly value: number;
  /** What it may truly be at most, beyond doubt. */
  readonly most: number;
  /** Coordinates compared. */
  readonly shared: number;
}

/** Standard errors by which agreement must fall short to do so beyond doubt. */
const DOUBT = 3;
/** Pairs that count, in the order of their agreement: robust against two fifths of liars on either side. */
const MIDDLE = [0.4, 0.6] as const;
/** Among others who passed an audit, of whom fewer lie and who are fewer: a fifth on either side. */
const KNOWN_MIDDLE = [0.2, 0.8] as const;
/** Pairs that share fewer coordinates say nothing. */
const MIN_SHARED = 4;

interface Pair {
  readonly same: number;
  readonly shared: number;
}

/**
 * Agreement of each submission with the others, or with those of them that `known` names by index: contributors who
 * passed an audit. Long ones are compared on chunks that `seed` draws.
 */
export function agreements(
  submissions: readonly SignedPositions[],
  seed: number,
  known?: (index: number) => boolean,
): Agreement[] {
  const counts = known ?? (() => true);
  const inSample = chunkSample(Math.max(0, ...submissions.map(({ positions }) => positions.length)), seed);
  const samples = submissions.map((submission) => sampleOf(submission, inSample));
  const pairs: Pair[][] = samples.map(() => []);
  for (let i = 0; i < samples.length; i++) {
    for (let j = 0; j < i; j++) {
      if (!counts(i) && !counts(j)) continue;
      const pair = compare(samples[i], samples[j]);
      if (pair.shared < MIN_SHARED) continue;
      if (counts(j)) pairs[i].push(pair);
      if (counts(i)) pairs[j].push(pair);
    }
  }
  const middle = known === undefined ? MIDDLE : KNOWN_MIDDLE;
  return pairs.map((own) => agreementOf(own, middle));
}

/** Positions with their sign in the lowest bit, in the order of positions. */
function sampleOf(
  { positions, negative }: SignedPositions,
  inSample: (chunk: number) => boolean,
): Float64Array {
  const kept: number[] = [];
  positions.forEach((position, i) => {
    if (inSample(position >>> 12)) kept.push(2 * position + negative[i]);
  });
  return Float64Array.from(kept);
}

function compare(a: Float64Array, b: Float64Array): Pair {
  let same = 0;
  let shared = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [x, y] = [a[i], b[j]];
    const [p, q] = [Math.floor(x / 2), Math.floor(y / 2)];
    if (p === q) {
      shared++;
      if (x === y) same++;
    }
    if (p <= q) i++;
    if (q <= p) j++;
  }
  return { same, shared };
}

function agreementOf(pairs: readonly Pair[], [from, to]: readonly [number, number]): Agreement {
  const sorted = [...pairs].sort((a, b) => a.same / a.shared - b.same / b.shared);
  const middle = sorted.slice(Math.floor(from * sorted.length), Math.ceil(to * sorted.length));
  let same = 0;
  let shared = 0;
  for (const pair of middle) {
    same += pair.same;
    shared += pair.shared;
  }
  // Agresti and Coull's interval (1998) for a share: half of DOUBT^2 successes and failures are added.
  const total = shared + DOUBT ** 2;
  const share = (same + DOUBT ** 2 / 2) / total;
  const most = share + DOUBT * Math.sqrt((share * (1 - share)) / total);
  return { value: shared === 0 ? 0 : (2 * same) / shared - 1, most: 2 * most - 1, shared };
}

/** Refuses agreement that is beyond doubt under `least` times the median of the others. */
export function agreementProblem(
  own: Agreement,
  others: readonly Agreement[],
  least: number,
): Refusal | null {
  const values = others.filter(({ shared }) => shared > 0).map(({ value }) => value);
  if (values.length === 0) return null;
  const median = lowerMedian(values);
  // Where the others do not agree among themselves, there is nothing to agree with.
  if (median <= 0 || own.most >= least * median) return null;
  const share = (value: number): number => (value + 1) / 2;
  return refusal('direction', 'other-direction', {
    agrees: share(own.value),
    signs: own.shared,
    median: share(median),
  });
}
