/** A host without a seat follows a chain that another signs: good and bad certificates, gaps, damaged bytes, restarts. */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { toHex } from '../protocol/bytes.ts';
import { certify, checkAnchor } from '../protocol/certificate.ts';
import { open, seal } from '../protocol/envelope.ts';
import { createIdentity } from '../protocol/identity.ts';
import { Chain } from './chain.ts';
import { ChainKeeper } from './chain-keeper.ts';
import { openRun } from './open-run.ts';
import { Store } from './store.ts';
import {
  MemorySwarm,
  PretendedContributor,
  smallRun,
  START,
  temporaryFolder,
  writeCorpus,
} from './testing/fixtures.ts';
import { certifyRound } from './testing/one-round.ts';

const folder = temporaryFolder();
let corpus = '';
beforeAll(() => {
  corpus = writeCorpus(folder.dir);
});
afterAll(() => folder.remove());

let worlds = 0;

/** A validator's chain with two certified rounds, and a host of the same run that has none of them. */
async function world() {
  const dir = join(folder.dir, `keeper-${worlds++}`);
  mkdirSync(dir);
  const made = await openRun(dir, smallRun(corpus));
  const { manifest, runId, seat } = made;
  if (seat === null) throw new Error('no seat');
  const signer = await Chain.open(manifest, runId, made.store);
  const rounds: { message: Uint8Array; submissions: [Uint8Array, Uint8Array][] }[] = [];
  // The host's folder is a copy from before the first round.
  const copy = `${dir}-host`;
  mkdirSync(copy);
  const store = Store.open(copy);
  const { data, tokenizer, genesis } = manifest;
  store.saveRun(made.manifestBytes, [tokenizer, ...data.train, data.heldOut, genesis.checkpoint]);
  await store.writeBlob((await made.store.readBlob(genesis.checkpoint)) as Uint8Array);
  for (const round of [0, 2]) {
    const { message } = await certifyRound(signer, seat.identity, round);
    const stored = signer.last?.stored;
    if (stored === undefined) throw new Error('nothing was certified');
    rounds.push({ message, submissions: await signer.submissionsOf(stored) });
  }
  const lines: string[] = [];
  const swarm = new MemorySwarm();
  const clock = { now: START + 1000 };
  const keeperOf = (chain: Chain) =>
    new ChainKeeper({ chain, swarm, now: () => clock.now, log: (line) => lines.push(line) });
  const chain = await Chain.open(manifest, runId, store);
  const keeper = keeperOf(chain);
  const offer = (index: number) => {
    for (const [hash, bytes] of rounds[index].submissions) swarm.blobs.set(toHex(hash), bytes);
    return keeper.take(rounds[index].message, 'validator');
  };
  const [first, second] = rounds;
  return {
    manifest,
    runId,
    seat,
    signer,
    chain,
    store,
    swarm,
    keeper,
    keeperOf,
    clock,
    lines,
    offer,
    first,
    second,
  };
}

test('a certificate that is handed over is applied, stored and only then told on', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(await w.offer(1)).toEqual({ stored: true });
  expect(w.chain.head).toEqual(w.signer.head);
  expect(await w.chain.theta()).toEqual(await w.signer.theta());
  expect(w.chain.ledger).toEqual(w.signer.ledger);
  expect(w.store.certificates(1, 9).map((c) => c.message)).toEqual([w.first.message, w.second.message]);
  await w.swarm.heard('certificate', 2);
  // Late tabs have the submissions from this host, and the loss that the validator measured is known.
  expect([...w.swarm.serving.keys()].sort()).toEqual(
    [...w.first.submissions, ...w.second.submissions].map(([hash]) => toHex(hash)).sort(),
  );
  expect([w.store.loss(0), w.store.loss(1)]).toEqual([6, 5.8]);
  expect(w.lines.join('\n')).toMatch(/round 2 · height 2 · 2 accepted/);
  // The answer may have been lost on the way: the same again is stored already.
  expect(await w.offer(1)).toEqual({ stored: true });
  expect(w.swarm.count('certificate')).toBe(2);
});

test('a certificate that others brought is taken from gossip too', async () => {
  const w = await world();
  for (const [hash, bytes] of w.first.submissions) w.swarm.blobs.set(toHex(hash), bytes);
  expect(await w.keeper.handle(w.first.message)).toBe('accept');
  await w.keeper.settled();
  expect(w.chain.head.height).toBe(1);
  expect(await w.keeper.handle(w.first.message)).toBe('ignore');
});

test('a gap is refused and mends itself once the missing certificate comes', async () => {
  const w = await world();
  expect(await w.offer(1)).toMatchObject({
    stored: false,
    retry: false,
    detail: expect.stringMatching(/^gap/),
    height: 0,
  });
  expect(await w.keeper.handle(w.second.message)).toBe('accept'); // genuine; others may be able to use it
  expect(w.chain.head.height).toBe(0);
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(await w.offer(1)).toEqual({ stored: true });
});

