/** Head, ledger and members go forward together, and only with the certificate that is next. */
import { beforeAll, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { solveJoin } from '../protocol/join.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { buildCertificateBody, certify, checkCertificate, genesisHead, type Outcome } from './certificate.ts';
import { foldLedger } from './ledger.ts';
import { admits, advance, type ChainState, genesisState } from './state.ts';
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
    const nothing = { accepted: [], refused: [], joined: [], audits: [] };
    const outcome = { round: head.round + 1, baseRoot: head.root, ...nothing, ...change };
    const message = await certify(buildCertificateBody(run, head, outcome, head.root), [validator]);
    const checked = await checkCertificate(message, run, head);
    if (!checked.ok) throw new Error(checked.detail);
    return advance(run, state, checked.certificate);
  };
  const start = genesisState(run);
  const challenge = { run: run.id, certificate: start.head.hash, contributor: newcomer };
  const nonce = await solveJoin(challenge, start.head.joinBits);
  const joined = await next(start, { joined: [{ contributor: newcomer, nonce }] });
  expect([0, 1, 5].map((round) => admits(run, joined, newcomer, round))).toEqual([false, true, true]);
  expect([...joined.members.keys()]).toEqual([toHex(newcomer)]);
  const failed = await next(joined, { audits: [{ contributor: newcomer, round: 0, outcome: 'failed' }] });
  expect(admits(run, failed, newcomer, 2)).toBe(false);
  expect(failed.ledger.accounts.get(toHex(newcomer))?.auditsFailed).toBe(1);
});
