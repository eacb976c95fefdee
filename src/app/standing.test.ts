/** Leaderboard, teams, own account and milestones, from a chain that was really signed and folded. */
import { beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { emptyLedger, foldLedger, type Ledger } from '../chain/ledger.ts';
import type { Identity } from '../protocol/identity.ts';
import { testChain, type TestChain } from '../chain/testing.ts';
import { testIdentity } from '../protocol/testing.ts';
import { nextMilestones, withMilestones } from './milestones.ts';
import { NO_STANDING } from './picture-state.ts';
import { boardOf, creditShare, standingOf, teamsOf } from './standing.ts';

let ada: Identity;
let own: string;
let chain: TestChain;
let ledger: Ledger;

beforeAll(async () => {
  ada = await testIdentity('ada');
  own = toHex(ada.publicKey);
  chain = await testChain(ada, { rounds: 12, without: [0], refused: [7] });
  ledger = foldLedger(
    chain.certificates.map(({ body }) => body),
    chain.run.manifest.credits,
    emptyLedger(),
  );
});

const silent = { round: 11, audits: [], joined: [] };

const named = (names: Readonly<Record<string, readonly [string, string]>>) => ({
  get: (key: string) => {
    const found = names[key];
    return found === undefined ? null : { name: found[0], team: found[1] };
  },
});

describe('a round’s credits', () => {
  it('are the share of the weights times what the round issued', () => {
    for (const { body } of chain.certificates) {
      const share = creditShare(chain.run.manifest.credits, body, ada.publicKey);
      const paid = body.credits.find(({ contributor }) => toHex(contributor) === own)?.amount;
      if (share === null) {
        expect(paid).toBeUndefined();
        continue;
      }
      expect(share.of).toBe(body.accepted.length);
      expect(Math.abs((share.emission * share.weight) / share.totalWeight - (paid ?? 0))).toBeLessThan(1);
      expect(share.rank).toBe(1 + body.accepted.filter(({ weight }) => weight > share.weight).length);
    }
  });
});

describe('standing', () => {
  it('splits credits into vested and provisional ones that name their rounds', () => {
    const { vestRounds } = chain.run.manifest.credits;
    const standing = standingOf(ledger, own, chain.run.manifest.credits, NO_STANDING, silent);
    expect(standing.vested + standing.provisional).toBe(chain.account(ada.publicKey)?.credits);
    expect(standing.provisionalRounds).toEqual(
      [1, 2, 3, 4, 5, 6, 8, 9, 10, 11].filter((round) => round + 1 + vestRounds > 12),
    );
    expect(standing.of).toBe(3);
  });

  it('says when credits wait for the first passed audit', () => {
    const waits = (change: Partial<Ledger>) =>
      standingOf({ ...ledger, ...change }, own, chain.run.manifest.credits, NO_STANDING, silent).awaitsAudit;
    expect(waits({})).toBe(false);
    expect(waits({ lastAudit: ledger.height })).toBe(true);
    expect(waits({ lastAudit: ledger.height - chain.run.manifest.credits.vestRounds })).toBe(false);
  });

  it('remembers which rounds a failed audit took', () => {
    const account = ledger.accounts.get(own);
    if (account === undefined) throw new Error('no account');
    const before = { ...NO_STANDING, provisionalRounds: [9, 10, 11] };
    const after = {
      ...ledger,
      accounts: new Map([[own, { ...account, awards: [], provisional: 0, forfeited: 7, auditsFailed: 1 }]]),
    };
    const failed = {
      ...silent,
      round: 12,
      audits: [{ contributor: ada.publicKey, round: 9, outcome: 'failed' as const }],
    };
    expect(standingOf(after, own, chain.run.manifest.credits, before, failed)).toMatchObject({
      lastAudit: { round: 9, outcome: 'failed', note: null },
      forfeitedRounds: [9, 10, 11],
      provisionalRounds: [],
      forfeited: 7,
    });
  });
});

it('says which certificate admitted the key, also before it has an account', () => {
  const admitting = { ...silent, round: 3, joined: [{ contributor: ada.publicKey, nonce: 1, age: 0 }] };
  const rules = chain.run.manifest.credits;
  const admitted = standingOf(emptyLedger(), own, rules, NO_STANDING, admitting);
  expect(admitted).toMatchObject({ admittedRound: 3, rank: null });
  expect(standingOf(emptyLedger(), own, rules, admitted, silent).admittedRound).toBe(3);
});

describe('leaderboard', () => {
  it('shows names beside keys, and the own line wherever it stands', () => {
    const many = new Map(
      Array.from({ length: 30 }, (_, i) => {
        const account = { ...ledger.accounts.get(own)!, credits: 1000 - i };
        return [i === 25 ? own : `key ${String(i).padStart(2, '0')}`, account] as const;
      }),
    );
    const board = boardOf({ ...ledger, accounts: many }, named({ [own]: ['Ada', 'Moss'] }), own);
    expect(board).toHaveLength(21);
    expect(board.at(-1)).toMatchObject({ contributor: own, name: 'Ada', team: 'Moss', credits: 975 });
    expect(board[0].name).toBe('');
  });

  it('adds teams up whatever the capitals, and nobody is in two', () => {
    const [a, b, c] = [...ledger.accounts.keys()];
    const teams = teamsOf(ledger, named({ [a]: ['', 'Moss'], [b]: ['', 'MOSS'], [c]: ['C', ''] }));
    const credits = [a, b].reduce((sum, key) => sum + (ledger.accounts.get(key)?.credits ?? 0), 0);
    expect(teams).toHaveLength(1);
    expect(teams[0]).toMatchObject({ members: 2, credits });
  });
});

it('milestones come once, in the round that reached them, and the next ones say how far it is', () => {
  let reached = withMilestones([], { accepted: 1, tokens: 4096, credits: 300_000 }, 4, 100);
  expect(reached).toEqual([{ kind: 'accepted', threshold: 1, round: 4, at: 100 }]);
  reached = withMilestones(reached, { accepted: 12, tokens: 1_200_000, credits: 300_000 }, 20, 200);
  expect(reached.slice(1)).toEqual([
    { kind: 'accepted', threshold: 10, round: 20, at: 200 },
    { kind: 'tokens', threshold: 1e6, round: 20, at: 200 },
  ]);
  const same = withMilestones(reached, { accepted: 13, tokens: 1_300_000, credits: 0 }, 21, 300);
  expect(same).toBe(reached);
  expect(nextMilestones({ accepted: 13, tokens: 1_300_000, credits: 250_000 })).toEqual([
    { kind: 'accepted', threshold: 100, share: 0.13 },
    { kind: 'tokens', threshold: 1e7, share: 0.13 },
    { kind: 'credits', threshold: 1e6, share: 0.25 },
  ]);
});
