/** What the cheap checks see of honest work only: how near it comes to their limits. */
import { agreements } from '../src/gauntlet/agreement.ts';
import type { Inspected } from '../src/gauntlet/inspect.ts';
import { mosaicShare, movedShare } from '../src/gauntlet/overlap.ts';
import { overlap } from '../src/sparseloco/stats.ts';

export interface Signals {
  /** Greatest share of positions that two of a round have in common, and one with one of the round before. */
  readonly overlap: number;
  readonly overlapWithLast: number;
  /** Greatest share in common chunk by chunk with all others, and of chunks found elsewhere in another. */
  readonly mosaic: number;
  readonly movedChunks: number;
  /** Least agreement of signs with the others, as a share of the round's median. */
  readonly agreement: number;
}

/** Of one round's honest submissions; `last`: those of the round before. */
export function signalsOf(round: readonly Inspected[], last: readonly Inspected[]): Signals {
  const most = (measure: (own: Inspected, others: readonly Inspected[]) => number) =>
    Math.max(
      ...round.map((own) =>
        measure(
          own,
          round.filter((other) => other !== own),
        ),
      ),
    );
  const values = agreements(round, 0).map(({ value }) => value);
  const median = [...values].sort((a, b) => a - b)[values.length >> 1];
  return {
    overlap: most((own, others) => Math.max(...others.map((other) => overlap(own, other)))),
    overlapWithLast: most((own) => Math.max(0, ...last.map((other) => overlap(own, other)))),
    mosaic: most(mosaicShare),
    movedChunks: most((own, others) => Math.max(...others.map((other) => movedShare(own, other, 0)))),
    agreement: Math.min(...values) / median,
  };
}
