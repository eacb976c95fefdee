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
import { compareBytes, toHex } from './bytes.ts';
import type { CreditRules, Manifest } from './manifest.ts';
import type { AuditEntry, CertificateBody, RefusalReason } from './messages.ts';

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
  /** Submissions accepted and refused, tokens of the accepted ones. */
  readonly accepted: number;
  readonly refused: number;
  readonly tokens: number;
  readonly auditsPassed: number;
  readonly auditsFailed: number;
  /** Has passed an audit, and failed none since. */
  readonly proven: boolean;
  /** Round of the last entry. */
  readonly lastRound: number;
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

const newAccount = (contributor: Uint8Array): Account => ({
  contributor,
  credits: 0,
  vested: 0,
  provisional: 0,
  forfeited: 0,
  awards: [],
  accepted: 0,
  refused: 0,
  tokens: 0,
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
    for (const { contributor, tokens } of body.accepted) {
      change(contributor, (old) => ({ accepted: old.accepted + 1, tokens: old.tokens + tokens }));
    }
    for (const { contributor } of body.refused) change(contributor, (old) => ({ refused: old.refused + 1 }));
    for (const { contributor, amount } of body.credits) {
      const award = { height, round: body.round, amount };
      change(contributor, (old) => withAwards(old, [...old.awards, award]));
      issued += amount;
    }
    // Audits before age: what a lie would have vested with this very certificate is still provisional.
    for (const audit of body.audits) change(audit.contributor, (old) => afterAudit(old, audit));
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
    return { ...vested, auditsPassed: account.auditsPassed + 1, proven: true };
  }
  return {
    ...withAwards(account, []),
    forfeited: account.forfeited + account.provisional,
    auditsFailed: account.auditsFailed + 1,
    proven: false,
  };
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

/**
 * Derives one contributor's credits in a certified round, and what its audits do to earlier ones, from the certificate
 * and the manifest alone.
 */
export function explainCredits(
  manifest: Manifest,
  body: CertificateBody,
  contributor: Uint8Array,
): CreditDerivation {
  const derived = explainRound(manifest, body, contributor);
  const id = toHex(contributor);
  const audit = body.audits.find((entry) => toHex(entry.contributor) === id);
  return audit === undefined ? derived : { ...derived, text: `${derived.text} ${explainAudit(audit)}` };
}

function explainAudit({ round, outcome, detail }: AuditEntry): string {
  if (outcome === 'passed')
    return `Your work of round ${round} was replayed and is what you said: credits up to it are vested.`;
  return `The audit of your work of round ${round} failed (${detail}): all provisional credits are forfeited.`;
}

function explainRound(manifest: Manifest, body: CertificateBody, contributor: Uint8Array): CreditDerivation {
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
        `${work.weight} of ${totalWeight}: ${amount}, provisional until height ` +
        `${body.height + manifest.credits.vestRounds} or a passed audit` +
        ((manifest.gauntlet.auditsPerRound ?? 0) > 0
          ? '; as long as audits are held, at least until your first one.'
          : '.'),
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
  if (body.joined.some((entry) => toHex(entry.contributor) === id))
    return {
      outcome: 'absent',
      amount: 0,
      text: `Round ${body.round} admitted you: work counts from now on.`,
    };
  return { outcome: 'absent', amount: 0, text: `Round ${body.round} lists no submission of yours.` };
}
