/**
 * The ledger as the HTTP interface shows it: sorted and summed once a certificate, handed out in pages, so that no number of
 * accounts makes a request expensive.
 */
import type { Ledger } from '../chain/ledger.ts';

export interface AccountView {
  readonly contributor: string;
  /** Micro-credits: vested and provisional ones together, and what failed audits took back. */
  readonly credits: number;
  readonly vested: number;
  readonly provisional: number;
  readonly forfeited: number;
  readonly auditsPassed: number;
  readonly auditsFailed: number;
  readonly accepted: number;
  readonly refused: number;
  readonly tokens: number;
}

export interface AccountTotals {
  readonly accounts: number;
  readonly accepted: number;
  readonly refused: number;
  readonly tokens: number;
}

interface Summary {
  /** Most credits first. */
  readonly sorted: readonly AccountView[];
  readonly totals: AccountTotals;
}

/** Accounts in one answer. */
export const MAX_ACCOUNTS = 1000;
/** Of the status, which is asked for every few seconds. */
export const TOP_ACCOUNTS = 20;

/** A ledger is a value: the next certificate makes another one, and this one is forgotten with it. */
const summaries = new WeakMap<Ledger, Summary>();

function summaryOf(ledger: Ledger): Summary {
  const known = summaries.get(ledger);
  if (known !== undefined) return known;
  const sorted = [...ledger.accounts]
    .map(
      ([contributor, { units: tokens, ...a }]): AccountView => ({
        contributor,
        credits: a.credits,
        vested: a.vested,
        provisional: a.provisional,
        forfeited: a.forfeited,
        auditsPassed: a.auditsPassed,
        auditsFailed: a.auditsFailed,
        accepted: a.accepted,
        refused: a.refused,
        tokens,
      }),
    )
    .sort((a, b) => b.credits - a.credits || (a.contributor < b.contributor ? -1 : 1));
  const sum = (of: (account: AccountView) => number): number => sorted.reduce((n, one) => n + of(one), 0);
  const made = {
    sorted,
    totals: {
      accounts: sorted.length,
      accepted: sum((a) => a.accepted),
      refused: sum((a) => a.refused),
      tokens: sum((a) => a.tokens),
    },
  };
  summaries.set(ledger, made);
  return made;
}

/** Accounts by credits, from place `from` (0 is first), at most {@link MAX_ACCOUNTS}. */
export const accountsPage = (ledger: Ledger, from: number, most: number): readonly AccountView[] =>
  summaryOf(ledger).sorted.slice(from, from + Math.min(most, MAX_ACCOUNTS));

export const accountTotals = (ledger: Ledger): AccountTotals => summaryOf(ledger).totals;
