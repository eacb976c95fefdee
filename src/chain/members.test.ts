/** Membership over a chain, and that nobody knows its data before membership closed. */
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import type { CertificateBody, JoinedEntry } from '../protocol/messages.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { assignmentSeed } from '../training/assignment.ts';
import { bodyHash, buildCertificateBody, genesisHead, type Outcome } from './certificate.ts';
import { foldMembers, isMember, memberProblem, type Members } from './members.ts';
import { testJoin, testRun } from './testing.ts';

const manifest = testManifest(testHash('organizer'), [], {
  admission: { joinBits: 2, joinTarget: 4, idleRounds: 3 },
});
const run = testRun(manifest);
const rules = manifest.admission;
const genesis = genesisHead(run);
const [ana, ben] = ['ana', 'ben'].map(testHash) as [Uint8Array, Uint8Array];

/** A body with what membership looks at. */
function body(
  round: number,
  listed: Partial<
    Record<'accepted' | 'refused' | 'passedOver' | 'joined' | 'failed' | 'passed', Uint8Array[]>
  >,
) {
  const outcome: Outcome = {
    round,
    baseRoot: genesis.root,
    accepted: (listed.accepted ?? []).map((contributor) => ({
      contributor,
      claim: testHash('claim'),
      units: 1,
      weight: 1,
    })),
    refused: (listed.refused ?? []).map((contributor) => ({ contributor, reason: 'loss' })),
    passedOver: listed.passedOver ?? [],
    joined: (listed.joined ?? []).map((contributor) => ({ contributor, nonce: 0, age: 0 })),
    audits: (['failed', 'passed'] as const).flatMap((ended) =>
      (listed[ended] ?? []).map((contributor) => ({ contributor, round: 0, outcome: ended })),
    ),
  };
  return buildCertificateBody(run, genesis, outcome, genesis.root);
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
    for (const kept of ['accepted', 'refused', 'passedOver', 'joined'] as const) {
      const members = fold([body(4, { joined: [ana] }), body(7, { joined: [ben], [kept]: [ana] })]);
      expect(isMember(members, ana, 10, rules)).toBe(true);
    }
    const silent = fold([body(4, { joined: [ana] }), body(8, { joined: [ben] })]);
    expect([...silent.keys()]).toEqual([toHex(ben)]);
  });

  test('a refusal alone makes nobody a member', () => {
    expect(fold([body(4, { joined: [ben], refused: [ana] })]).has(toHex(ana))).toBe(false);
  });

  test('ends with a failed audit, whatever else the certificate says; a passed one ends nothing', () => {
    const failed = [
      body(4, { joined: [ana, ben] }),
      body(5, { accepted: [ana, ben], failed: [ana], passed: [ben] }),
    ];
    expect([...fold(failed).keys()]).toEqual([toHex(ben)]);
    const again = fold([...failed, body(6, { joined: [ana] })]);
    expect(isMember(again, ana, 7, rules)).toBe(true);
  });

  test('a certificate refuses members only, passes over members only, and admits no member again', () => {
    const problem = (listed: Parameters<typeof body>[1], round = 5): string | null =>
      memberProblem(joined, body(round, { joined: [ben], ...listed }), rules);
    expect(problem({ refused: [ana] })).toBeNull();
    expect(problem({ refused: [ben], joined: [testHash('somebody')] })).toContain('which was no member');
    expect(problem({ refused: [ana] }, 4)).toContain('which was no member in round 4');
    expect(problem({ refused: [ana] }, 8)).toContain('which was no member in round 8');
    expect(problem({ passedOver: [ana] })).toBeNull();
    expect(problem({ passedOver: [ana, testHash('stranger')] })).toContain('no member');
    expect(problem({ joined: [ana] })).toContain('a member');
    expect(problem({ joined: [ana] }, 8)).toBeNull();
  });

  test('leaves the members before it as they were', () => {
    const before = new Map(joined);
    foldMembers(joined, body(9, { joined: [ben], failed: [ana] }), rules);
    expect(joined).toEqual(before);
  });
});

describe('data is drawn after membership closed', () => {
  let joins: JoinedEntry[];
  beforeAll(async () => {
    joins = await Promise.all(
      Array.from({ length: 6 }, async (_, i) => {
        const contributor = testHash(`newcomer ${i}`);
        return testJoin(run, genesis, contributor);
      }),
    );
  });
  const seeds = (who: readonly JoinedEntry[]) => {
    const made = { ...body(0, { joined: [ana] }), joined: [...who] };
    const beacon = bodyHash(encodeCanonical(made));
    return new Map(
      joins.map((j) => [toHex(j.contributor), toHex(assignmentSeed(run.id, 1, beacon, j.contributor))]),
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
