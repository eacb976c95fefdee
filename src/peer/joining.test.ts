/** Getting admitted: work that validators accept, and how long a newcomer is told to wait. */
import { expect, test } from 'vitest';
import { genesisState } from '../chain/state.ts';
import { testRun } from '../chain/testing.ts';
import { joinWorks } from '../protocol/join.ts';
import { testIdentity, testManifest } from '../protocol/testing.ts';
import { systemClock } from '../protocol/timer.ts';
import { admissionIn, makeJoin } from './joining.ts';

const organizer = await testIdentity('organizer');
const run = testRun(testManifest(organizer.publicKey, []));
const { head } = genesisState(run);

test('the work is over the newest certificate, for this key, and worth its bits', async () => {
  const ada = await testIdentity('ada');
  const bits = { ...head, joinBits: 8 };
  const join = await makeJoin(run, bits, ada, systemClock(), new AbortController().signal);
  expect(join).toMatchObject({ kind: 'join', run: run.id, certificate: head.hash });
  const challenge = { run: run.id, certificate: head.hash, contributor: ada.publicKey };
  expect(joinWorks(challenge, join.nonce, 8)).toBe(true);
});

test('work that is no longer wanted ends', async () => {
  const ada = await testIdentity('ada');
  const reason = new DOMException('a newer certificate', 'AbortError');
  const hard = { ...head, joinBits: 60 };
  await expect(makeJoin(run, hard, ada, systemClock(), AbortSignal.abort(reason))).rejects.toBe(reason);
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
