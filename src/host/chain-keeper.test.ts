/** A host without a seat follows a chain that another signs: good and bad certificates, gaps, damaged bytes, restarts. */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { certify, checkAnchor } from '../chain/certificate.ts';
import { encodeLink } from '../chain/links.ts';
import { toHex } from '../protocol/bytes.ts';
import { open, seal } from '../protocol/envelope.ts';
import { createIdentity } from '../protocol/identity.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { systemClock } from '../protocol/timer.ts';
import { MemoryNetwork } from '../sim/memory-network.ts';
import { PretendedContributor } from '../sim/pretended.ts';
import { HostChain } from './chain.ts';
import { ChainKeeper } from './chain-keeper.ts';
import type { HostEvent } from './events.ts';
import { openRun } from './open-run.ts';
import { Store } from './store.ts';
import { smallRun, START, temporaryFolder, writeCorpus } from './testing/fixtures.ts';
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
  const { run, key } = made;
  if (key === null) throw new Error('no seat');
  const signer = await HostChain.open(run, made.store);
  const rounds: { message: Uint8Array; opinion: Uint8Array; link: Uint8Array }[] = [];
  // The host's folder is a copy from before the first round.
  const copy = `${dir}-host`;
  mkdirSync(copy);
  const store = Store.open(copy);
  const { task, tokenizer, genesis } = run.manifest;
  store.saveRun(run.manifestBytes, [tokenizer, ...task.data.train, task.data.heldOut, genesis.checkpoint]);
  await store.writeBlob((await made.store.readBlob(genesis.checkpoint)) as Uint8Array);
  for (const round of [0, 2]) {
    const { messages } = await certifyRound(signer, key.identity, round);
    const [opinion, message] = messages;
    rounds.push({ message, opinion, link: encodeLink({ certificate: message, opinions: [opinion] }) });
  }
  const works = await signer.recentWork(2);
  const events: HostEvent[] = [];
  // Stands where the test puts it, but for what passes meanwhile.
  const time = { now: START + 1000, since: Date.now() };
  const clock = systemClock(() => time.now - time.since);
  const network = new MemoryNetwork(clock);
  const swarm = network.join('host', { role: 'host' });
  const validator = network.join('validator');
  const keeperOf = (own: HostChain) =>
    new ChainKeeper({ chain: own, swarm, clock, report: (event) => events.push(event) });
  const chain = await HostChain.open(run, store);
  const keeper = keeperOf(chain);
  /** The validator's tab has a round's work. */
  const serve = (index: number) => {
    for (const [hash, bytes] of works[index]) validator.serve(hash, bytes);
  };
  const offer = (index: number, to = keeper) => {
    serve(index);
    return to.take(rounds[index].link, 'validator');
  };
  /** Whether the host serves what the validator asks of it. */
  const has = (hash: Uint8Array, size: number) =>
    validator.fetch(hash, { size, prefer: ['host'] }).then(
      () => true,
      () => false,
    );
  const at = (ms: number) => Object.assign(time, { now: ms, since: Date.now() });
  const [first, second] = rounds;
  return {
    run,
    key,
    signer,
    chain,
    store,
    network,
    swarm,
    validator,
    keeper,
    keeperOf,
    at,
    events,
    serve,
    offer,
    has,
    works,
    first,
    second,
  };
}

/** By gossip, from whoever it is. */
const hear = (w: Awaited<ReturnType<typeof world>>, bytes: Uint8Array) => w.keeper.handle(bytes, 'somebody');

async function bodyOf(sealed: Uint8Array, { run }: Awaited<ReturnType<typeof world>>) {
  const opened = await open(sealed);
  if (!opened.ok || opened.message.kind !== 'certificate') throw new Error('no certificate');
  const checked = await checkAnchor(opened.message, run);
  if (!checked.ok) throw new Error(checked.detail);
  return checked.certificate.body;
}

test('a link that is handed over is applied, stored and only then told on', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(await w.offer(1)).toEqual({ stored: true });
  expect(w.chain.head).toEqual(w.signer.head);
  expect(await w.chain.theta()).toEqual(await w.signer.theta());
  expect(w.chain.ledger).toEqual(w.signer.ledger);
  expect(w.store.links(1, 9).map((link) => link.certificate)).toEqual([w.first.message, w.second.message]);
  expect(w.store.links(1, 9).map((link) => link.opinions)).toEqual([[w.first.opinion], [w.second.opinion]]);
  // Opinions first, so that whoever hears the certificate has them.
  expect(w.network.published.map(({ bytes }) => toHex(bytes))).toEqual(
    [w.first.opinion, w.first.message, w.second.opinion, w.second.message].map((bytes) => toHex(bytes)),
  );
  // Late tabs have the work from this host, and the loss that the validator measured is known.
  for (const work of w.works)
    for (const [hash, bytes] of work) {
      w.validator.forget(hash);
      expect(await w.has(hash, bytes.byteLength)).toBe(true);
    }
  expect([w.store.loss(0), w.store.loss(1)]).toEqual([6, 5.8]);
  expect(w.events.at(-1)).toMatchObject({
    is: 'certified',
    body: { round: 2, height: 2 },
    opinion: { heldOutLoss: 5.8, refused: [{ note: { code: 'late-commit' } }] },
  });
  // The answer may have been lost on the way: the same again is stored already.
  expect(await w.offer(1)).toEqual({ stored: true });
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(w.network.messages('certificate')).toHaveLength(2);
});

