/** Who stands where: leaderboard, teams and the own account, from a ledger that this tab has folded itself. */
import { toHex } from '../protocol/bytes.ts';
import { type Account, awaitsAudit, explainCredits, type Ledger } from '../chain/ledger.ts';
import type { CreditRules } from '../protocol/manifest.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import type { ShownProfile } from '../protocol/profile-book.ts';
import { teamKey } from '../protocol/profile.ts';
import type { BoardEntry, CreditShare, Standing, TeamEntry } from './picture-state.ts';

/** Lines kept for the page; the own one is kept wherever it stands. */
const BOARD = 20;
const TEAMS = 20;
const FORFEITED = 200;

type Profiles = { get(contributor: string): ShownProfile | null };

const ranked = (ledger: Ledger): [string, Account][] =>
  [...ledger.accounts].sort(([a, x], [b, y]) => y.credits - x.credits || (a < b ? -1 : 1));

export function boardOf(ledger: Ledger, profiles: Profiles, own: string): BoardEntry[] {
  return ranked(ledger)
    .filter(([contributor], i) => i < BOARD || contributor === own)
    .map(([contributor, { credits, accepted }]) => {
      const { name = '', team = '' } = profiles.get(contributor) ?? {};
      return { contributor, name, team, credits, accepted };
    });
}

/** Teams by the sum of their members' credits. A member counts where its newest profile says. */
export function teamsOf(ledger: Ledger, profiles: Profiles): TeamEntry[] {
  const teams = new Map<string, TeamEntry>();
  // The richest member's spelling names the team.
  for (const [contributor, { credits, accepted }] of ranked(ledger)) {
    const team = profiles.get(contributor)?.team ?? '';
    if (team === '') continue;
    const key = teamKey(team);
    const known = teams.get(key) ?? { team, members: 0, credits: 0, accepted: 0 };
    teams.set(key, {
      team: known.team,
      members: known.members + 1,
      credits: known.credits + credits,
      accepted: known.accepted + accepted,
    });
  }
  return [...teams.values()]
    .sort((a, b) => b.credits - a.credits || (a.team < b.team ? -1 : 1))
    .slice(0, TEAMS);
}

/** What a certificate says of one key, the account apart. */
type Mentions = Pick<CertificateBody, 'round' | 'audits' | 'joined'>;

/**
 * The own account after a certificate; `before` tells which provisional credits are gone since, `body` whether this
 * certificate admitted or audited.
 */
export function standingOf(
  ledger: Ledger,
  own: string,
  rules: CreditRules,
  before: Standing,
  body: Mentions,
): Standing {
  const isOwn = ({ contributor }: { readonly contributor: Uint8Array }) => toHex(contributor) === own;
  const audit = body.audits.find(isOwn);
  const lastAudit =
    audit === undefined ? before.lastAudit : { round: audit.round, outcome: audit.outcome, note: null };
  const { vestRounds } = rules;
  const admittedRound = body.joined.some(isOwn) ? body.round : before.admittedRound;
  const account = ledger.accounts.get(own);
  if (account === undefined)
    return { ...before, of: ledger.accounts.size, vestRounds, lastAudit, admittedRound };
  const provisionalRounds = account.awards.map(({ round }) => round);
  const gone = before.provisionalRounds.filter((round) => !provisionalRounds.includes(round));
  const failed = account.auditsFailed > before.auditsFailed;
  let above = 0;
  for (const other of ledger.accounts.values()) if (other.credits > account.credits) above++;
  return {
    rank: above + 1,
    of: ledger.accounts.size,
    vested: account.vested,
    provisional: account.provisional,
    forfeited: account.forfeited,
    tokens: account.units,
    provisionalRounds,
    forfeitedRounds: failed ? [...before.forfeitedRounds, ...gone].slice(-FORFEITED) : before.forfeitedRounds,
    auditsPassed: account.auditsPassed,
    auditsFailed: account.auditsFailed,
    lastAudit,
    admittedRound,
    vestRounds,
    awaitsAudit: awaitsAudit(ledger, account, rules),
  };
}

/** How a contributor's credits in a certified round came about; null when nothing of its was accepted. */
export function creditShare(
  rules: CreditRules,
  body: CertificateBody,
  contributor: Uint8Array,
): CreditShare | null {
  const derived = explainCredits(rules, body, contributor);
  if (derived.outcome !== 'accepted') return null;
  const { weight, totalWeight, emission, halvings } = derived;
  const rank = 1 + body.accepted.filter((entry) => entry.weight > weight).length;
  return { rank, of: body.accepted.length, weight, totalWeight, emission, halvings };
}
