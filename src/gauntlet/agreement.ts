/**
 * Whether a submission pulls the way the others pull: the signs it has where others moved the same coordinates.
 *
 * Honest peers train the same model on text of the same kind, so where two keep the same coordinate they nearly always
 * agree on its sign: 95 to 100 % in the runs of docs/gauntlet.md, 90 % for a phone's few steps in the first round.
 * Made-up signs agree with half, flipped ones with none. No loss need be measured, and it costs one pass.
 *
 * Agreement = 2 (share of matching signs) - 1, over the coordinates on which the others' votes are not even; each other
 * submission has one vote on each of its coordinates. The yardstick is the median of the others, so an honest
 * majority sets it.
 */
import { lowerMedian, type Refusal, refusal } from './checks.ts';
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

/** Agreement of each submission with all others. Long ones are compared on chunks that `seed` draws. */
export function agreements(submissions: readonly SignedPositions[], seed: number): Agreement[] {
  const inSample = chunkSample(Math.max(0, ...submissions.map(({ positions }) => positions.length)), seed);
  const votes = new Map<number, number>();
  const each = (visit: (position: number, sign: number, i: number) => void) => {
    submissions.forEach(({ positions, negative }, i) => {
      positions.forEach((position, at) => {
        if (inSample(position >>> 12)) visit(position, negative[at] === 1 ? -1 : 1, i);
      });
    });
  };
  each((position, sign) => {
    votes.set(position, (votes.get(position) ?? 0) + sign);
  });
  const same = submissions.map(() => 0);
  const shared = submissions.map(() => 0);
  each((position, sign, i) => {
    const others = (votes.get(position) ?? 0) - sign;
    if (others === 0) return;
    shared[i]++;
    if (others > 0 === sign > 0) same[i]++;
  });
  return submissions.map((_, i) => {
    const n = shared[i];
    // Agresti and Coull's interval (1998) for a share: half of DOUBT^2 successes and failures are added.
    const total = n + DOUBT ** 2;
    const share = (same[i] + DOUBT ** 2 / 2) / total;
    const most = share + DOUBT * Math.sqrt((share * (1 - share)) / total);
    return { value: n === 0 ? 0 : (2 * same[i]) / n - 1, most: 2 * most - 1, shared: n };
  });
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
  const [mine, theirs] = [own.value, median].map((value) => `${(50 * (value + 1)).toFixed(1)} %`);
  return refusal(
    'direction',
    `${mine} of ${own.shared} shared signs are those of the others, median ${theirs}`,
  );
}
