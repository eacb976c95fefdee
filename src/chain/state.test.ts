/** Head, ledger and members go forward together, and only with the certificate that is next. */
import { beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { nextJoinBases } from '../protocol/join.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import {
  bodyHash,
  buildCertificateBody,
  certify,
  type ChainHead,
  checkCertificate,
  genesisHead,
  type Outcome,
} from './certificate.ts';
import { foldLedger } from './ledger.ts';
import { admits, advance, type ChainState, genesisState } from './state.ts';
import { testJoin, testRun } from './testing.ts';
import { SignedChain } from './testing-follower.ts';

let chain: SignedChain;
beforeAll(async () => {
  chain = await SignedChain.create(4);
});

test('begins with the manifest', () => {
  const state = genesisState(chain.run);
  expect(state.head).toEqual(genesisHead(chain.run));
  expect(state.ledger).toMatchObject({ height: 0, issued: 0 });
  expect(state.members.size).toBe(0);
});

test('head and ledger are those of all certificates so far; the old state stays as it was', () => {
  const before = structuredClone(chain.states[2]);
  expect(advance(chain.run, chain.states[2], chain.links[2].checked)).toEqual(chain.states[3]);
  expect(chain.states[2]).toEqual(before);
  expect(chain.state.head).toEqual(chain.links[3].checked.head);
  const bodies = chain.links.map(({ checked }) => checked.body);
  expect(chain.state.ledger).toEqual(foldLedger(bodies, chain.run.manifest.credits));
});

test('a certificate that is not the next is refused, whichever it is', () => {
  for (let at = 0; at < chain.states.length; at++)
    for (let link = 0; link < chain.links.length; link++) {
      if (link === at) continue;
      expect(() => advance(chain.run, chain.states[at], chain.links[link].checked)).toThrow(
        `the certificate of height ${link + 1} does not follow height ${at}`,
      );
    }
});

test('who joined is admitted to the rounds after, until a failed audit', async () => {
  const { run } = chain;
  const newcomer = testHash('newcomer');
  const validator = await testIdentity('validator');
  const next = async (state: ChainState, change: Partial<Outcome>): Promise<ChainState> => {
    const { head } = state;
    const nothing = { accepted: [], refused: [], passedOver: [], joined: [], audits: [] };
    const outcome = { round: head.round + 1, baseRoot: head.root, ...nothing, ...change };
    const message = await certify(buildCertificateBody(run, head, outcome, head.root), [validator]);
    const checked = await checkCertificate(message, run, head);
    if (!checked.ok) throw new Error(checked.detail);
    return advance(run, state, checked.certificate);
  };
  const start = genesisState(run);
  const joined = await next(start, { joined: [await testJoin(run, start.head, newcomer)] });
  expect([0, 1, 5].map((round) => admits(run, joined, newcomer, round))).toEqual([false, true, true]);
  expect([...joined.members.keys()]).toEqual([toHex(newcomer)]);
  const waiting = await next(joined, {
    accepted: [{ contributor: testHash('other'), claim: testHash('claim'), units: 1, weight: 1 }],
    refused: [{ contributor: newcomer, reason: 'on-trial' }],
  });
  const audits = [{ contributor: newcomer, round: 1, outcome: 'failed' as const }];
  const failed = await next(waiting, { audits });
  expect(admits(run, failed, newcomer, 3)).toBe(false);
  expect(failed.ledger.accounts.get(toHex(newcomer))?.auditsFailed).toBe(1);
});

describe('a chain that strangers and passers-by write to', () => {
  const admission = { joinBits: 0, joinTarget: 256, idleRounds: 3 };
  const run = testRun(testManifest(testHash('organizer'), [], { admission }));
  const member = testHash('member');

  async function next(state: ChainState, change: Partial<Outcome>): Promise<ChainState> {
    const { head } = state;
    const nothing = { accepted: [], refused: [], passedOver: [], joined: [], audits: [] };
    const outcome = { round: head.round + 1, baseRoot: head.root, ...nothing, ...change };
    const body = buildCertificateBody(run, head, outcome, head.root);
    const hash = bodyHash(encodeCanonical(body));
    const newest = { certificate: hash, bits: body.joinBits, joined: body.joined.length };
    const after: ChainHead = {
      ...head,
      height: body.height,
      hash,
      round: body.round,
      issued: head.issued + body.credits.reduce((sum, { amount }) => sum + amount, 0),
      joinBases: nextJoinBases(newest, head.joinBases),
    };
    return advance(run, state, {
      body,
      head: after,
      message: { kind: 'certificate', body: hash, signatures: [] },
    });
  }
  const work = { contributor: member, claim: testHash('claim'), units: 1, weight: 1 };

  test('refuses a certificate that refuses somebody who did not join, and opens no account', async () => {
    let state = await next(genesisState(run), { joined: [await testJoin(run, genesisHead(run), member)] });
    const refused = [{ contributor: testHash('stranger'), reason: 'not-member' as const }];
    await expect(next(state, { accepted: [work], refused })).rejects.toThrow('which was no member');
    await expect(next(state, { accepted: [work], passedOver: [testHash('stranger')] })).rejects.toThrow(
      'no member',
    );
    const again = [await testJoin(run, state.head, member)];
    await expect(next(state, { joined: again })).rejects.toThrow('a member');
    const audits = [{ contributor: testHash('stranger'), round: 0, outcome: 'passed' as const }];
    state = await next(state, { accepted: [work], audits });
    expect([...state.ledger.accounts.keys()]).toEqual([toHex(member)]);
  });

  test('keeps no account for ever of who joined, sent rubbish and left', async () => {
    let state = genesisState(run);
    let most = 0;
    for (let round = 0; round < 20; round++) {
      const joined = await Promise.all(
        Array.from({ length: 8 }, (_one, i) =>
          testJoin(run, state.head, testHash(`${round} passer-by ${i}`)),
        ),
      );
      if (round === 0) joined.push(await testJoin(run, state.head, member));
      const last = Array.from({ length: round === 0 ? 0 : 8 }, (_one, i) => ({
        contributor: testHash(`${round - 1} passer-by ${i}`),
        reason: 'malformed' as const,
      }));
      state = await next(state, { accepted: round === 0 ? [] : [work], refused: last, joined });
      most = Math.max(most, state.ledger.accounts.size);
    }
    expect(most).toBeLessThanOrEqual(1 + 8 * (admission.idleRounds + 2));
    for (let round = 0; round < 5; round++) state = await next(state, { accepted: [work] });
    expect([...state.ledger.accounts.keys()]).toEqual([toHex(member)]);
    expect([...state.members.keys()]).toEqual([toHex(member)]);
    expect(state.ledger.accounts.get(toHex(member))).toMatchObject({ accepted: 24 });
  });
});