test('a certificate that others brought is taken from gossip too, with the opinion before it', async () => {
  const w = await world();
  w.serve(0);
  expect(await hear(w, w.first.opinion)).toBe('accept');
  expect(await hear(w, w.first.message)).toBe('accept');
  await w.keeper.settled();
  expect(w.chain.head.height).toBe(1);
  expect(w.store.links(1, 1)[0].opinions).toEqual([w.first.opinion]);
  expect(await hear(w, w.first.message)).toBe('ignore');
});

test('a gap is refused and mends itself once the missing certificate comes', async () => {
  const w = await world();
  expect(await w.offer(1)).toEqual({ stored: false, retry: false, code: 'gap', height: 0 });
  expect(await hear(w, w.second.message)).toBe('accept'); // genuine; others may be able to use it
  expect(w.chain.head.height).toBe(0);
  expect(w.events).toEqual([{ is: 'behind', certified: 2, height: 0 }]);
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(await w.offer(1)).toEqual({ stored: true });
});

test('a second certificate of one height, and one that a stranger signed, change nothing', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  const stranger = await createIdentity(new Uint8Array(32).fill(7));
  const body = await bodyOf(w.first.message, w);
  for (const signer of [w.key.identity, stranger]) {
    const other = await seal(signer, await certify({ ...body, round: body.round + 1 }, [signer]));
    expect(await w.keeper.take(encodeLink({ certificate: other, opinions: [] }), 'p')).toEqual({
      stored: false,
      retry: false,
      code: 'bad-certificate',
    });
    expect(await hear(w, other)).toBe('reject');
  }
  const presence = await (await PretendedContributor.create(1, w.run, await w.chain.theta())).join(
    w.chain.head,
  );
  for (const bytes of [
    new Uint8Array(200_000),
    encodeLink({ certificate: presence, opinions: [] }),
    w.first.message,
  ])
    expect(await w.keeper.take(bytes, 'p')).toEqual({ stored: false, retry: false, code: 'no-link' });
  expect(w.chain.head.height).toBe(1);
  expect(w.store.links(1, 9).map((link) => link.certificate)).toEqual([w.first.message]);
});

test('opinions of strangers and of other rounds are not kept', async () => {
  const w = await world();
  w.serve(0);
  const stranger = await createIdentity(new Uint8Array(32).fill(7));
  const opened = await open(w.first.opinion);
  if (!opened.ok || opened.message.kind !== 'opinion') throw new Error('no opinion');
  const opinions = [await seal(stranger, opened.message), w.second.opinion, w.first.opinion];
  const link = encodeLink({ certificate: w.first.message, opinions });
  expect(await w.keeper.take(link, 'validator')).toEqual({ stored: true });
  expect(w.store.links(1, 1)[0].opinions).toEqual([w.first.opinion]);
  expect(w.store.loss(1)).toBeNull();
});

test('work that nobody serves, or that gives another root, leaves the chain as it was', async () => {
  const w = await world();
  expect(await w.keeper.take(w.first.link, 'validator')).toEqual({
    stored: false,
    retry: true,
    code: 'work-missing',
  });
  expect(w.events.at(-1)).toMatchObject({ is: 'link-not-stored', code: 'work-missing' });
  expect(w.store.height).toBe(0);
  // The certificate waits; handed over again, with the work there, it is stored.
  expect(await w.offer(0)).toEqual({ stored: true });

  // Bytes with the right hash always give the right root; a certificate that names another root is a liar's.
  const body = { ...(await bodyOf(w.second.message, w)), root: new Uint8Array(32).fill(1) };
  const lying = await seal(w.key.identity, await certify(body, [w.key.identity]));
  w.serve(1);
  expect(await w.keeper.take(encodeLink({ certificate: lying, opinions: [] }), 'validator')).toEqual({
    stored: false,
    retry: false,
    code: 'root-differs',
  });
  expect(w.chain.head.height).toBe(1);
  expect(w.store.height).toBe(1);
  expect(await w.offer(1)).toEqual({ stored: true });
});

