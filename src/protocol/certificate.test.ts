/** The chain of certificates: what passes, and every way not to. */
import { beforeAll, describe, expect, test } from 'vitest';
import { compareBytes } from './bytes.ts';
import {
  buildCertificateBody,
  certify,
  type ChainHead,
  checkAnchor,
  checkCertificate,
  genesisHead,
} from './certificate.ts';
import { encodeCanonical } from './codec.ts';
import type { Identity } from './identity.ts';
import type { Manifest } from './manifest.ts';
import type { CertificateBody, MessageOf } from './messages.ts';
import { testHash, testIdentity, testManifest } from './testing.ts';

const RUN = testHash('run');
let validators: Identity[];
let manifest: Manifest;

beforeAll(async () => {
  validators = (await Promise.all(['v0', 'v1', 'v2', 'v3'].map(testIdentity))).sort((a, b) =>
    compareBytes(a.publicKey, b.publicKey),
  );
  manifest = testManifest(
    testHash('organizer'),
    validators.map(({ publicKey }, i) => ({ key: publicKey, weight: [3, 1, 1, 1][i] })),
  );
});

function verdict(round: number, baseRoot: Uint8Array, contributors = 3): MessageOf<'verdict'> {
  const accepted = Array.from({ length: contributors }, (_, i) => ({
    contributor: testHash(`contributor ${i}`),
    submission: { hash: testHash(`${round} ${i}`), size: 100 },
    tokens: 512,
    innerSteps: 1,
    weight: 1024 - i,
  }));
  const refused = [{ contributor: testHash('bad'), reason: 'norm' as const, detail: 'norm 9' }];
  return { kind: 'verdict', run: RUN, round, baseRoot, accepted, refused, scores: [] };
}

function bodyAfter(head: ChainHead, round: number): CertificateBody {
  const parts = { root: testHash(`root ${round}`), heldOutLoss: 5, time: 1_000_000_000 + round };
  return buildCertificateBody({ manifest, head, verdict: verdict(round, head.root), ...parts });
}

const check = (certificate: MessageOf<'certificate'>, head = genesisHead(manifest, RUN)) =>
  checkCertificate(certificate, manifest, RUN, head);

test('a chain of certificates, with rounds left out, leads from the manifest to its head', async () => {
  let head = genesisHead(manifest, RUN);
  expect(head).toEqual({ height: 0, hash: RUN, root: manifest.genesis.root, round: -1, issued: 0 });
  for (const round of [0, 1, 4, 5]) {
    const checked = await check(await certify(bodyAfter(head, round), validators), head);
    if (!checked.ok) throw new Error(checked.detail);
    const next = checked.certificate.head;
    expect(next).toMatchObject({ height: head.height + 1, root: testHash(`root ${round}`), round });
    expect(next.issued).toBe(head.issued + manifest.credits.perRound);
    expect(checked.certificate.body.previous).toEqual(head.hash);
    head = next;
  }
});

test('accepted work is listed by contributor, whatever the order of the verdict', () => {
  const head = genesisHead(manifest, RUN);
  const one = verdict(0, head.root, 5);
  const other = { ...one, accepted: [...one.accepted].reverse() };
  const parts = { manifest, head, root: testHash('r'), heldOutLoss: 5, time: 1 };
  const bytes = encodeCanonical(buildCertificateBody({ ...parts, verdict: one }));
  expect(encodeCanonical(buildCertificateBody({ ...parts, verdict: other }))).toEqual(bytes);
});

test('a verdict without accepted work, or about another state, cannot be certified', () => {
  const head = genesisHead(manifest, RUN);
  const parts = { manifest, head, root: testHash('r'), heldOutLoss: 5, time: 1 };
  expect(() =>
    buildCertificateBody({ ...parts, verdict: { ...verdict(0, head.root), accepted: [] } }),
  ).toThrow('accepted nothing');
  expect(() => buildCertificateBody({ ...parts, verdict: verdict(0, testHash('elsewhere')) })).toThrow(
    'another state',
  );
});

describe('quorum: more than 2/3 of weight 3 + 1 + 1 + 1', () => {
  test.each([
    [[0, 1, 2, 3], null],
    [[0, 1, 2], null],
    [[0, 1], 'quorum'], // exactly 4 of 6
    [[1, 2, 3], 'quorum'],
    [[0], 'quorum'],
  ] as const)('validators %j: %s', async (signers, problem) => {
    const body = bodyAfter(genesisHead(manifest, RUN), 0);
    const certificate = await certify(
      body,
      signers.map((i) => validators[i]),
    );
    const checked = await check(certificate);
    expect(checked.ok ? null : checked.reason).toBe(problem);
    const anchor = await checkAnchor(certificate, manifest, RUN);
    expect(anchor.ok ? null : anchor.reason).toBe(problem);
  });

  test('the same signature twice does not count twice', async () => {
    const certificate = await certify(bodyAfter(genesisHead(manifest, RUN), 0), [validators[0]]);
    const [signature] = certificate.signatures;
    const doubled = { ...certificate, signatures: [signature, signature] as typeof certificate.signatures };
    expect(await check(doubled)).toMatchObject({ ok: false, reason: 'malformed' });
  });

  test('strangers and forged signatures', async () => {
    const body = bodyAfter(genesisHead(manifest, RUN), 0);
    const stranger = await certify(body, [...validators, await testIdentity('stranger')]);
    expect(await check(stranger)).toMatchObject({ ok: false, reason: 'signature' });
    const other = await certify({ ...body, time: 7 }, validators);
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
    ['nobody accepted', (b) => ({ ...b, accepted: [], credits: [] }), 'malformed'],
  ];
  const swap = (credits: CertificateBody['credits']) =>
    credits.map((c, i) => ({ ...c, amount: credits[(i + 1) % credits.length].amount }));

  test.each(cases)('%s', async (_, change, reason) => {
    const body = change(bodyAfter(genesisHead(manifest, RUN), 0));
    expect(await check(await certify(body, validators))).toMatchObject({ ok: false, reason });
  });

  test('a round that does not follow', async () => {
    const first = await check(await certify(bodyAfter(genesisHead(manifest, RUN), 3), validators));
    if (!first.ok) throw new Error(first.detail);
    const again = bodyAfter(first.certificate.head, 3);
    expect(await check(await certify(again, validators), first.certificate.head)).toMatchObject({
      reason: 'broken-chain',
    });
  });

  test('an old one is told apart from a fork', async () => {
    const body = bodyAfter(genesisHead(manifest, RUN), 0);
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
    const { signatures } = await certify(bodyAfter(genesisHead(manifest, RUN), 0), validators);
    for (const body of [new Uint8Array(0), encodeCanonical({}), encodeCanonical([1]), testHash('noise')]) {
      expect(await check({ kind: 'certificate', body, signatures })).toMatchObject({ reason: 'malformed' });
    }
  });
});