test('a second certificate of one height, and one that a stranger signed, change nothing', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  const opened = await open(w.first.message);
  if (!opened.ok || opened.message.kind !== 'certificate') throw new Error('no certificate');
  const checked = await checkAnchor(opened.message, w.manifest, w.runId);
  if (!checked.ok) throw new Error(checked.detail);
  const stranger = await createIdentity(new Uint8Array(32).fill(7));
  const { body } = checked.certificate;
  for (const [signer, reason] of [
    [w.seat.identity, /^fork/],
    [stranger, /^(signature|quorum|fork)/],
  ] as const) {
    const other = await seal(signer, await certify({ ...body, time: body.time + 1 }, [signer]));
    expect(await w.keeper.take(other, 'p')).toMatchObject({
      stored: false,
      retry: false,
      detail: expect.stringMatching(reason),
    });
    expect(await w.keeper.handle(other)).toBe('reject');
  }
  expect(await w.keeper.take(new Uint8Array(200_000), 'p')).toMatchObject({ stored: false, retry: false });
  const presence = await (
    await PretendedContributor.create(1, w.manifest, w.runId, await w.chain.theta())
  ).join(w.chain.head);
  expect(await w.keeper.take(presence, 'p')).toMatchObject({ stored: false, retry: false });
  expect(w.chain.head.height).toBe(1);
  expect(w.store.latest()?.message).toEqual(w.first.message);
});

test('submissions that nobody serves, or that give another root, leave the chain as it was', async () => {
  const w = await world();
  const answer = await w.keeper.take(w.first.message, 'validator');
  expect(answer).toMatchObject({ stored: false, retry: true });
  // Bytes with the right hash always give the right root; a certificate that names another root is a liar's.
  const opened = await open(w.first.message);
  if (!opened.ok || opened.message.kind !== 'certificate') throw new Error('no certificate');
  const checked = await checkAnchor(opened.message, w.manifest, w.runId);
  if (!checked.ok) throw new Error(checked.detail);
  for (const [hash, bytes] of w.first.submissions) w.swarm.blobs.set(toHex(hash), bytes);
  const body = { ...checked.certificate.body, root: new Uint8Array(32).fill(1) };
  const lying = await seal(w.seat.identity, await certify(body, [w.seat.identity]));
  expect(await w.keeper.take(lying, 'validator')).toMatchObject({
    stored: false,
    retry: false,
    detail: expect.stringMatching(/root/),
  });
  expect(w.chain.head.height).toBe(0);
  expect(w.store.latest()).toBeNull();
  expect(await w.offer(0)).toEqual({ stored: true });
});

test('after a restart it goes on from what it stored', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  await w.keeper.stop();
  const reopened = await Chain.open(w.manifest, w.runId, w.store);
  expect(reopened.head).toEqual(w.chain.head);
  const again = w.keeperOf(reopened);
  for (const [hash, bytes] of w.second.submissions) w.swarm.blobs.set(toHex(hash), bytes);
  expect(await again.take(w.second.message, 'validator')).toEqual({ stored: true });
  expect(reopened.head).toEqual(w.signer.head);
});

test('revealed submissions of members are fetched ahead, and what a validator says of an empty round is kept', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  const { roundMs } = w.manifest.schedule;
  w.clock.now = START + roundMs + 100;
  const stranger = await PretendedContributor.create(9, w.manifest, w.runId, await w.chain.theta());
  const work = await stranger.work(1);
  w.swarm.blobs.set(toHex(work.submission.hash), work.bytes);
  expect(await w.keeper.handle(work.commit)).toBe('accept');
  expect(await w.keeper.handle(work.reveal)).toBe('accept');
  expect(w.swarm.serving.has(toHex(work.submission.hash))).toBe(false);
  const member = await PretendedContributor.create(1, w.manifest, w.runId, await w.chain.theta());
  vi.spyOn(w.chain, 'members', 'get').mockReturnValue(new Map([[toHex(member.identity.publicKey), 0]]));
  const own = await member.work(1);
  w.swarm.blobs.set(toHex(own.submission.hash), own.bytes);
  expect(await w.keeper.handle(own.commit)).toBe('accept');
  expect(await w.keeper.handle(own.reveal)).toBe('accept');
  await vi.waitFor(() => expect(w.swarm.serving.has(toHex(own.submission.hash))).toBe(true));
  const contributor = stranger.identity.publicKey;
  const refused = [{ contributor, reason: 'not-member' as const, detail: 'joins first' }];
  const word = { kind: 'no-certificate' as const, run: w.runId, round: 1, refused };
  expect(await w.keeper.handle(await seal(stranger.identity, word))).toBe('reject');
  expect(w.store.refusals(9)).toEqual([]);
  expect(await w.keeper.handle(await seal(w.seat.identity, word))).toBe('accept');
  expect(w.store.refusals(9)).toHaveLength(1);
  // Rounds 0 and 1 were spoken of; nobody said anything about the three after them.
  w.clock.now = START + 5 * roundMs + 100;
  expect(w.keeper.roundsLost).toBe(3);
});

test('a host whose tab judges needs no validator.key; one that judges says what is missing', async () => {
  const dir = join(folder.dir, 'away');
  mkdirSync(dir);
  const made = await openRun(dir, smallRun(corpus), 'tab');
  expect(made.seat).toBeNull();
  made.store.close();
  renameSync(join(dir, 'validator.key'), join(folder.dir, 'validator.key'));
  const again = await openRun(dir, smallRun(corpus), 'tab');
  expect(again).toMatchObject({ seat: null, created: false });
  again.store.close();
  await expect(openRun(dir, smallRun(corpus))).rejects.toThrow(/no validator\.key.*--validator tab/);
});
