/**
 * Credits: how many a round issues, how they are split, and who has earned what.
 *
 * Everything is integer micro-credits and a pure fold over the chain of certificates, so that any peer recomputes any
 * balance from the public chain alone. No superlinear bonus: two small devices earn what one large one does.
 *
 * Credits are provisional at first: a failed audit forfeits all that are. They vest as soon as an audit of their round or
 * a later one passes, or after a number of certificates. Where audits are held, the latter is only for who has passed one:
 * else a liar could come, be paid before its turn, leave, and let what it got vest.
 */
import { compareBytes, toHex } from '../protocol/bytes.ts';
import type { AuditEntry, CertificateBody, RefusalReason } from '../protocol/messages.ts';
import type { CreditRules } from '../protocol/manifest.ts';
import { isPassedOver } from '../protocol/passed-over.ts';

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
export function emissionAt(
  { perRound, total }: CreditRules,
  issued: number,
): { amount: number; halvings: number } {
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
  rules: CreditRules,
  issuedSoFar: number,
  accepted: readonly WeightedWork[],
): CreditEntry[] {
  const { amount } = emissionAt(rules, issuedSoFar);
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

/** Credits of one certificate that are provisional still. */
export interface Award {
  readonly height: number;
  readonly round: number;
  readonly amount: number;
}

export interface Account {
  readonly contributor: Uint8Array;
  /** Micro-credits it has: vested and provisional ones. */
  readonly credits: number;
  readonly vested: number;
  readonly provisional: number;
  /** Micro-credits that failed audits took back; nobody else gets them. */
  readonly forfeited: number;
  /** What `provisional` is made of, oldest first. */
  readonly awards: readonly Award[];
  /** Rounds of accepted and of refused work, and units of the accepted ones (tokens in pre-training). */
  readonly accepted: number;
  readonly refused: number;
  readonly units: number;
  /**
   * Rounds accepted, less what misbehaviour cost: a refusal that only a liar gets costs all of them, a step that makes the
   * model worse half; a failed audit makes it -1 until one is passed. New members' weight rises with it.
   */
  readonly verified: number;
  readonly auditsPassed: number;
  readonly auditsFailed: number;
  /** Has passed an audit, and failed none since. */
  readonly proven: boolean;
  /** Round of the last entry. */
  readonly lastRound: number;
}

/** Refusals that only a dishonest or broken sender gets, whatever its luck. */
const LIES: ReadonlySet<RefusalReason> = new Set([
  'copy',
  'direction',
  'hash-mismatch',
  'malformed',
  'norm',
  'not-finite',
]);

function afterRefusal(verified: number, reason: RefusalReason): number {
  if (LIES.has(reason)) return Math.min(0, verified);
  return reason === 'loss' ? verified >> 1 : verified;
}

export interface Ledger {
  readonly height: number;
  /** Micro-credits issued so far; the sum of all accounts' credits and of what they forfeited. */
  readonly issued: number;
  /** Height of the last certificate with the outcome of an audit; null before the first. */
  readonly lastAudit: number | null;
  /** By hex key. */
  readonly accounts: ReadonlyMap<string, Account>;
}

export const emptyLedger = (): Ledger => ({ height: 0, issued: 0, lastAudit: null, accounts: new Map() });

/** Of a contributor that the chain has not named yet. */
export const newAccount = (contributor: Uint8Array): Account => ({
  contributor,
  credits: 0,
  vested: 0,
  provisional: 0,
  forfeited: 0,
  awards: [],
  accepted: 0,
  refused: 0,
  units: 0,
  verified: 0,
  auditsPassed: 0,
  auditsFailed: 0,
  proven: false,
  lastRound: 0,
});

/**
 * The ledger after a certificate. The body must have passed checkCertificate (certificate.ts); throws RangeError when
 * it is not the next one, since a hole in the chain would silently lose somebody's credits.
 */
export const applyToLedger = (ledger: Ledger, body: CertificateBody, rules: CreditRules): Ledger =>
  foldLedger([body], rules, ledger);

/** Folds a chain of checked certificate bodies onto a ledger, which itself stays as it is. */
export function foldLedger(
  bodies: Iterable<CertificateBody>,
  rules: CreditRules,
  from: Ledger = emptyLedger(),
): Ledger {
  const accounts = new Map(from.accounts);
  let { height, issued, lastAudit } = from;
  for (const body of bodies) {
    if (body.height !== height + 1 || body.issued !== issued) {
      throw new RangeError(
        `ledger at height ${height} (issued ${issued}) got height ${body.height} (issued ${body.issued})`,
      );
    }
    const change = (contributor: Uint8Array, update: (old: Account) => Partial<Account>) => {
      const id = toHex(contributor);
      const old = accounts.get(id) ?? newAccount(contributor);
      accounts.set(id, { ...old, ...update(old), lastRound: body.round });
    };
    height = body.height;
    for (const { contributor, units } of body.accepted) {
      change(contributor, (old) => ({
        accepted: old.accepted + 1,
        units: old.units + units,
        verified: old.verified < 0 ? old.verified : old.verified + 1,
      }));
    }
    for (const { contributor, reason } of body.refused) {
      change(contributor, (old) => ({
        refused: old.refused + (reason === 'unjudged' ? 0 : 1),
        verified: afterRefusal(old.verified, reason),
      }));
    }
    for (const { contributor, amount } of body.credits) {
      const award = { height, round: body.round, amount };
      change(contributor, (old) => withAwards(old, [...old.awards, award]));
      issued += amount;
    }
    // Audits before age: what a lie would have vested with this very certificate is still provisional.
    for (const audit of body.audits)
      if (accounts.has(toHex(audit.contributor))) change(audit.contributor, (old) => afterAudit(old, audit));
    if (body.audits.length > 0) lastAudit = height;
    for (const [id, account] of accounts) {
      const oldest = account.awards[0];
      if (awaitsAudit({ height, lastAudit }, account, rules)) continue;
      if (oldest !== undefined && oldest.height + rules.vestRounds <= height)
        accounts.set(id, { ...account, ...vest(account, (a) => a.height + rules.vestRounds <= height) });
    }
  }
  return { height, issued, lastAudit, accounts };
}

/**
 * The ledger without the accounts of those who left and never had anything accepted or audited. A join costs next to
 * nothing, so what is kept for ever must have been earned.
 */
export function keepEarned(ledger: Ledger, isMember: (key: string) => boolean): Ledger {
  const earned = ({ accepted, auditsPassed, auditsFailed }: Account): boolean =>
    accepted + auditsPassed + auditsFailed > 0;
  const kept = [...ledger.accounts].filter(([key, account]) => earned(account) || isMember(key));
  return kept.length === ledger.accounts.size ? ledger : { ...ledger, accounts: new Map(kept) };
}

/**
 * Whether what an account has provisionally vests by nothing but a passed audit: it has not passed one (since it last
 * failed), and the run has held audits within the time that credits take to vest.
 */
export const awaitsAudit = (
  { height, lastAudit }: Pick<Ledger, 'height' | 'lastAudit'>,
  { proven }: Pick<Account, 'proven'>,
  { vestRounds }: CreditRules,
): boolean => !proven && lastAudit !== null && lastAudit + vestRounds > height;

function withAwards(account: Account, awards: readonly Award[], vested = account.vested): Partial<Account> {
  const provisional = awards.reduce((sum, award) => sum + award.amount, 0);
  return { awards, vested, provisional, credits: vested + provisional };
}

function vest(account: Account, ripe: (award: Award) => boolean): Partial<Account> {
  const left = account.awards.filter((award) => !ripe(award));
  const before = account.provisional;
  const after = left.reduce((sum, award) => sum + award.amount, 0);
  return withAwards(account, left, account.vested + before - after);
}

function afterAudit(account: Account, { outcome, round }: AuditEntry): Partial<Account> {
  if (outcome === 'passed') {
    const vested = vest(account, (award) => award.round <= round);
    return {
      ...vested,
      auditsPassed: account.auditsPassed + 1,
      verified: Math.max(0, account.verified),
      proven: true,
    };
  }
  return {
    ...withAwards(account, []),
    forfeited: account.forfeited + account.provisional,
    auditsFailed: account.auditsFailed + 1,
    verified: -1,
    proven: false,
  };
}

/** What a contributor got in a round and why, or why nothing. Words for it are the page's business. */
export type CreditDerivation =
  | {
      readonly outcome: 'accepted';
      /** Micro-credits: its part of the round's emission, by weight. */
      readonly amount: number;
      readonly emission: number;
      readonly halvings: number;
      readonly weight: number;
      readonly totalWeight: number;
      readonly units: number;
    }
  | { readonly outcome: 'refused'; readonly reason: RefusalReason }
  | { readonly outcome: 'joined' | 'absent' };

/** Derives one contributor's credits in a certified round from the certificate and the manifest's rules alone. */
export function explainCredits(
  rules: CreditRules,
  body: CertificateBody,
  contributor: Uint8Array,
): CreditDerivation {
  const id = toHex(contributor);
  const own = ({ contributor: key }: { readonly contributor: Uint8Array }): boolean => toHex(key) === id;
  const work = body.accepted.find(own);
  if (work !== undefined) {
    const { amount: emission, halvings } = emissionAt(rules, body.issued);
    return {
      outcome: 'accepted',
      amount: body.credits.find(own)?.amount ?? 0,
      emission,
      halvings,
      weight: work.weight,
      totalWeight: body.accepted.reduce((sum, entry) => sum + entry.weight, 0),
      units: work.units,
    };
  }
  const refusal = body.refused.find(own);
  if (refusal !== undefined) return { outcome: 'refused', reason: refusal.reason };
  if (isPassedOver(body.passedOver, contributor)) return { outcome: 'refused', reason: 'capacity' };
  return { outcome: body.joined.some(own) ? 'joined' : 'absent' };
}
