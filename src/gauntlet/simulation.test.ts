/** Properties of whole runs: the chain, the ledger, dishonest peers, catching up. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { compareBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import { certify, checkAnchor, checkCertificate, genesisHead } from '../protocol/certificate.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import type { Identity } from '../protocol/identity.ts';
import { emissionAt, foldLedger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { RefusalReason } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import {
  announce,
  fakeSubmission,
  fakeTrainer,
  honestPeer,
  joining,
  type Peer,
  Simulation,
} from './simulation.ts';

let validators: Identity[];
let manifest: Manifest;
let runId: Uint8Array;
let crowd: Identity[];

beforeAll(async () => {
  validators = (await Promise.all(['v0', 'v1', 'v2'].map(testIdentity))).sort((a, b) =>
    compareBytes(a.publicKey, b.publicKey),
  );
  const seats = validators.map(({ publicKey }) => ({ key: publicKey, weight: 1 }));
  manifest = testManifest(testHash('organizer'), seats, {
    credits: { perRound: 1_000_003, total: 3_000_000, vestRounds: 2 },
  });
  runId = sha256Sync(encodeCanonical(manifest));
  crowd = await Promise.all(Array.from({ length: 12 }, (_, i) => testIdentity(`peer ${i}`)));
});

const simulation = (trainer = fakeTrainer()) => new Simulation({ manifest, runId, validators, trainer });
const honest = (count: number): Peer[] => crowd.slice(0, count).map(honestPeer);

/** Why `peer` was refused in the round; null when accepted, undefined when not mentioned. */
function outcome(
  peer: Identity,
  { verdict }: { verdict: Awaited<ReturnType<Simulation['playRound']>>['verdict'] },
) {
  const key = toHex(peer.publicKey);
  if (verdict.accepted.some((entry) => toHex(entry.contributor) === key)) return null;
  return verdict.refused.find((entry) => toHex(entry.contributor) === key)?.reason;
}

/** A peer that does one thing wrong. */
const deviant = (identity: Identity, act: Peer['act']): Peer => ({ identity, act });

test('any mix of rounds, some of them empty: the chain checks, balances sum to the emission, roots follow', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(12), { minLength: 1, maxLength: 6 }), async (sizes) => {
      const run = simulation();
      for (const [round, size] of sizes.entries()) {
        const result = await run.playRound(round, honest(size));
        expect(result.verdict.accepted).toHaveLength(size);
        expect(result.certificate === null).toBe(size === 0);
        expect(result.problems).toEqual([]);
      }
      // Anybody catches up from any height with the public chain alone, and ends with the same ledger.
      for (let from = 0; from <= run.chain.length; from++) {
        let head = genesisHead(manifest, runId);
        if (from > 0) {
          const anchor = await checkAnchor(run.chain[from - 1], manifest, runId);
          if (!anchor.ok) throw new Error(anchor.detail);
          head = anchor.certificate.head;
        }
        for (const certificate of run.chain.slice(from)) {
          const checked = await checkCertificate(certificate, manifest, runId, head);
          if (!checked.ok) throw new Error(checked.detail);
          head = checked.certificate.head;
        }
        expect(head).toEqual(run.head);
      }
      expect(foldLedger(run.bodies, manifest.credits)).toEqual(run.ledger);
      let emitted = 0;
      for (const _ of run.bodies) emitted += emissionAt(manifest, emitted).amount;
      const balances = [...run.ledger.accounts.values()].reduce((sum, account) => sum + account.credits, 0);
      expect(balances).toBe(emitted);
      expect(run.ledger.issued).toBe(emitted);
    }),
    { numRuns: 20 },
  );
});

