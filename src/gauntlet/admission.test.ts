/** Membership over a chain, the box of joins, and that nobody knows its data before membership closed. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { buildCertificateBody, bodyHash, type ChainHead, genesisHead } from '../protocol/certificate.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { solveJoin } from '../protocol/join.ts';
import { MAX_JOINED } from '../protocol/limits.ts';
import type { CertificateBody, JoinedEntry, MessageOf } from '../protocol/messages.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { assignmentSeed } from '../training/assignment.ts';
import { foldMembers, isMember, JoinBox, type Members } from './admission.ts';

const RUN = testHash('run');
const manifest = testManifest(testHash('organizer'), [], {
  admission: { joinBits: 2, joinTarget: 4, idleRounds: 3 },
});
const rules = manifest.admission;
const genesis = genesisHead(manifest, RUN);
const [ana, ben] = ['ana', 'ben'].map(testHash) as [Uint8Array, Uint8Array];

const joinOver = async (head: ChainHead, contributor: Uint8Array): Promise<MessageOf<'join'>> => ({
  kind: 'join',
  run: RUN,
  certificate: head.hash,
  nonce: await solveJoin({ run: RUN, certificate: head.hash, contributor }, head.joinBits),
});

/** A body with what membership looks at. */
function body(round: number, listed: Partial<Record<'accepted' | 'refused' | 'joined', Uint8Array[]>>) {
  const work = { submission: { hash: testHash('s'), size: 1 }, tokens: 1, innerSteps: 1, weight: 1 };
  const verdict: MessageOf<'verdict'> = {
    kind: 'verdict',
    run: RUN,
    round,
    baseRoot: genesis.root,
    accepted: (listed.accepted ?? []).map((contributor) => ({ contributor, ...work })),
    refused: (listed.refused ?? []).map((contributor) => ({ contributor, reason: 'loss', detail: '' })),
    scores: [],
    joined: (listed.joined ?? []).map((contributor) => ({ contributor, nonce: 0 })),
    audits: [],
  };
  return buildCertificateBody({
    manifest,
    head: genesis,
    verdict,
    root: genesis.root,
    heldOutLoss: 5,
    time: 1,
  });
}

const fold = (bodies: CertificateBody[]): Members =>
  bodies.reduce<Members>((members, b) => foldMembers(members, b, rules), new Map());

describe('membership', () => {
  const joined = fold([body(4, { joined: [ana] })]);

  test('begins with the round after the certificate that lists the join', () => {
    expect(isMember(new Map(), ana, 5, rules)).toBe(false);
    expect(isMember(joined, ana, 4, rules)).toBe(false);
    expect(isMember(joined, ana, 5, rules)).toBe(true);
    expect(isMember(joined, ben, 5, rules)).toBe(false);
  });

  test('ends after so many idle rounds; work keeps it, accepted or not', () => {
    expect(isMember(joined, ana, 7, rules)).toBe(true);
    expect(isMember(joined, ana, 8, rules)).toBe(false);
    for (const kept of ['accepted', 'refused', 'joined'] as const) {
      const members = fold([body(4, { joined: [ana] }), body(7, { joined: [ben], [kept]: [ana] })]);
      expect(isMember(members, ana, 10, rules)).toBe(true);
    }
    const silent = fold([body(4, { joined: [ana] }), body(8, { joined: [ben] })]);
    expect([...silent.keys()]).toEqual([toHex(ben)]);
  });

  test('a refusal alone makes nobody a member', () => {
    expect(fold([body(4, { joined: [ben], refused: [ana] })]).has(toHex(ana))).toBe(false);
  });
});

describe('the box of joins', () => {
  test('takes a join once, and only with enough work over the newest certificate', async () => {
    const box = new JoinBox(RUN);
    const join = await joinOver(genesis, ana);
    expect(box.take(ana, join, genesis)).toBe('taken');
    expect(box.take(ana, join, genesis)).toBe('known');
    expect(box.take(ben, { ...join, certificate: testHash('old') }, genesis)).toBe('stale');
    expect(box.take(ben, { ...join, run: testHash('other run') }, genesis)).toBe('stale');
    expect(box.take(ben, join, { ...genesis, joinBits: 200 })).toBe('weak');
    expect(box.joined(genesis)).toEqual([{ contributor: ana, nonce: join.nonce }]);
  });

  test('empties with the next certificate, over which work must be done anew', async () => {
    const box = new JoinBox(RUN);
    const next = { ...genesis, height: 1, hash: testHash('next') };
    const join = await joinOver(genesis, ana);
    box.take(ana, join, genesis);
    expect(box.joined(next)).toEqual([]);
    expect(box.take(ana, join, next)).toBe('stale');
    expect(box.take(ana, await joinOver(next, ana), next)).toBe('taken');
  });

  test('a flood does not crowd out who does more work, and never fills more than a certificate', async () => {
    const box = new JoinBox(RUN);
    const easy = { ...genesis, joinBits: 0 };
    for (let i = 0; i < MAX_JOINED + 50; i++) {
      const receipt = box.take(testHash(`sybil ${i}`), { ...(await joinOver(easy, ana)), nonce: i }, easy);
      expect(['taken', 'full']).toContain(receipt);
    }
    const hard = await joinOver({ ...genesis, joinBits: 14 }, ben);
    expect(box.take(ben, hard, easy)).toBe('taken');
    const listed = box.joined(easy);
    expect(listed).toHaveLength(MAX_JOINED);
    expect(listed.map((entry) => toHex(entry.contributor))).toContain(toHex(ben));
  });
});

describe('data is drawn after membership closed', () => {
  let joins: JoinedEntry[];
  beforeAll(async () => {
    joins = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const contributor = testHash(`newcomer ${i}`);
        return { contributor, nonce: (await joinOver(genesis, contributor)).nonce };
      }),
    );
  });
  const seeds = (who: readonly JoinedEntry[], time = 1) => {
    const made = { ...body(0, { joined: [ana] }), joined: [...who], time };
    const beacon = bodyHash(encodeCanonical(made));
    return new Map(
      joins.map((j) => [toHex(j.contributor), toHex(assignmentSeed(RUN, 1, beacon, j.contributor))]),
    );
  };

  test('any other set of newcomers gives every one of them, and every member, other data', () => {
    const all = seeds(joins);
    fc.assert(
      fc.property(fc.subarray(joins, { maxLength: 5 }), (some) => {
        for (const [key, seed] of seeds(some)) expect(seed).not.toBe(all.get(key));
      }),
    );
  });

  test('so does another nonce of a single newcomer: it cannot hold its own data fixed', () => {
    const all = seeds(joins);
    fc.assert(
      fc.property(fc.nat(5), fc.integer({ min: 1, max: 1e9 }), (i, more) => {
        const changed = joins.map((join, at) => (at === i ? { ...join, nonce: join.nonce + more } : join));
        for (const [key, seed] of seeds(changed)) expect(seed).not.toBe(all.get(key));
      }),
    );
  });
});
