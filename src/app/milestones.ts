/** Milestones of a contributor: thresholds that its account in the chain has passed, and when. Nobody can claim one. */
import type { Account } from '../chain/ledger.ts';
import type { Milestone, MilestoneKind } from './picture-state.ts';

const MILLION = 1e6;
/** Micro-credits in a credit. */
const CREDIT = 1e6;

export const THRESHOLDS: Readonly<Record<MilestoneKind, readonly number[]>> = {
  accepted: [1, 10, 100, 1000, 10_000, 100_000],
  tokens: [MILLION, 10 * MILLION, 100 * MILLION, 1e9, 1e10, 1e11],
  credits: [CREDIT, 10 * CREDIT, 100 * CREDIT, 1000 * CREDIT, 10_000 * CREDIT],
};

type Counts = Pick<Account, 'accepted' | 'credits'> & { readonly tokens: number };
const KINDS = ['accepted', 'tokens', 'credits'] as const satisfies MilestoneKind[];

/** The milestones with those that the certificate of `round` added. One reached stays reached, forfeits or not. */
export function withMilestones(
  reached: readonly Milestone[],
  account: Counts,
  round: number,
  at: number,
): readonly Milestone[] {
  const added = KINDS.flatMap((kind) =>
    THRESHOLDS[kind]
      .filter((threshold) => account[kind] >= threshold)
      .filter((threshold) => !reached.some((m) => m.kind === kind && m.threshold === threshold))
      .map((threshold) => ({ kind, threshold, round, at })),
  );
  return added.length === 0 ? reached : [...reached, ...added];
}

export interface NextMilestone {
  readonly kind: MilestoneKind;
  readonly threshold: number;
  /** Share of the way, 0 to 1. */
  readonly share: number;
}

/** The next of each kind. */
export function nextMilestones(account: Counts): NextMilestone[] {
  return KINDS.flatMap((kind) => {
    const threshold = THRESHOLDS[kind].find((t) => account[kind] < t);
    return threshold === undefined ? [] : [{ kind, threshold, share: account[kind] / threshold }];
  });
}
