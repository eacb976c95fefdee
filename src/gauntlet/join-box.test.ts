/** A validator's box of joins: what it takes, and that no flood fills it. */
import { describe, expect, test } from 'vitest';
import { type ChainHead, genesisHead } from '../chain/certificate.ts';
import { testRun } from '../chain/testing.ts';
import { toHex } from '../protocol/bytes.ts';
import { nextJoinBases, solveJoin } from '../protocol/join.ts';
import { JOIN_WINDOW, MAX_JOINED } from '../protocol/limits.ts';
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
const nobody = () => false;

const asking = (head: ChainHead, bits: number): ChainHead => ({
  ...head,
  joinBits: bits,
  joinBases: [{ certificate: head.hash, bits, joined: 0 }],
});
const after = (head: ChainHead): ChainHead => {
  const hash = testHash(`certificate ${head.height + 1}`);
  const newest = { certificate: hash, bits: head.joinBits, joined: 0 };
  return { ...head, height: head.height + 1, hash, joinBases: nextJoinBases(newest, head.joinBases) };
};

const joinOver = async (head: ChainHead, contributor: Uint8Array): Promise<MessageOf<'join'>> => ({
  kind: 'join',
  run: RUN,
  certificate: head.hash,
  nonce: await solveJoin({ run: RUN, certificate: head.hash, contributor }, head.joinBits),
});

describe('the box of joins', () => {
  test('takes a join once, with enough work over a certificate that it knows, of who is no member', async () => {
    const box = new JoinBox(RUN);
    const join = await joinOver(genesis, ana);
    expect(box.take(ana, join, genesis, nobody)).toBe('taken');
    expect(box.take(ana, join, genesis, nobody)).toBe('known');
    expect(box.take(ben, { ...join, certificate: testHash('old') }, genesis, nobody)).toBe('stale');
    expect(box.take(ben, { ...join, run: testHash('other run') }, genesis, nobody)).toBe('stale');
    expect(box.take(ben, join, asking(genesis, 200), nobody)).toBe('weak');
    expect(box.take(ben, await joinOver(genesis, ben), genesis, (key) => key === ben)).toBe('member');
    expect(box.joined(genesis, nobody)).toEqual([{ contributor: ana, nonce: join.nonce, age: 0 }]);
    expect(box.joined(genesis, (key) => key === ana)).toEqual([]);
  });

  test('keeps it from certificate to certificate, until that which it is over is too old', async () => {
    const box = new JoinBox(RUN);
    const join = await joinOver(genesis, ana);
    box.take(ana, join, genesis, nobody);
    let head = genesis;
    for (let age = 0; age < JOIN_WINDOW; age++, head = after(head))
      expect(box.joined(head, nobody)).toEqual([{ contributor: ana, nonce: join.nonce, age }]);
    expect(box.joined(head, nobody)).toEqual([]);
    expect(box.take(ana, join, head, nobody)).toBe('stale');
  });

  test('more work of the same key takes the place of less', async () => {
    const box = new JoinBox(RUN);
    const join = await joinOver(genesis, ana);
    const better = await joinOver(asking(genesis, 10), ana);
    expect(box.take(ana, join, genesis, nobody)).toBe('taken');
    expect(box.take(ana, better, genesis, nobody)).toBe('taken');
    expect(box.take(ana, join, genesis, nobody)).toBe('known');
    expect(box.joined(genesis, nobody)).toEqual([{ contributor: ana, nonce: better.nonce, age: 0 }]);
  });

  test('a flood does not crowd out who does more work, and never fills more than a certificate', async () => {
    const box = new JoinBox(RUN);
    const easy = asking(genesis, 0);
    for (let i = 0; i < MAX_JOINED + 50; i++) {
      const join = { ...(await joinOver(easy, ana)), nonce: i };
      expect(['taken', 'full']).toContain(box.take(testHash(`sybil ${i}`), join, easy, nobody));
    }
    const hard = await joinOver(asking(genesis, 14), ben);
    expect(box.take(ben, hard, easy, nobody)).toBe('taken');
    const listed = box.joined(easy, nobody);
    expect(listed).toHaveLength(MAX_JOINED);
    expect(listed.map((entry) => toHex(entry.contributor))).toContain(toHex(ben));
  });
});
