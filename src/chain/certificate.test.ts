/** The chain of certificates: what passes, and every way not to. */
import { beforeAll, describe, expect, test } from 'vitest';
import { compareBytes } from '../protocol/bytes.ts';
import {
  buildCertificateBody,
  certify,
  type ChainHead,
  checkAnchor,
  checkCertificate,
  genesisHead,
  type Outcome,
} from './certificate.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import type { Identity } from '../protocol/identity.ts';
import { JOIN_WINDOW } from '../protocol/limits.ts';
import type { CertificateBody, MessageOf } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import type { Run } from './run.ts';
import { testJoin, testRun } from './testing.ts';

const RUN = testHash('run');
let validators: Identity[];
let run: Run;

beforeAll(async () => {
  validators = (await Promise.all(['v0', 'v1', 'v2', 'v3'].map(testIdentity))).sort((a, b) =>
    compareBytes(a.publicKey, b.publicKey),
  );
  run = testRun(
    testManifest(
      testHash('organizer'),
      validators.map(({ publicKey }, i) => ({ key: publicKey, weight: [3, 1, 1, 1][i] })),
    ),
  );
});

function outcome(round: number, baseRoot: Uint8Array, contributors = 3): Outcome {
  const accepted = Array.from({ length: contributors }, (_, i) => ({
    contributor: testHash(`contributor ${i}`),
    claim: testHash(`${round} ${i}`),
    units: 512,
    weight: 1024 - i,
  }));
  const refused = [{ contributor: testHash('bad'), reason: 'norm' as const }];
  return { round, baseRoot, accepted, refused, passedOver: [], joined: [], audits: [] };
}

function bodyAfter(head: ChainHead, round: number): CertificateBody {
  return buildCertificateBody(run, head, outcome(round, head.root), testHash(`root ${round}`));
}

const check = (certificate: MessageOf<'certificate'>, head = genesisHead(run)) =>
  checkCertificate(certificate, run, head);

test('a chain of certificates, with rounds left out, leads from the manifest to its head', async () => {
  let head = genesisHead(run);
  expect(head).toEqual({
    height: 0,
    hash: RUN,
    root: run.manifest.genesis.root,
    round: -1,
    issued: 0,
    joinBits: run.manifest.admission.joinBits,
    joinBases: [{ certificate: RUN, bits: run.manifest.admission.joinBits, joined: 0 }],
  });
  for (const round of [0, 1, 4, 5]) {
    const checked = await check(await certify(bodyAfter(head, round), validators), head);
    if (!checked.ok) throw new Error(checked.detail);
    const next = checked.certificate.head;
    expect(next).toMatchObject({ height: head.height + 1, root: testHash(`root ${round}`), round });
    expect(next.issued).toBe(head.issued + run.manifest.credits.perRound);
    expect(checked.certificate.body.previous).toEqual(head.hash);
    head = next;
  }
});

test('accepted work is listed by contributor, whatever the order of the outcome', () => {
  const head = genesisHead(run);
  const one = outcome(0, head.root, 5);
  const other = { ...one, accepted: [...one.accepted].reverse() };
  const bytesOf = (of: Outcome) => encodeCanonical(buildCertificateBody(run, head, of, testHash('r')));
  expect(bytesOf(other)).toEqual(bytesOf(one));
});

test('what one machine noted beside an outcome does not get into a body', () => {
  const head = genesisHead(run);
  const plain = {
    ...outcome(3, head.root),
    audits: [{ contributor: testHash('a'), round: 1, outcome: 'passed' as const }],
  };
  const note = { code: 'replayed', figures: { work: 0.1 } };
  const noted = {
    ...plain,
    refused: plain.refused.map((entry) => ({ ...entry, note })),
    audits: plain.audits.map((entry) => ({ ...entry, note })),
  };
  const bytesOf = (of: Outcome) => encodeCanonical(buildCertificateBody(run, head, of, testHash('r')));
  expect(bytesOf(noted)).toEqual(bytesOf(plain));
});

test('an outcome without accepted work, newcomers and audits, or about another state, cannot be certified', () => {
  const head = genesisHead(run);
  const root = testHash('r');
  const empty = { ...outcome(0, head.root), accepted: [] };
  expect(() => buildCertificateBody(run, head, empty, root)).toThrow('accepted and admitted nobody');
  const elsewhere = outcome(0, testHash('elsewhere'));
  expect(() => buildCertificateBody(run, head, elsewhere, root)).toThrow('another state');
});

