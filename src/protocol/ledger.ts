/**
 * Credits: how many a round issues, how they are split, and who has earned what.
 *
 * Everything is integer micro-credits and a pure fold over the chain of certificates, so that any peer recomputes any
 * balance from the public chain alone. No superlinear bonus: two small devices earn what one large one does.
 */
import { compareBytes, toHex } from './bytes.ts';
import type { Manifest } from './manifest.ts';
import type { CertificateBody, RefusalReason } from './messages.ts';

export interface CreditEntry {
  readonly contributor: Uint8Array;
  /** Micro-credits. */
  readonly amount: number;
}

export interface WeightedWork {
  readonly contributor: Uint8Array;
  readonly weight: number;
}

/** Micro-credits that the next certified round issues, after `issued` so far, and how often the emission halved. */
export function emissionAt(manifest: Manifest, issued: number): { amount: number; halvings: number } {
  const { perRound, total } = manifest.credits;
  const left = Math.max(0, total - issued);
  let halvings = 0;
  // 53 halvings bring every safe integer below one, so the loop is bounded whatever the manifest says.
  while (halvings < 53 && left <= total / 2 ** (halvings + 1)) halvings++;
  return { amount: Math.min(Math.floor(perRound / 2 ** halvings), left), halvings };
}

/**
 * Splits a round's emission by weight, in the order of `accepted`. Integers by the largest-remainder method: the parts
 * sum to the emission exactly, and leftover units go to the largest remainders, ties to the smaller key.
 */
export function creditsFor(
  manifest: Manifest,
  issuedSoFar: number,
  accepted: readonly WeightedWork[],
): CreditEntry[] {
  const { amount } = emissionAt(manifest, issuedSoFar);
  return split(amount, accepted);
}

function split(amount: number, accepted: readonly WeightedWork[]): CreditEntry[] {
  // BigInt: amount x weight may pass 2^53.
  const whole = BigInt(amount);
  const total = accepted.reduce((sum, entry) => sum + BigInt(entry.weight), 0n);
  if (total === 0n) return accepted.map(({ contributor }) => ({ contributor, amount: 0 }));
  const parts = accepted.map(({ contributor, weight }) => {
    const exact = whole * BigInt(weight);
    return { contributor, amount: exact / total, remainder: exact % total };
  });
  let left = whole - parts.reduce((sum, part) => sum + part.amount, 0n);
  const order = [...parts].sort((a, b) =>
    a.remainder === b.remainder
      ? compareBytes(a.contributor, b.contributor)
      : a.remainder > b.remainder
        ? -1
        : 1,
  );
  for (const part of order) {
    if (left === 0n) break;
    part.amount += 1n;
    left -= 1n;
  }
  return parts.map((part) => ({ contributor: part.contributor, amount: Number(part.amount) }));
}

export interface Account {
  readonly contributor: Uint8Array;
  readonly credits: number;
  /** Submissions accepted and refused, tokens of the accepted ones. */
  readonly accepted: number;
  readonly refused: number;
  readonly tokens: number;
  /** Round of the last entry. */
  readonly lastRound: number;
}

export interface Ledger {
  readonly height: number;
  /** Micro-credits issued so far; the sum of all accounts' credits. */
  readonly issued: number;
  /** By hex key. */
  readonly accounts: ReadonlyMap<string, Account>;
}

export const emptyLedger = (): Ledger => ({ height: 0, issued: 0, accounts: new Map() });

/**
 * The ledger after a certificate. The body must have passed checkCertificate (certificate.ts); throws RangeError when
 * it is not the next one, since a hole in the chain would silently lose somebody's credits.
 */
export const applyToLedger = (ledger: Ledger, body: CertificateBody): Ledger => foldLedger([body], ledger);

/** Folds a chain of checked certificate bodies onto a ledger, which itself stays as it is. */
export function foldLedger(bodies: Iterable<CertificateBody>, from: Ledger = emptyLedger()): Ledger {
  const accounts = new Map(from.accounts);
  let { height, issued } = from;
  for (const body of bodies) {
    if (body.height !== height + 1 || body.issued !== issued) {
      throw new RangeError(
        `ledger at height ${height} (issued ${issued}) got height ${body.height} (issued ${body.issued})`,
      );
    }
    const change = (contributor: Uint8Array, update: (old: Account) => Partial<Account>) => {
      const id = toHex(contributor);
      const old = accounts.get(id) ?? {
        contributor,
        credits: 0,
        accepted: 0,
        refused: 0,
        tokens: 0,
        lastRound: 0,
      };
      accounts.set(id, { ...old, ...update(old), lastRound: body.round });
    };
    for (const { contributor, tokens } of body.accepted) {
      change(contributor, (old) => ({ accepted: old.accepted + 1, tokens: old.tokens + tokens }));
    }
    for (const { contributor } of body.refused) change(contributor, (old) => ({ refused: old.refused + 1 }));
    for (const { contributor, amount } of body.credits) {
      change(contributor, (old) => ({ credits: old.credits + amount }));
      issued += amount;
    }
    height = body.height;
  }
  return { height, issued, accounts };
}

/** What a contributor got in a round and why, or why nothing. */
export type CreditDerivation =
  | {
      readonly outcome: 'accepted';
      readonly amount: number;
      readonly emission: number;
      readonly halvings: number;
      readonly weight: number;
      readonly totalWeight: number;
      readonly tokens: number;
      readonly text: string;
    }
  | { readonly outcome: 'refused'; readonly amount: 0; readonly reason: RefusalReason; readonly text: string }
  | { readonly outcome: 'absent'; readonly amount: 0; readonly text: string };

/** Derives one contributor's credits in a certified round from the certificate and the manifest alone. */
export function explainCredits(
  manifest: Manifest,
  body: CertificateBody,
  contributor: Uint8Array,
): CreditDerivation {
  const id = toHex(contributor);
  const work = body.accepted.find((entry) => toHex(entry.contributor) === id);
  if (work !== undefined) {
    const emission = emissionAt(manifest, body.issued);
    const totalWeight = body.accepted.reduce((sum, entry) => sum + entry.weight, 0);
    const amount = body.credits.find((entry) => toHex(entry.contributor) === id)?.amount ?? 0;
    return {
      outcome: 'accepted',
      amount,
      emission: emission.amount,
      halvings: emission.halvings,
      weight: work.weight,
      totalWeight,
      tokens: work.tokens,
      text:
        `Round ${body.round} issued ${emission.amount} micro-credits; your ${work.tokens} tokens had weight ` +
        `${work.weight} of ${totalWeight}: ${amount}.`,
    };
  }
  const refusal = body.refused.find((entry) => toHex(entry.contributor) === id);
  if (refusal !== undefined) {
    return {
      outcome: 'refused',
      amount: 0,
      reason: refusal.reason,
      text: `Round ${body.round} refused your submission (${refusal.reason}): ${refusal.detail}`,
    };
  }
  return { outcome: 'absent', amount: 0, text: `Round ${body.round} lists no submission of yours.` };
}
