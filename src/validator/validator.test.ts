/** Whole rounds through the validator, with real submissions and signatures and a clock that the test moves. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { checkCertificate } from '../protocol/certificate.ts';
import { Chain } from '../host/chain.ts';
import { scheduleFor } from '../model/presets.ts';
import { carriesOn } from '../gauntlet/carries.ts';
import { RoundLosses } from '../gauntlet/round-losses.ts';
import { decodeStandings, encodeStandings } from './standings-note.ts';
import { PretendedContributor, temporaryFolder, writeCorpus } from '../host/testing/fixtures.ts';
import { committed, createWorld, follow, revealed } from '../host/testing/world.ts';

const folder = temporaryFolder();
let corpus = '';
beforeAll(() => {
  corpus = writeCorpus(folder.dir);
});
afterAll(() => folder.remove());

const world = () => createWorld({ folder: folder.dir, corpus });

test('three contributors: one certificate, before any deadline, with the root that every replica computes', async () => {
  const w = await world();
  const works = await committed(w, 1);
  await revealed(w, 1, works);
  // The clock has not moved past the reveal deadline: nothing was left to wait for.
  const message = await w.swarm.heard('certificate');
  const checked = await checkCertificate(message, w.run.manifest, w.run.runId, w.admitted);
  if (!checked.ok) throw new Error(checked.detail);
  const { body } = checked.certificate;
  expect(body).toMatchObject({ round: 1, height: 2, heldOutLoss: 6 });
  expect(body.accepted.map((entry) => toHex(entry.contributor)).sort()).toEqual(
    w.contributors.map((c) => toHex(c.identity.publicKey)).sort(),
  );
  for (const root of await follow(w, works)) expect(toHex(root)).toBe(toHex(body.root));
  expect(bytesEqual(body.root, w.run.manifest.genesis.root)).toBe(false);
  // Late tabs can have the submissions from the host, and the checkpoint is there before the certificate is.
  expect([...w.swarm.serving.keys()].sort()).toEqual(works.map((work) => toHex(work.submission.hash)).sort());
  expect(w.run.store.blob(w.chain.checkpoint.hash)).toMatchObject({ kind: 'checkpoint' });
  await w.validator.settled();
  expect(w.lines.join('\n')).toMatch(/round 1 · height 2 · 3 accepted, 0 refused · held-out 6\.0000/);
  expect(w.lines.join('\n')).toMatch(/0\.0\d+ B\/parameter/);

  // The next round builds on it.
  w.clock.now = w.at(1).judge + 100;
  w.validator.advance();
  const next = await committed(w, 2);
  await revealed(w, 2, next);
  await w.swarm.heard('certificate', 3); // the first was said twice
  expect(w.chain.head).toMatchObject({ height: 3, round: 2, issued: 200_000_000 });
  await w.validator.stop();
});

test('one bad submission of each kind is refused with its reason, the good one is accepted', async () => {
  const w = await world();
  const [good, worse, unserved] = w.contributors as [
    PretendedContributor,
    PretendedContributor,
    PretendedContributor,
  ];
  const { manifest, runId } = w.run;
  const theta = await w.chain.theta();
  const failing = await PretendedContributor.create(4, manifest, runId, theta);
  const stale = await PretendedContributor.create(5, manifest, runId, theta);
  const silent = await PretendedContributor.create(6, manifest, runId, theta);
  const late = await PretendedContributor.create(7, manifest, runId, theta);
  const works = {
    good: await good.work(1),
    worse: await worse.work(1),
    unserved: await unserved.work(1),
    failing: await failing.work(1),
    stale: await stale.work(1, { baseRoot: new Uint8Array(32).fill(9) }),
    silent: await silent.work(1),
    late: await late.work(1),
  };
  // Its source holds out some hope until the end.
  const fetch = w.swarm.fetch.bind(w.swarm);
  w.swarm.fetch = (hash, options) =>
    bytesEqual(hash, works.unserved.submission.hash)
      ? new Promise((_, reject) => options.signal?.addEventListener('abort', () => reject(new Error('late'))))
      : fetch(hash, options);
  w.meter.worse.add(toHex(works.worse.submission.hash));
  w.meter.failing.add(toHex(works.failing.submission.hash));
  w.clock.now = w.at(1).train + 10;
  for (const work of Object.values(works))
    if (work !== works.late) await w.validator.handle(work.commit, 'p');
  w.clock.now = w.at(1).commit + 10;
  expect(await w.validator.handle(works.late.commit, 'p')).toBe('ignore');
  for (const work of [works.good, works.worse, works.failing, works.stale])
    w.swarm.blobs.set(toHex(work.submission.hash), work.bytes);
  for (const work of [works.good, works.worse, works.failing, works.stale, works.unserved])
    await w.validator.handle(work.reveal, 'p');
  await vi.waitFor(() => expect(w.meter.trials).toBe(5), 20_000); // two texts each, but for the one that fails
  w.clock.now = w.at(1).judge - 200; // past the fetch deadline
  w.validator.advance();
  await w.swarm.heard('certificate');
  const body = w.chain.last?.body;
  expect(body?.accepted.map((entry) => toHex(entry.contributor))).toEqual([toHex(good.identity.publicKey)]);
  const reasons = new Map(body?.refused.map((r) => [toHex(r.contributor), r.reason]));
  const reasonOf = (c: PretendedContributor) => reasons.get(toHex(c.identity.publicKey));
  expect(reasonOf(worse)).toBe('loss');
  expect(reasonOf(failing)).toBe('capacity');
  expect(reasonOf(stale)).toBe('state');
  expect(reasonOf(silent)).toBe('not-revealed');
  expect(reasonOf(late)).toBe('late');
  // Never `capacity`, after which one goes on from an error feedback that nobody saw.
  expect(reasonOf(unserved)).toBe('not-revealed');
  await w.validator.settled();
  expect(w.lines.join('\n')).toMatch(/could not be measured: the runtime failed/);
  expect(w.run.store.refusals(10)).toHaveLength(6);
  await w.validator.stop();
});

test('a round in which nobody submitted ends at once with a no-certificate, said again in the next', async () => {
  const w = await world();
  w.clock.now = w.at(1).commit;
  w.validator.advance();
  expect(await w.swarm.heard('no-certificate')).toMatchObject({ round: 1, refused: [] });
  expect(w.swarm.count('no-certificate')).toBe(1);
  w.clock.now = w.at(1).judge + 1;
  w.validator.advance();
  expect(await w.swarm.heard('no-certificate', 2)).toMatchObject({ round: 1 });
  expect(w.chain.head.height).toBe(1);
  await w.validator.stop();
});

test('a round that cannot be written changes nothing and is told to the swarm; the next one works', async () => {
  const w = await world();
  const works = await committed(w, 1);
  const full = vi.spyOn(w.run.store, 'saveRound').mockImplementationOnce(() => {
    throw new Error('database or disk is full');
  });
  await revealed(w, 1, works);
  const said = await w.swarm.heard('no-certificate');
  // Nobody's own doing, so in a run with audits too everybody goes on from what it sent.
  expect(said.refused.map(({ reason }) => carriesOn(reason))).toEqual(works.map(() => true));
  expect(w.chain.head.height).toBe(1);
  expect(w.chain.ledger.issued).toBe(0);
  expect(w.lines.join('\n')).toMatch(/round 1 was lost: database or disk is full/);
  full.mockRestore();
  w.clock.now = w.at(1).judge + 1;
  w.validator.advance();
  await revealed(w, 2, await committed(w, 2));
  await w.swarm.heard('certificate');
  expect(w.chain.head).toMatchObject({ height: 2, round: 2 });
  await w.validator.stop();
});

test('garbage, strangers to the run and repetitions never disturb it', async () => {
  const w = await world();
  expect(await w.validator.handle(new Uint8Array([1, 2, 3]), 'p')).toBe('reject');
  expect(await w.validator.handle(new Uint8Array(100_000), 'p')).toBe('reject');
  const [contributor] = w.contributors as [PretendedContributor];
  const elsewhere = await PretendedContributor.create(
    1,
    w.run.manifest,
    new Uint8Array(32).fill(3),
    await w.chain.theta(),
  );
  const foreign = await elsewhere.work(1);
  expect(await w.validator.handle(foreign.commit, 'p')).toBe('reject');
  const work = await contributor.work(1);
  const tampered = work.commit.slice();
  tampered[tampered.length - 5] = tampered[tampered.length - 5] ^ 1;
  expect(await w.validator.handle(tampered, 'p')).toBe('reject');
  expect(await w.validator.handle(work.commit, 'p')).toBe('accept');
  expect(await w.validator.handle(work.commit, 'p')).toBe('accept');
  expect(w.validator.entries()).toHaveLength(1);
  await w.validator.stop();
});

test('after a restart within a certified round nothing is certified twice', async () => {
  const w = await world();
  await revealed(w, 1, await committed(w, 1));
  await w.swarm.heard('certificate');
  await w.validator.stop();
  const reopened = await Chain.open(w.run.manifest, w.run.runId, w.run.store);
  const again = w.make(reopened);
  await again.prepare();
  w.clock.now = w.at(1).commit + 500;
  again.advance();
  const [contributor] = w.contributors as [PretendedContributor];
  const work = await contributor.work(1);
  expect(await again.handle(work.commit, 'p')).toBe('ignore');
  w.clock.now = w.at(1).judge - 1;
  again.advance();
  await again.settled();
  expect(reopened.head.height).toBe(2);
  // It says the certificate again in the next round, for those who missed it.
  const count = w.swarm.count('certificate');
  w.clock.now = w.at(2).train - 100;
  again.advance();
  expect(await w.swarm.heard('certificate', count + 1)).toEqual(await w.swarm.heard('certificate'));
  await again.stop();
});

test('a round that nobody was awake for is counted as lost', async () => {
  const w = await world();
  w.clock.now = w.at(4).train;
  w.validator.advance();
  expect(w.validator.roundsLost).toBe(1);
  expect(w.lines.join('\n')).toMatch(/round 1 was lost/);
  await w.validator.stop();
});

test('standings survive as a note, and a broken note counts as none', () => {
  const standing = {
    contributor: new Uint8Array(32).fill(1),
    rating: { mu: 27.5, sigma: 7 },
    work: 0.2,
    measurements: 3,
    verified: 2,
    proven: true,
    lastRound: 9,
  };
  const standings = new Map([['01'.repeat(32), standing]]);
  expect(decodeStandings(encodeStandings(standings))).toEqual(standings);
  expect(decodeStandings(new TextEncoder().encode('{')).size).toBe(0);
  expect(decodeStandings(null).size).toBe(0);
});

test('a slow host measures fewer sequences of each candidate rather than none', async () => {
  const w = await world();
  const { meter, run, seat, chain } = w;
  const losses = new RoundLosses({
    manifest: { ...run.manifest, gauntlet: { ...run.manifest.gauntlet, evaluationSequences: 8 } },
    runId: run.runId,
    meter,
    readBlob: (ref) => run.store.readBlob(ref),
    secret: seat.secret,
  });
  // Before it has measured its own speed it plans for everything.
  expect(losses.affordable(1, 100)).toBe(8);
  await losses.load(1, await chain.theta());
  await losses.heldOut();
  expect(losses.affordable(0, 3)).toBe(4);
  expect(losses.affordable(3_600_000, 1)).toBe(8);

  const [contributor] = w.contributors;
  const work = await contributor?.work(1);
  if (contributor === undefined || work === undefined) throw new Error('a contributor without work');
  const candidate = { contributor: contributor.identity.publicKey, bytes: work.bytes };
  const measured = await losses.measure(candidate, 1, chain.head, 4);
  for (const text of [measured.assigned, measured.unassigned]) {
    expect(text.before).toHaveLength(4);
    expect(text.after).toHaveLength(4);
  }
});

test('a host that becomes slow while it judges looks at less of each; whom it cannot look at in time loses nothing', async () => {
  const w = await createWorld({
    folder: folder.dir,
    corpus,
    overrides: { gauntlet: { evaluationSequences: 8 }, schedule: scheduleFor(600_000) },
  });
  // Both clocks pass only while a step is tried, and that begins when everything is revealed.
  let now = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  let [trials, msPerSequence, begin]: [number[], number, Promise<void>] = [[], 0, Promise.resolve()];
  const losses = w.meter.losses.bind(w.meter);
  w.meter.losses = async (batch, step) => {
    const measured = await losses(batch, step);
    if (step === undefined) return measured;
    await begin;
    now += msPerSequence * measured.length;
    w.clock.now += msPerSequence * measured.length;
    trials.push(measured.length);
    return measured;
  };
  const play = async (round: number, speed: number) => {
    let go = () => {};
    begin = new Promise((resolve) => {
      go = resolve;
    });
    [trials, msPerSequence] = [[], speed];
    const works = await committed(w, round);
    await revealed(w, round, works);
    go();
    await w.swarm.heard('certificate', 2 * round - 1); // each is said twice
    await w.validator.settled();
    const body = w.chain.last?.body;
    await follow(w, works);
    w.clock.now = w.at(round).judge + 100;
    w.validator.advance();
    await w.validator.prepare();
    return { trials, accepted: body?.accepted.length, refused: body?.refused.map(({ reason }) => reason) };
  };
  try {
    // Planned for a fast machine, the first is looked at in full; the others at what then still fits.
    expect(await play(1, 3600)).toEqual({ trials: [8, 8, 4, 4, 4, 4], accepted: 3, refused: [] });
    // Even that is too much: who is left is not measured at all.
    expect(await play(2, 7500)).toEqual({
      trials: [8, 8],
      accepted: 1,
      refused: ['capacity', 'capacity'],
    });
    expect(w.lines.filter((line) => line.includes('takes too long'))).toHaveLength(1);
    // Nobody is worse off in the next round.
    expect(await play(3, 1)).toMatchObject({ accepted: 3, refused: [] });
  } finally {
    vi.restoreAllMocks();
    await w.validator.stop();
  }
});

test('a measurement that nobody waits for any more asks the meter for nothing', async () => {
  const w = await world();
  const [contributor] = w.contributors;
  const work = await contributor?.work(1);
  if (contributor === undefined || work === undefined) throw new Error('a contributor without work');
  const candidate = { contributor: contributor.identity.publicKey, bytes: work.bytes };
  const losses = new RoundLosses({
    manifest: w.run.manifest,
    runId: w.run.runId,
    meter: w.meter,
    readBlob: (ref) => w.run.store.readBlob(ref),
    secret: w.seat.secret,
  });
  await losses.load(w.chain.head.height, await w.chain.theta());
  const late = new AbortController();
  const measure = w.meter.losses.bind(w.meter);
  w.meter.losses = (batch, step) => {
    late.abort(new Error('too late')); // while the first text is measured as it is, before the step
    return measure(batch, step);
  };
  await expect(losses.measure(candidate, 1, w.chain.head, 2, late.signal)).rejects.toThrow('too late');
  expect(w.meter.trials).toBe(0);
  await w.validator.stop();
});

test('the first to join are certified at once; who is no member is told so, and joins with the next certificate', async () => {
  const w = await world();
  const newcomer = await PretendedContributor.create(9, w.run.manifest, w.run.runId, await w.chain.theta());
  w.clock.now = w.at(1).train + 10;
  expect(await w.validator.handle((await newcomer.work(1)).commit, 'p')).toBe('ignore');
  expect(await w.validator.handle(await newcomer.join({ ...w.admitted, hash: w.run.runId }), 'p')).toBe(
    'ignore',
  );
  expect(await w.validator.handle(await newcomer.join(w.admitted), 'p')).toBe('accept');
  // Others are members and may be training: nothing is certified before their commits are due.
  w.clock.now = w.at(1).commit - 10;
  w.validator.advance();
  await w.validator.settled();
  expect(w.chain.head.height).toBe(1);
  w.clock.now = w.at(1).commit + 10;
  w.validator.advance();
  await w.validator.settled();
  expect(w.chain.head).toMatchObject({ height: 2, round: 1, root: w.admitted.root, issued: 0 });
  const refused = w.chain.last?.body.refused ?? [];
  expect(refused.map((r) => [toHex(r.contributor), r.reason])).toEqual([
    [toHex(newcomer.identity.publicKey), 'not-member'],
  ]);
  expect(w.lines.join('\n')).toMatch(/round 1 · height 2 · 0 accepted, 1 refused .*1 joined/);

  w.clock.now = w.at(1).judge + 100;
  w.validator.advance();
  const work = await newcomer.work(2);
  w.clock.now = w.at(2).train + 10;
  expect(await w.validator.handle(work.commit, 'p')).toBe('accept');
  await w.validator.stop();
  // A restart reads the members back from the chain.
  const reopened = await Chain.open(w.run.manifest, w.run.runId, w.run.store);
  expect(reopened.members).toEqual(w.chain.members);
  expect(reopened.members.has(toHex(newcomer.identity.publicKey))).toBe(true);
});