describe('joining', () => {
  const newcomer = testHash('newcomer');
  const join = (head: ChainHead, contributor = newcomer) => testJoin(run, head, contributor);
  const after = async (head: ChainHead, round: number, joined: Outcome['joined']) => {
    const body = buildCertificateBody(run, head, { ...outcome(round, head.root, 0), joined }, head.root);
    const checked = await check(await certify(body, validators), head);
    if (!checked.ok) throw new Error(`${checked.reason}: ${checked.detail}`);
    return checked.certificate.head;
  };

  test('newcomers alone are a certificate; it issues nothing and keeps the state', async () => {
    const head = genesisHead(run);
    const next = await after(head, 0, [await join(head)]);
    expect(next).toMatchObject({ height: 1, round: 0, root: head.root, issued: 0 });
    expect(next.hash).not.toEqual(head.hash);
  });

  test('so is the outcome of an audit alone', async () => {
    const head = await after(genesisHead(run), 0, [await join(genesisHead(run))]);
    const audits = [{ contributor: newcomer, round: 0, outcome: 'passed' as const }];
    const body = buildCertificateBody(run, head, { ...outcome(1, head.root, 0), audits }, head.root);
    expect(await check(await certify(body, validators), head)).toMatchObject({
      ok: true,
      certificate: {
        body: { accepted: [], joined: [], credits: [], audits },
        head: { height: 2, issued: 0 },
      },
    });
  });

  test('work done over another certificate, or by another key, is none', async () => {
    const head = genesisHead(run);
    const entry = await join(head);
    const next = await after(head, 0, [entry]);
    const stolen = [{ ...entry, contributor: testHash('thief') }];
    await expect(after(next, 1, [entry])).rejects.toThrow('join: ');
    await expect(after(head, 0, stolen)).rejects.toThrow('join: ');
    await expect(after(head, 0, [{ ...entry, age: 1 }])).rejects.toThrow('join: ');
  });

  test('work over any of the eight newest certificates counts, and no older', async () => {
    const entry = await join(genesisHead(run), testHash('slow'));
    let head = genesisHead(run);
    for (let round = 0; round < JOIN_WINDOW - 1; round++)
      head = await after(head, round, [await join(head, testHash(`quick ${round}`))]);
    expect(head.joinBases).toHaveLength(JOIN_WINDOW);
    const late = { ...entry, age: JOIN_WINDOW - 1 };
    await expect(after(head, 7, [{ ...late, age: 0 }])).rejects.toThrow('join: ');
    await after(head, 7, [late]);
    head = await after(head, 7, [await join(head, testHash('quick 7'))]);
    expect(head.joinBases).toHaveLength(JOIN_WINDOW);
    await expect(after(head, 8, [late])).rejects.toThrow('join: ');
  });

  test('each more that joins changes the beacon', async () => {
    const head = genesisHead(run);
    const first = await join(head);
    const both = [first, await join(head, testHash('another'))];
    expect((await after(head, 0, [first])).hash).not.toEqual((await after(head, 0, both)).hash);
  });

  test('the work rises under lasting load, one bit in eight certificates, and falls back to the floor', async () => {
    const { joinBits, joinTarget } = run.manifest.admission;
    let head = genesisHead(run);
    const crowd = (round: number, n: number) =>
      Promise.all(Array.from({ length: n }, (_, i) => join(head, testHash(`round ${round} newcomer ${i}`))));
    const bits: number[] = [];
    for (let round = 0; round < 4 * JOIN_WINDOW; round++) {
      head = await after(head, round, await crowd(round, round < 2 * JOIN_WINDOW ? joinTarget + 1 : 1));
      bits.push(head.joinBits - joinBits);
    }
    const held = (n: number, times: number) => new Array<number>(times).fill(n);
    expect(bits).toEqual([...held(0, 7), ...held(1, 8), ...held(2, 8), ...held(1, 8), 0]);
  });
});

