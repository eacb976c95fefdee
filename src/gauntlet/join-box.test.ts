/** A validator's box of joins: what it takes, and that no flood fills it. */
import { describe, expect, test } from 'vitest';
import { type ChainHead, genesisHead } from '../chain/certificate.ts';
import { testRun } from '../chain/testing.ts';
import { toHex } from '../protocol/bytes.ts';
import { solveJoin } from '../protocol/join.ts';
import { MAX_JOINED } from '../protocol/limits.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { JoinBox } from './join-box.ts';

const RUN = testHash('run');
const genesis = genesisHead(
  testRun(
    testManifest(testHash('organizer'), [], { admission: { joinBits: 2, joinTarget: 4, idleRounds: 3 } }),
    RUN,
  ),
);
const [ana, ben] = ['ana', 'ben'].map(testHash) as [Uint8Array, Uint8Array];

const joinOver = async (head: ChainHead, contributor: Uint8Array): Promise<MessageOf<'join'>> => ({
  kind: 'join',
  run: RUN,
  certificate: head.hash,
  nonce: await solveJoin({ run: RUN, certificate: head.hash, contributor }, head.joinBits),
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
