/** Getting admitted: work that validators accept, more of it where places are scarce, and how long a newcomer waits. */
import { describe, expect, test } from 'vitest';
import type { ChainHead } from '../chain/certificate.ts';
import { genesisState } from '../chain/state.ts';
import { testRun } from '../chain/testing.ts';
import { joinHash, leadingZeroBits, nextJoinBases } from '../protocol/join.ts';
import { JOIN_WINDOW, MAX_JOINED } from '../protocol/limits.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import { testHash, testIdentity, testManifest } from '../protocol/testing.ts';
import { systemClock } from '../protocol/timer.ts';
import { admissionIn, Joining } from './joining.ts';

const organizer = await testIdentity('organizer');
const ada = await testIdentity('ada');
const run = testRun(testManifest(organizer.publicKey, []));
const { head: genesis } = genesisState(run);
const never = new AbortController().signal;

const after = (head: ChainHead): ChainHead => {
  const hash = testHash(`certificate ${head.height + 1}`);
  const newest = { certificate: hash, bits: head.joinBits, joined: 0 };
  return { ...head, height: head.height + 1, hash, joinBases: nextJoinBases(newest, head.joinBases) };
};
const listing = (joined: number): CertificateBody =>
  ({ joined: Array.from({ length: joined }) }) as unknown as CertificateBody;

const looked = (joining: Joining, head: ChainHead, last: CertificateBody | null = null): Promise<void> =>
  new Promise((resolve) => joining.look(head, last, never, resolve));

describe('the work', () => {
  test('is over the newest certificate, for this key, worth its bits, and counts as long as that one does', async () => {
    const joining = new Joining(run, ada, systemClock());
    const bits = { ...genesis, joinBits: 8 };
    expect(joining.join(bits)).toBeNull();
    await looked(joining, bits);
    const join = joining.join(bits);
    expect(join).toMatchObject({ kind: 'join', run: run.id, certificate: genesis.hash });
    const challenge = { run: run.id, certificate: genesis.hash, contributor: ada.publicKey };
    expect(leadingZeroBits(joinHash(challenge, join?.nonce ?? 0))).toBeGreaterThanOrEqual(8);
    let head: ChainHead = bits;
    for (let i = 0; i < JOIN_WINDOW; i++, head = after(head)) {
      expect(joining.join(head)).toBe(join);
      joining.look(head, listing(3), never, () => expect.unreachable('nothing more is needed'));
    }
    expect(joining.join(head)).toBeNull();
    await looked(joining, head);
    expect(joining.join(head)).toMatchObject({ certificate: head.hash });
  });

  test('becomes more with each certificate that has no place for it', async () => {
    const joining = new Joining(run, ada, systemClock());
    await looked(joining, genesis);
    let head = genesis;
    const worth: number[] = [];
    for (let i = 0; i < 4; i++) {
      const join = joining.join(head);
      const { certificate = genesis.hash, nonce = 0 } = join ?? {};
      worth.push(leadingZeroBits(joinHash({ run: run.id, certificate, contributor: ada.publicKey }, nonce)));
      head = after(head);
      await looked(joining, head, listing(MAX_JOINED));
    }
    for (let i = 1; i < worth.length; i++) expect(worth[i]).toBeGreaterThan(worth[i - 1]);
  });

  test('goes on while certificates come, and ends when it is no longer wanted', async () => {
    const joining = new Joining(run, ada, systemClock());
    let head: ChainHead = { ...genesis, joinBits: 60 };
    const found = () => expect.unreachable('nobody finds 60 bits');
    for (let i = 0; i < 3; i++, head = after(head)) joining.look(head, null, never, found);
    joining.stop();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(joining.join(head)).toBeNull();
    // A new search is free to begin.
    await looked(joining, { ...head, joinBits: 4 });
    expect(joining.join(head)).not.toBeNull();
  });
});

test('with nobody in the run it takes a few seconds, whatever the round', () => {
  expect(admissionIn(run, 0, run.rounds.start(3) + 1)).toBeNull();
});

test('else until this round’s commits end, and after that the next one’s', () => {
  const { commit } = run.rounds.deadlines(3);
  expect(admissionIn(run, 1, run.rounds.start(3))).toBe(22_000);
  expect(admissionIn(run, 5, commit - 1)).toBe(1);
  expect(admissionIn(run, 1, commit)).toBe(30_000);
  expect(admissionIn(run, 1, commit + 1)).toBe(29_999);
});

test('before the run begins, until the first round’s commits end', () => {
  expect(admissionIn(run, 1, run.rounds.start(0) - 8000)).toBe(30_000);
});