describe('quorum: more than 2/3 of weight 3 + 1 + 1 + 1', () => {
  test.each([
    [[0, 1, 2, 3], null],
    [[0, 1, 2], null],
    [[0, 1], 'quorum'], // exactly 4 of 6
    [[1, 2, 3], 'quorum'],
    [[0], 'quorum'],
  ] as const)('validators %j: %s', async (signers, problem) => {
    const body = bodyAfter(genesisHead(run), 0);
    const certificate = await certify(
      body,
      signers.map((i) => validators[i]),
    );
    const checked = await check(certificate);
    expect(checked.ok ? null : checked.reason).toBe(problem);
    const anchor = await checkAnchor(certificate, run);
    expect(anchor.ok ? null : anchor.reason).toBe(problem);
  });

  test('the same signature twice does not count twice', async () => {
    const certificate = await certify(bodyAfter(genesisHead(run), 0), [validators[0]]);
    const [signature] = certificate.signatures;
    const doubled = { ...certificate, signatures: [signature, signature] as typeof certificate.signatures };
    expect(await check(doubled)).toMatchObject({ ok: false, reason: 'malformed' });
  });

  test('strangers and forged signatures', async () => {
    const body = bodyAfter(genesisHead(run), 0);
    const stranger = await certify(body, [...validators, await testIdentity('stranger')]);
    expect(await check(stranger)).toMatchObject({ ok: false, reason: 'signature' });
    const other = await certify({ ...body, round: 7 }, validators);
    const certificate = await certify(body, validators);
    expect(await check({ ...certificate, signatures: other.signatures })).toMatchObject({
      reason: 'signature',
    });
  });
});

describe('refused although a quorum signed it', () => {
  const cases: [string, (body: CertificateBody) => CertificateBody, string][] = [
    ['another run', (b) => ({ ...b, run: testHash('other') }), 'other-run'],
    ['a height too far', (b) => ({ ...b, height: 2 }), 'gap'],
    ['height 0', (b) => ({ ...b, height: 0 }), 'fork'],
    ['another predecessor', (b) => ({ ...b, previous: testHash('x') }), 'broken-chain'],
    ['another state to start from', (b) => ({ ...b, baseRoot: testHash('x') }), 'broken-chain'],
    ['credits moved between contributors', (b) => ({ ...b, credits: swap(b.credits) }), 'credits'],
    ['credits left out', (b) => ({ ...b, credits: b.credits.slice(1) }), 'credits'],
    ['a false total', (b) => ({ ...b, issued: 5 }), 'credits'],
    ['contributors out of order', (b) => ({ ...b, accepted: [...b.accepted].reverse() }), 'malformed'],
    [
      'a contributor twice',
      (b) => ({ ...b, accepted: [b.accepted[0], b.accepted[0]] as typeof b.accepted }),
      'malformed',
    ],
    ['nobody accepted, nobody joined', (b) => ({ ...b, accepted: [], credits: [] }), 'malformed'],
    [
      'a join without its work',
      (b) => ({ ...b, joined: [{ contributor: testHash('lazy'), nonce: 0, age: 0 }] }),
      'join',
    ],
    ['a difficulty off the rule', (b) => ({ ...b, joinBits: b.joinBits + 1 }), 'join'],
    ['an audit of its own round', (b) => ({ ...b, audits: [audit(b.round)] }), 'malformed'],
    ['two audits of one contributor', (b) => ({ ...b, round: 5, audits: [audit(1), audit(2)] }), 'malformed'],
  ];
  const audit = (round: number) => ({
    contributor: testHash('audited'),
    round,
    outcome: 'passed' as const,
  });
  const swap = (credits: CertificateBody['credits']) =>
    credits.map((c, i) => ({ ...c, amount: credits[(i + 1) % credits.length].amount }));

  test.each(cases)('%s', async (_, change, reason) => {
    const body = change(bodyAfter(genesisHead(run), 0));
    expect(await check(await certify(body, validators))).toMatchObject({ ok: false, reason });
  });

  test('a round that does not follow', async () => {
    const first = await check(await certify(bodyAfter(genesisHead(run), 3), validators));
    if (!first.ok) throw new Error(first.detail);
    const again = bodyAfter(first.certificate.head, 3);
    expect(await check(await certify(again, validators), first.certificate.head)).toMatchObject({
      reason: 'broken-chain',
    });
  });

  test('an old one is told apart from a fork', async () => {
    const body = bodyAfter(genesisHead(run), 0);
    const certificate = await certify(body, validators);
    const first = await check(certificate);
    if (!first.ok) throw new Error(first.detail);
    const { head } = first.certificate;
    expect(await check(certificate, head)).toMatchObject({ reason: 'old' });
    const twin = { ...body, root: testHash('another future') };
    expect(await check(await certify(twin, validators), head)).toMatchObject({ reason: 'fork' });
    // Without a quorum it proves nothing.
    expect(await check(await certify(twin, validators.slice(0, 1)), head)).toMatchObject({
      reason: 'quorum',
    });
  });

  test('bodies that are no bodies', async () => {
    const { signatures } = await certify(bodyAfter(genesisHead(run), 0), validators);
    for (const body of [new Uint8Array(0), encodeCanonical({}), encodeCanonical([1]), testHash('noise')]) {
      expect(await check({ kind: 'certificate', body, signatures })).toMatchObject({ reason: 'malformed' });
    }
  });
});