describe('dishonest and unlucky peers among six honest ones', () => {
  const victimOf = (): Identity => crowd[0];
  let odd: Identity;
  beforeAll(async () => {
    odd = await testIdentity('odd one out');
  });

  const submit =
    (change: Parameters<typeof fakeSubmission>[3], claim: { tokens?: number } = {}): Peer['act'] =>
    async (view) => {
      const bytes = fakeSubmission(odd.publicKey, view.round, view.head.root, change);
      const { commit, reveal } = await announce(odd, view, {
        bytes,
        tokens: claim.tokens ?? 512,
        innerSteps: 1,
      });
      const say = [
        { at: view.commitUntil - 1, bytes: commit },
        { at: view.revealUntil - 1, bytes: reveal },
      ];
      return { say, serve: [bytes] };
    };

  const cases: [string, () => Peer['act'], RefusalReason | null | undefined][] = [
    ['in the last millisecond', () => submit({}), null],
    ['a norm far out', () => submit({ norm: 11 }), 'norm'],
    ['a norm just inside', () => submit({ norm: 9.9 }), null],
    ['an empty update', () => submit({ norm: 0 }), 'norm'],
    ['a norm that is no number', () => submit({ norm: Number.NaN }), 'not-finite'],
    ['an infinite norm', () => submit({ norm: Number.POSITIVE_INFINITY }), 'not-finite'],
    ['a step that makes things worse', () => submit({ quality: -0.1 }), 'loss'],
    ['more tokens than its steps have', () => submit({}, { tokens: 513 }), 'malformed'],
    ['a copy of an earlier support', () => submit({ support: victimOf().publicKey }), 'copy'],
    [
      'a commit after the deadline',
      () => async (view) => {
        const { say, serve } = await submit({})(view);
        return { say: say.map((d, i) => (i === 0 ? { ...d, at: view.commitUntil } : d)), serve };
      },
      'late',
    ],
    [
      'a reveal after the deadline',
      () => async (view) => {
        const { say, serve } = await submit({})(view);
        return { say: say.map((d, i) => (i === 1 ? { ...d, at: view.revealUntil } : d)), serve };
      },
      'late',
    ],
    [
      'silent after its commit',
      () => async (view) => {
        const { say, serve } = await submit({})(view);
        return { say: say.slice(0, 1), serve };
      },
      'not-revealed',
    ],
    [
      'revealed and not served',
      () => async (view) => ({ ...(await submit({})(view)), serve: [] }),
      'not-revealed',
    ],
    [
      'two different commits',
      () => async (view) => {
        const one = await submit({})(view);
        const other = await submit({ support: testHash('other') })(view);
        return { say: [...one.say, ...other.say], serve: [...one.serve, ...other.serve] };
      },
      'duplicate',
    ],
    [
      'the same commit and reveal five times',
      () => async (view) => {
        const { say, serve } = await submit({})(view);
        return { say: [...say, ...say, ...say, ...say, ...say], serve };
      },
      null,
    ],
    [
      'a commit from another state',
      () => async (view) => submit({})({ ...view, head: { ...view.head, root: testHash('elsewhere') } }),
      'state',
    ],
    [
      "last round's messages again",
      () => async (view) => ({
        say: view.heard.map((bytes) => ({ at: view.commitUntil - 1, bytes })),
        serve: [],
      }),
      undefined,
    ],
    [
      "the victim's own commit and reveal, under another name",
      () => async (view) => {
        const { bytes } = await view.trainer.train(victimOf().publicKey, view.round, view.head);
        const { commit, reveal } = await announce(odd, view, { bytes, tokens: 512, innerSteps: 1 });
        // Even first in line, ahead of the victim.
        const say = [
          { at: view.startsAt, bytes: commit },
          { at: view.commitUntil, bytes: reveal },
        ];
        return { say, serve: [] };
      },
      'malformed',
    ],
    [
      'noise instead of envelopes',
      () => async (view) => ({
        say: Array.from({ length: 50 }, (_, i) => ({ at: view.startsAt + i, bytes: testHash(i) })),
        serve: [],
      }),
      undefined,
    ],
    [
      'bytes too large',
      () => async (view) => {
        const bytes = new Uint8Array(5000);
        const { commit, reveal } = await announce(odd, view, { bytes, tokens: 512, innerSteps: 1 });
        const at = view.commitUntil - 1;
        return {
          say: [
            { at, bytes: commit },
            { at, bytes: reveal },
          ],
          serve: [bytes],
        };
      },
      'too-large',
    ],
  ];

  test.each(cases)('%s', async (_, make, expected) => {
    const run = simulation();
    await run.playRound(0, honest(6));
    const result = await run.playRound(1, [...honest(6), deviant(odd, make())]);
    expect(outcome(odd, result)).toBe(expected);
    // Nobody honest pays for it.
    for (const peer of crowd.slice(0, 6)) expect(outcome(peer, result)).toBe(null);
    expect(run.ledger.height).toBe(2);
  });
});

test('more good work than a certificate holds: a lot decides, the rest hears why', async () => {
  const small = { ...manifest, gauntlet: { ...manifest.gauntlet, maxAccepted: 5 } };
  const run = new Simulation({ manifest: small, runId, validators, trainer: fakeTrainer() });
  const winners = new Set<string>();
  for (let round = 0; round < 8; round++) {
    const { verdict } = await run.playRound(round, honest(12));
    expect(verdict.accepted).toHaveLength(5);
    expect(verdict.refused.map((entry) => entry.reason)).toEqual(new Array(7).fill('capacity'));
    for (const entry of verdict.accepted) winners.add(toHex(entry.contributor));
  }
  expect(winners.size).toBe(12);
});