test('after a restart it goes on from what it stored', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  await w.keeper.stop();
  expect(await w.offer(1)).toEqual({ stored: false, retry: true, code: 'stopping' });
  const reopened = await HostChain.open(w.run, w.store);
  expect(reopened.head).toEqual(w.chain.head);
  expect(await w.offer(1, w.keeperOf(reopened))).toEqual({ stored: true });
  expect(reopened.head).toEqual(w.signer.head);
});

test('a genuine certificate that a stranger wrapped anew is neither taken nor passed on', async () => {
  const w = await world();
  const opened = await open(w.first.message);
  if (!opened.ok) throw new Error('no certificate');
  w.serve(0);
  const wrapped = await seal(await testIdentity('stranger'), opened.message);
  expect(await w.keeper.take(encodeLink({ certificate: wrapped, opinions: [] }), 'stranger')).toMatchObject({
    stored: false,
    code: 'bad-certificate',
  });
  expect(await hear(w, wrapped)).toBe('reject');
  expect(w.chain.head.height).toBe(0);
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(w.store.links(1, 9)[0].certificate).toEqual(w.first.message);
});

test('what a validator’s machine fails at is known here, until a round is certified again', async () => {
  const w = await world();
  w.at(START + w.run.manifest.schedule.roundMs + 100);
  const contributor = testHash('somebody');
  const word = {
    kind: 'no-certificate' as const,
    run: w.run.id,
    round: 1,
    failure: 'disk-full' as const,
    passedOver: new Uint8Array(0),
    refused: [
      { contributor, reason: 'late' as const },
      { contributor: testHash('other'), reason: 'unjudged' as const },
    ],
  };
  expect(await hear(w, await seal(w.key.identity, word))).toBe('accept');
  expect(w.keeper.failed).toMatchObject({ round: 1, failure: 'disk-full' });
  expect(w.keeper.refusedUncertified).toBe(1);
  expect(await w.offer(0)).toEqual({ stored: true });
  expect(w.keeper.failed).toBeNull();
});

test('revealed work of members is fetched ahead, and what a validator says of an empty round is reported', async () => {
  const w = await world();
  expect(await w.offer(0)).toEqual({ stored: true });
  const { roundMs } = w.run.manifest.schedule;
  w.at(START + roundMs + 100);
  const served = vi.spyOn(w.swarm, 'serve');
  const theta = await w.chain.theta();
  const stranger = await PretendedContributor.create(9, w.run, theta, 'author');
  const author = w.network.join('author');
  const work = await stranger.work(1);
  author.serve(work.submission.hash, work.bytes);
  expect(await hear(w, work.commit)).toBe('ignore');
  expect(await hear(w, work.reveal)).toBe('ignore');
  const member = await PretendedContributor.create(1, w.run, theta, 'author');
  const isMember = (key: Uint8Array): boolean => toHex(key) === toHex(member.identity.publicKey);
  vi.spyOn(w.chain, 'tipAdmits').mockImplementation(isMember);
  vi.spyOn(w.chain, 'tipKnows').mockImplementation(isMember);
  const own = await member.work(1);
  author.serve(own.submission.hash, own.bytes);
  expect(await hear(w, own.commit)).toBe('accept');
  expect(await hear(w, own.reveal)).toBe('accept');
  await expect.poll(() => served.mock.calls.length).toBe(1);
  expect(served.mock.calls.map(([hash]) => toHex(hash))).toEqual([toHex(own.submission.hash)]);

  const contributor = stranger.identity.publicKey;
  const refused = [{ contributor, reason: 'not-member' as const }];
  const word = {
    kind: 'no-certificate' as const,
    run: w.run.id,
    round: 1,
    failure: null,
    passedOver: new Uint8Array(0),
    refused,
  };
  const heard = w.events.length;
  expect(await hear(w, await seal(stranger.identity, word))).toBe('reject');
  expect(w.events).toHaveLength(heard);
  expect(await hear(w, await seal(w.key.identity, word))).toBe('accept');
  expect(w.events.at(-1)).toEqual({ is: 'nothing-certified', round: 1, refused, opinion: null });
  // Rounds 0 and 1 were spoken of; nobody said anything about the three after them.
  w.at(START + 5 * roundMs + 100);
  expect(w.keeper.roundsLost).toBe(3);
});

test('a host whose tab judges needs no validator.key; one that judges says what is missing', async () => {
  const dir = join(folder.dir, 'away');
  mkdirSync(dir);
  const made = await openRun(dir, smallRun(corpus), 'tab');
  expect(made.key).toBeNull();
  made.store.close();
  renameSync(join(dir, 'validator.key'), join(folder.dir, 'validator.key'));
  const again = await openRun(dir, smallRun(corpus), 'tab');
  expect(again).toMatchObject({ key: null, created: false });
  again.store.close();
  await expect(openRun(dir, smallRun(corpus))).rejects.toThrow(/^no-validator-key/);
});