test('a certificate with a wrong root, or signed by too few, stops no honest peer', async () => {
  const run = simulation();
  await run.playRound(0, honest(3));
  const head = genesisHead(manifest, runId);
  const [body] = run.bodies as [(typeof run.bodies)[0]];
  const few = await certify(body, validators.slice(0, 2));
  expect(await checkCertificate(few, manifest, runId, head)).toMatchObject({ reason: 'quorum' });
  // A quorum may certify any root; each peer finds out by applying the listed submissions itself.
  const wrong = await certify({ ...body, root: testHash('wrong') }, validators);
  const checked = await checkCertificate(wrong, manifest, runId, head);
  expect(checked.ok && checked.certificate.head.root).not.toEqual(run.head.root);
  // And what follows the true chain does not fit behind the wrong one.
  await run.playRound(1, honest(3));
  if (!checked.ok) throw new Error(checked.detail);
  const next = await checkCertificate(run.chain[1], manifest, runId, checked.certificate.head);
  expect(next).toMatchObject({ reason: 'broken-chain' });
});

test('proof of work: who never trains on its own text is refused after some twenty rounds, until it does', async () => {
  const [idler, ...others] = crowd.slice(0, 6);
  const turns = 60;
  const before = [5, 4.5, 5.5, 5.2];
  const after = (gain: number) => before.map((loss, i) => loss - gain - 0.001 * i);
  // Other people's text helps the own as often more as less than any other text; from round 40 on it works.
  const luck = (round: number) => (round >= 40 || testHash(`luck ${round}`)[0] % 2 === 0 ? 0.01 : -0.01);
  const trainer = fakeTrainer({
    evaluate: (round) => async (candidate) => {
      const foreign = toHex(candidate.contributor) === toHex(idler.publicKey);
      const assigned = 0.1 + (foreign ? luck(round) : 0.05);
      return { unassigned: { before, after: after(0.1) }, assigned: { before, after: after(assigned) } };
    },
  });
  const run = simulation(trainer);
  const peers = [idler, ...others].map(honestPeer);
  const fate: (string | null | undefined)[] = [];
  for (let round = 0; round < turns; round++) {
    const result = await run.playRound(round, peers);
    fate.push(outcome(idler, result));
    for (const other of others) expect(outcome(other, result)).toBe(null);
  }
  // Ten measurements say nothing yet; luck may hold for some more.
  expect(fate.slice(0, 10).every((reason) => reason === null)).toBe(true);
  const first = fate.indexOf('work');
  expect(first).toBeGreaterThanOrEqual(10);
  expect(first).toBeLessThan(30);
  expect(fate.slice(30, 40).every((reason) => reason === 'work')).toBe(true);
  expect(fate.at(-1)).toBe(null);
});

test('1,000 peers, three rounds, a third of them dishonest', async () => {
  const peers = await Promise.all(Array.from({ length: 1000 }, (_, i) => testIdentity(`many ${i}`)));
  const big = { ...manifest, gauntlet: { ...manifest.gauntlet, maxAccepted: 64 } };
  const trainer = fakeTrainer();
  const run = new Simulation({ manifest: big, runId, validators, trainer });
  const victim = peers[0];
  const roles = peers.map((identity, i) => {
    if (i % 3 !== 1) return honestPeer(identity);
    return deviant(identity, async (view) => {
      const wrong = [{ norm: 100 }, { quality: -1 }, { support: victim.publicKey }, { norm: Number.NaN }][
        i % 4
      ];
      const bytes = fakeSubmission(identity.publicKey, view.round, view.head.root, wrong);
      const { commit, reveal } = await announce(identity, view, { bytes, tokens: 512, innerSteps: 1 });
      return {
        say: [
          { at: view.commitUntil - 1, bytes: commit },
          { at: view.commitUntil, bytes: reveal },
        ],
        serve: [bytes],
      };
    });
  });
  const dishonest = new Set(peers.filter((_, i) => i % 3 === 1).map((peer) => toHex(peer.publicKey)));
  for (let round = 0; round < 3; round++) {
    const { verdict } = await run.playRound(round, roles);
    expect(verdict.accepted).toHaveLength(64);
    expect(verdict.refused).toHaveLength(64);
    const bad = verdict.accepted.filter((entry) => dishonest.has(toHex(entry.contributor)));
    // A copy is only seen as one beside its original, which the lot may have left out; then there is one at most.
    expect(bad.length).toBeLessThanOrEqual(1);
    for (const { contributor, reason } of verdict.refused) {
      if (!dishonest.has(toHex(contributor))) expect(reason).toBe('capacity');
    }
  }
  expect(run.head.height).toBe(3);
});

describe('admission and audits', () => {
  const zeroRoot = testHash('zero');
  const carry = { before: zeroRoot, accepted: zeroRoot, refused: zeroRoot };
  const nothing = new Float32Array(1);
  const state = { error: nothing, moment1: nothing, moment2: nothing, step: 0 };
  let rules: Manifest;
  beforeAll(() => {
    rules = {
      ...manifest,
      admission: { joinBits: 2, joinTarget: 16, idleRounds: 50 },
      gauntlet: { ...manifest.gauntlet, auditsPerRound: 2 },
      credits: { perRound: 1000, total: 1e6, vestRounds: 50 },
    };
  });

  /** Joins whenever it is not a member, and answers audits or not. */
  const member = (identity: Identity, answers = true): Peer => ({
    identity,
    async act(view) {
      if (!view.isMember(identity.publicKey)) return joining(identity, view);
      const work = await view.trainer.train(identity.publicKey, view.round, view.head);
      const { commit, reveal } = await announce(identity, view, { ...work, carry });
      return {
        say: [
          { at: view.commitUntil - 1, bytes: commit },
          { at: view.commitUntil, bytes: reveal },
        ],
        serve: [work.bytes],
      };
    },
    answer: async () => (answers ? { before: null, after: state } : null),
  });
  const play = async (rounds: number, peers: readonly Peer[], liars: ReadonlySet<string> = new Set()) => {
    const run = new Simulation({
      manifest: rules,
      runId,
      validators,
      trainer: fakeTrainer(),
      admission: true,
      auditor: {
        zeroRoot,
        judge: async ({ work }) => {
          const lied = liars.has(toHex(work.contributor));
          return { outcome: lied ? 'failed' : 'passed', detail: lied ? 'made up' : 'as claimed' };
        },
      },
    });
    const results = [];
    for (let round = 0; round < rounds; round++) results.push(await run.playRound(round, peers));
    return { run, results };
  };

  test('the first certificate admits, the second has work; honest credits are all vested by audits', async () => {
    const { run, results } = await play(
      8,
      crowd.slice(0, 4).map((identity) => member(identity)),
    );
    expect(results[0].verdict).toMatchObject({ accepted: [], joined: { length: 4 } });
    for (const { verdict } of results.slice(1)) expect(verdict.accepted).toHaveLength(4);
    for (const account of run.ledger.accounts.values()) {
      expect(account.auditsFailed).toBe(0);
      expect(account.auditsPassed).toBeGreaterThan(0);
      expect(account.vested).toBeGreaterThan(0);
    }
  });

  test('who is alone and failed an audit is audited again, and goes on once it passed', async () => {
    const [identity] = crowd;
    let silences = 2;
    const peer = member(identity);
    const forgetful: Peer = {
      ...peer,
      answer: async (round) => (silences-- > 0 ? null : ((await peer.answer?.(round)) ?? null)),
    };
    const { run, results } = await play(8, [forgetful]);
    const outcomes = results.map(({ certificate, verdict }) => [
      certificate === null ? 'nothing' : 'certified',
      verdict.refused[0]?.reason ?? (verdict.accepted.length > 0 ? 'accepted' : 'joined'),
    ]);
    expect(outcomes).toEqual([
      ['certified', 'joined'],
      ['certified', 'accepted'], // audited, and silent
      ['certified', 'accepted'], // which this certificate says; once more
      ['certified', 'joined'],
      ['certified', 'joined'], // a failed audit ends membership
      ['nothing', 'on-trial'], // audited all the same
      ['certified', 'on-trial'], // for the outcome's sake
      ['certified', 'accepted'],
    ]);
    const account = run.ledger.accounts.get(toHex(identity.publicKey));
    expect(account).toMatchObject({ auditsFailed: 2 });
    expect(account?.credits).toBeGreaterThan(0);
  });

  test('a liar and one that does not answer keep nothing, join again, and are audited first each time', async () => {
    const [liar, mute, ...honest] = crowd.slice(0, 8);
    const peers = [member(liar), member(mute, false), ...honest.map((identity) => member(identity))];
    const { run } = await play(20, peers, new Set([toHex(liar.publicKey)]));
    const account = (identity: Identity) => run.ledger.accounts.get(toHex(identity.publicKey));
    for (const identity of [liar, mute]) {
      expect(account(identity)?.auditsFailed).toBeGreaterThan(3);
      expect(account(identity)?.vested).toBe(0);
      // At most what it got since its last audit.
      expect(account(identity)?.credits).toBeLessThan((account(honest[0])?.credits ?? 0) / 4);
    }
    for (const identity of honest) expect(account(identity)).toMatchObject({ auditsFailed: 0, forfeited: 0 });
    const total = [...run.ledger.accounts.values()].reduce((sum, a) => sum + a.credits + a.forfeited, 0);
    expect(total).toBe(run.ledger.issued);
  });
});
