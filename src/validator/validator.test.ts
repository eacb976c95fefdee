/** Whole rounds through the validator: real submissions and signatures, virtual time, a network in memory. */
import { afterEach, describe, expect, test } from 'vitest';
import { checkCertificate } from '../chain/certificate.ts';
import { toHex } from '../protocol/bytes.ts';
import { open, seal } from '../protocol/envelope.ts';
import { joinWorks } from '../protocol/join.ts';
import { sealOf } from '../protocol/seal.ts';
import { ordinaryMessages } from '../protocol/testing-messages.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { PretendedContributor } from '../sim/pretended.ts';
import { SeatWorld, type SeatWorldOptions } from '../sim/seat-world.ts';
import { REPEAT_SPACING_MS } from '../swarm/repeats.ts';
import { bytesPerParameter } from './certify.ts';

const worlds: SeatWorld[] = [];
afterEach(async () => {
  for (const w of worlds.splice(0)) await w.end();
});

/** A world whose contributors are members; the next round is 1. */
async function world(options: SeatWorldOptions = {}): Promise<SeatWorld> {
  const w = await SeatWorld.create(options);
  worlds.push(w);
  await w.admit();
  return w;
}

const keyOf = (w: SeatWorld, i: number) => toHex(w.contributors[i].actor.identity.publicKey);
const verdictOf = (w: SeatWorld, from: string) =>
  w.network.verdicts.filter((judged) => judged.to === 'validator' && judged.from === from).at(-1)?.verdict;
/** Publishes and waits until the validator has made up its mind. */
async function say(w: SeatWorld, i: number, message: Uint8Array): Promise<string | undefined> {
  const { swarm } = w.contributors[i];
  await swarm.publish(message);
  await w.until(w.clock.now() + 20);
  return verdictOf(w, swarm.peerId);
}

describe('a good round', () => {
  test('ends before any deadline in one certificate, with the root that every replica computes', async () => {
    const w = await world();
    const before = w.chain.state.head;
    const works = await w.commit(1);
    await w.reveal(1, works);
    await w.until(() => w.decided(1));
    expect(w.clock.now()).toBeLessThan(w.at(1).reveal);
    const message = w.heard('certificate').at(-1);
    if (message === undefined) throw new Error('no certificate was said');
    const checked = await checkCertificate(message, w.run, before);
    if (!checked.ok) throw new Error(checked.detail);
    const { body } = checked.certificate;
    expect(body).toMatchObject({ round: 1, height: 2, refused: [], joined: [], audits: [] });
    expect(body.accepted.map((entry) => toHex(entry.contributor)).sort()).toEqual(
      [0, 1, 2].map((i) => keyOf(w, i)).sort(),
    );
    expect(toHex(body.root)).not.toBe(toHex(w.run.manifest.genesis.root));
    await w.follow(1);
    for (const { actor } of w.contributors) expect(toHex(await actor.replica.root())).toBe(toHex(body.root));
    // The opinion is of the state that the round started from, and is said just before the certificate.
    const opinion = w.heard('opinion').at(-1);
    expect(opinion).toMatchObject({ round: 1, height: 1, heldOutLoss: 6, refused: [], audits: [] });
    expect(opinion?.scores).toHaveLength(3);
    const said = await Promise.all(
      w.network.published.filter(({ from }) => from === 'validator').map(({ bytes }) => open(bytes)),
    );
    const kinds = said.flatMap((opened) => (opened.ok ? [opened.message.kind] : []));
    expect(kinds.lastIndexOf('opinion')).toBe(kinds.lastIndexOf('certificate') - 1);
    // It was kept before it was said.
    expect(w.kept.map(({ certificate }) => certificate.body.round)).toEqual([0, 1]);
    expect(w.chain.lastMessages).toHaveLength(2);
    expect(w.reported('certified').at(-1)).toMatchObject({ body: { height: 2 }, opinion: { round: 1 } });
    expect(w.reported('certified').at(-1)?.bytesPerParameter).toBeGreaterThan(0.005);
    expect(w.reported('certified').at(-1)?.bytesPerParameter).toBeLessThan(0.1);
    expect(w.standings.size).toBe(3);
    await w.until(() => w.heldOut.has(2));
    expect([...w.heldOut]).toEqual([0, 1, 2].map((height) => [height, 6]));
  });

  test('serves what it certified to whoever comes late', async () => {
    const w = await world();
    const works = await w.commit(1);
    await w.reveal(1, works);
    await w.until(() => w.decided(1));
    for (const { swarm } of w.contributors) await swarm.stop();
    const late = w.network.join('late');
    for (const { submission, bytes } of works) {
      const fetched = late.fetch(submission.hash, { size: submission.size });
      let got: Uint8Array | null = null;
      void fetched.then((found) => (got = found));
      await w.until(() => got !== null);
      expect(await fetched).toEqual(bytes);
    }
  });

  test('is what the next one builds on', async () => {
    const w = await world();
    for (const round of [1, 2, 3]) expect((await w.play(round))?.accepted).toHaveLength(3);
    expect(w.chain.state.head).toMatchObject({ height: 4, round: 3, issued: 3_000_000 });
    expect(w.chain.state.ledger.accounts.get(keyOf(w, 0))).toMatchObject({ accepted: 3, verified: 3 });
    expect(w.validator.roundsLost).toBe(0);
  });
});

test('one bad submission of each kind is refused with its reason, the good one is accepted', async () => {
  const w = await world({ contributors: 7 });
  const [good, worse, unserved, failing, stale, silent, late] = w.contributors;
  const works = await w.commit(1, [good, worse, unserved, failing]);
  const [staleWork] = await w.commit(1, [stale], { baseRoot: testHash('elsewhere') });
  await w.commit(1, [silent]);
  w.meter.worse.add(toHex(works[1].submission.hash));
  w.meter.failing.add(toHex(works[3].submission.hash));
  const lateWork = await late.actor.work(1);
  await w.until(w.at(1).commit + 1);
  await late.swarm.publish(lateWork.commit);
  await w.reveal(1, [works[0], works[1], works[3], staleWork], [good, worse, failing, stale]);
  await unserved.swarm.publish(works[2].reveal);
  await w.until(() => w.decided(1));
  const body = w.lastBody;
  expect(body?.accepted.map((entry) => toHex(entry.contributor))).toEqual([keyOf(w, 0)]);
  const reasons = new Map(body?.refused.map((r) => [toHex(r.contributor), r.reason]));
  expect([1, 2, 3, 4, 5, 6].map((i) => reasons.get(keyOf(w, i)))).toEqual([
    'loss',
    // Never `capacity`, after which one goes on from an error feedback that nobody saw.
    'not-revealed',
    'unjudged',
    'state',
    'not-revealed',
    'late',
  ]);
  const notes = new Map(
    w
      .heard('opinion')
      .at(-1)
      ?.refused.map((r) => [toHex(r.contributor), r.note.code]),
  );
  expect([1, 2, 3, 4, 5, 6].map((i) => notes.get(keyOf(w, i)))).toEqual([
    'loss-worse',
    'slow-bytes',
    'not-measured',
    'other-state',
    'never-revealed',
    'late-commit',
  ]);
  expect(w.reported('loss-failed')).toEqual([
    { is: 'loss-failed', round: 1, contributor: keyOf(w, 3).slice(0, 8), error: 'the runtime failed' },
  ]);
  expect(verdictOf(w, 'contributor 7')).toBe('ignore');
});

test('bytes that are not there at first are asked for again; the round waits for them', async () => {
  const w = await world({ contributors: 1 });
  const [one] = w.contributors;
  const [work] = await w.commit(1);
  await w.until(w.at(1).commit);
  await one.swarm.publish(work.reveal);
  await w.until(w.at(1).commit + 1500);
  expect(w.decided(1)).toBe(false);
  one.swarm.serve(work.submission.hash, work.bytes);
  await w.until(() => w.decided(1));
  expect(w.lastBody?.accepted).toHaveLength(1);
  expect(w.clock.now()).toBeLessThan(w.at(1).reveal);
});

describe('a round without a certificate', () => {
  test('in which nobody submitted ends at once, is told with an opinion, and said again in the next', async () => {
    const w = await world();
    await w.until(w.at(1).commit);
    expect(w.heard('no-certificate')).toMatchObject([{ round: 1, refused: [] }]);
    expect(w.heard('opinion').at(-1)).toMatchObject({ round: 1, height: 1, heldOutLoss: null, scores: [] });
    expect(w.opinions).toHaveLength(1);
    await w.until(w.at(2).start + 1);
    expect(w.heard('no-certificate').map(({ round }) => round)).toEqual([1, 1]);
    expect(
      w
        .heard('opinion')
        .slice(-2)
        .map(({ round }) => round),
    ).toEqual([1, 1]);
    expect(w.chain.state.head.height).toBe(1);
  });

  test('since all work was refused says why', async () => {
    const w = await world({ contributors: 2 });
    await w.commit(1);
    await w.until(w.at(1).judge - 1);
    const [word] = w.heard('no-certificate');
    expect(word.refused.map(({ reason }) => reason)).toEqual(['not-revealed', 'not-revealed']);
    expect(w.opinions[0].refused.map(({ note }) => note.code)).toEqual(['never-revealed', 'never-revealed']);
    expect(w.validator.refusedUncertified).toBe(2);
    expect(w.reported('nothing-certified')).toMatchObject([{ round: 1, refused: [{}, {}] }]);
  });

  test('since it could not be written changes nothing and blames nobody; the next one works', async () => {
    const w = await world();
    w.keepFailure = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const before = w.chain.state;
    const theta = await w.chain.theta();
    expect(await w.play(1)).toBeNull();
    const said = w.heard('no-certificate').at(-1);
    expect(said?.failure).toBe('disk-full');
    expect(said?.refused.map(({ reason }) => reason)).toEqual(['unjudged', 'unjudged', 'unjudged']);
    expect(w.opinions.at(-1)?.refused.map(({ note }) => note.code)).toEqual([
      'gave-up',
      'gave-up',
      'gave-up',
    ]);
    expect(w.chain.state).toBe(before);
    expect(await w.chain.theta()).toEqual(theta);
    expect(w.heard('certificate').every((c) => c.body !== undefined && w.kept.length === 1)).toBe(true);
    const failed = { round: 1, failure: 'disk-full', error: 'no space left on device' };
    expect(w.reported('round-failed')).toEqual([{ is: 'round-failed', ...failed }]);
    expect(w.validator.failed).toEqual(failed);
    expect(w.validator.roundsLost).toBe(1);
    expect(w.validator.refusedUncertified).toBe(0);
    for (const { actor } of w.contributors) await actor.replica.load(theta);
    expect((await w.play(2))?.accepted).toHaveLength(3);
    expect(w.chain.state.head).toMatchObject({ height: 2, round: 2 });
    expect(w.validator.failed).toBeNull();
  });
});

describe('what is said to it', () => {
  test('garbage, other runs and forgeries are rejected, repetitions accepted, and none disturbs it', async () => {
    const w = await world({ contributors: 2 });
    await w.until(w.at(1).train);
    const [one] = w.contributors;
    expect(await say(w, 0, new Uint8Array([1, 2, 3]))).toBe('reject');
    const elsewhere = await seal(one.actor.identity, {
      kind: 'commit',
      run: testHash('other run'),
      round: 1,
      seal: testHash('seal'),
    });
    expect(await say(w, 0, elsewhere)).toBe('reject');
    const work = await one.actor.work(1);
    const tampered = work.commit.slice();
    tampered[tampered.length - 5] = tampered[tampered.length - 5] ^ 1;
    expect(await say(w, 0, tampered)).toBe('reject');
    expect(await say(w, 0, work.commit)).toBe('accept');
    expect(await say(w, 0, work.commit)).toBe('ignore');
    await w.until(w.clock.now() + REPEAT_SPACING_MS);
    expect(await say(w, 0, work.commit)).toBe('accept');
    expect(w.validator.entries()).toHaveLength(1);
    expect(await w.validator.handle(new Uint8Array(100_000), 'p')).toBe('reject');
    expect(w.network.verdicts.filter(({ error }) => error !== undefined)).toEqual([]);
  });

  test('a claim that no honest contributor makes is rejected, so that gossip drops it', async () => {
    const w = await world({ contributors: 1 });
    const [one] = w.contributors;
    const claim = new Uint8Array([1, 2, 3]);
    const about = { run: w.run.id, round: 1 };
    const { identity } = one.actor;
    const sealed = sealOf(w.run.id, 1, identity.publicKey, claim);
    await w.until(w.at(1).train);
    expect(await say(w, 0, await seal(identity, { kind: 'commit', ...about, seal: sealed }))).toBe('accept');
    await w.until(w.at(1).commit);
    const reveal = await seal(identity, { kind: 'reveal', ...about, claim, peer: 'p' });
    expect(await say(w, 0, reveal)).toBe('reject');
  });

  test('names and signs of life of strangers are shown, but neither kept nor passed on', async () => {
    const w = await world({ contributors: 1 });
    const stranger = await w.join(9);
    const messages = async ({ actor, swarm }: typeof stranger) => {
      const { profile, presence } = ordinaryMessages(w.run.id, 0, swarm.peerId);
      return [await seal(actor.identity, profile), await seal(actor.identity, presence)];
    };
    for (const message of await messages(w.contributors[0])) expect(await say(w, 0, message)).toBe('accept');
    for (const message of await messages(stranger)) expect(await say(w, 1, message)).toBe('ignore');
    expect(w.validator.profiles.sealed()).toHaveLength(1);
    expect(w.validator.presences().map(({ peer }) => peer)).toEqual(['contributor 1', 'contributor 9']);
  });

  test('work of strangers is not even read', async () => {
    const w = await world({ contributors: 1 });
    const stranger = await w.join(9);
    await w.until(w.at(1).train);
    const work = await stranger.actor.work(1);
    // A signature that is none would be found if it were looked at.
    for (const message of [work.commit, work.reveal])
      expect(
        await say(
          w,
          1,
          message.map((byte, i) => (i === 60 ? byte ^ 1 : byte)),
        ),
      ).toBe('ignore');
    expect(w.validator.entries()).toEqual([]);
  });

  test('other validators’ words are not passed on by it', async () => {
    const w = await world({ contributors: 1 });
    const { identity } = w.contributors[0].actor;
    const word = {
      kind: 'no-certificate' as const,
      run: w.run.id,
      round: 1,
      failure: null,
      passedOver: new Uint8Array(0),
      refused: [],
    };
    expect(await say(w, 0, await seal(identity, word))).toBe('ignore');
  });
});

describe('joining', () => {
  test('the first are certified at once, together', async () => {
    const w = await SeatWorld.create({ contributors: 3 });
    worlds.push(w);
    await w.admit();
    expect(w.clock.now()).toBeLessThan(w.at(0).train);
    expect(w.lastBody).toMatchObject({ round: 0, height: 1, accepted: [], credits: [] });
    expect(w.lastBody?.joined).toHaveLength(3);
  });

  test('beside members one is let in with the next certificate', async () => {
    const w = await world({ contributors: 1 });
    const newcomer = await w.join(9);
    await w.until(w.at(1).train);
    const work = await newcomer.actor.work(1);
    await newcomer.swarm.publish(work.commit);
    const { head } = w.chain.state;
    await newcomer.swarm.publish(await newcomer.actor.join({ ...head, hash: testHash('elsewhere') }));
    await w.until(w.at(1).train + 50);
    expect(
      w.network.verdicts.filter(({ from }) => from === 'contributor 9').map(({ verdict }) => verdict),
    ).toEqual(['ignore', 'ignore']);
    await newcomer.swarm.publish(await newcomer.actor.join(head));
    // Others are members and may be training: nothing is certified before their commits are due.
    await w.until(w.at(1).commit - 1);
    expect(w.chain.state.head.height).toBe(1);
    await w.until(w.at(1).commit + 50);
    expect(w.chain.state.head).toMatchObject({ height: 2, round: 1, root: head.root, issued: 0 });
    // What it sent as a stranger stands nowhere.
    expect(w.lastBody?.refused).toEqual([]);
    expect(w.chain.state.ledger.accounts.size).toBe(0);
    expect((await w.play(2, [newcomer]))?.accepted).toHaveLength(1);
  });

  test('without work it is rejected', async () => {
    const w = await world({ contributors: 1 });
    const { head } = w.chain.state;
    const lazy = await testIdentity('lazy');
    const challenge = { run: w.run.id, certificate: head.hash, contributor: lazy.publicKey };
    let nonce = 0;
    while (joinWorks(challenge, nonce, head.joinBits)) nonce++;
    const join = { kind: 'join' as const, run: w.run.id, certificate: head.hash, nonce };
    expect(await w.validator.handle(await seal(lazy, join), 'p')).toBe('reject');
  });
});

describe('a machine that stops or sleeps', () => {
  test('after a restart within a certified round nothing is certified twice, and the outcome is said again', async () => {
    const w = await world();
    await w.play(1);
    const said = w.heard('certificate').length;
    const { head, ledger, members } = w.chain.state;
    await w.restart();
    expect(w.chain.state).toEqual({ head, ledger, members });
    const theta = await w.chain.theta();
    expect(theta).toHaveLength(w.run.layout.elements);
    const again = await w.contributors[0].actor.work(1);
    await w.contributors[0].swarm.publish(again.commit);
    await w.until(w.at(1).judge - 1);
    expect(verdictOf(w, 'contributor 1')).toBe('ignore');
    expect(w.chain.state.head).toEqual(head);
    expect(w.heard('no-certificate')).toEqual([]);
    await w.until(w.at(2).start + 1);
    const certificates = w.heard('certificate');
    expect(certificates).toHaveLength(said + 1);
    expect(certificates.at(-1)).toEqual(certificates.at(-2));
    expect((await w.play(2))?.height).toBe(3);
  });

  test('a round that nobody was awake for is counted as lost', async () => {
    const w = await world({ contributors: 1 });
    await w.commit(1);
    // Nothing runs while the machine sleeps: the validator is asked again three rounds later.
    const slept = await SeatWorld.create({ contributors: 1 });
    worlds.push(slept);
    const late = slept.at(4).train;
    let now = slept.at(1).start + 1;
    slept.clock.now = () => now;
    slept.validator.advance();
    now = late;
    slept.validator.advance();
    expect(slept.validator.roundsLost).toBe(1);
    expect(slept.reported('round-missed')).toEqual([{ is: 'round-missed', round: 1 }]);
  });

  test('stopping ends everything: no timer is left, and nothing more is said', async () => {
    const w = await world();
    await w.commit(1);
    await w.until(w.clock.now() + 20);
    await w.validator.stop();
    const said = w.network.published.length;
    await w.until(w.at(3).judge);
    expect(w.network.published).toHaveLength(said);
    expect(w.clock.pending()).toEqual([]);
  });
});

test('it shows itself every few seconds: its phase, its head, its machine', async () => {
  const w = await world({ contributors: 1 });
  const shown = () => w.heard('presence');
  const before = shown().length;
  await w.until(w.clock.now() + 12_000);
  expect(shown().length - before).toBe(3);
  expect(shown().at(-1)).toMatchObject({
    role: 'validator',
    peer: 'validator',
    state: 'waiting',
    adapter: 'a pretended machine',
    height: 1,
    root: w.chain.state.head.root,
  });
  await w.commit(1);
  await w.until(w.at(1).reveal - 1);
  await w.until(w.clock.now() + 4000);
  expect(shown().some(({ state }) => state === 'judging')).toBe(true);
});

test('a slow machine looks at less of each; whom it cannot look at in time loses nothing', async () => {
  const w = await world({
    gauntlet: { evaluationSequences: 8 },
    schedule: { roundMs: 600_000, trainMs: 400_000, commitMs: 402_000, revealMs: 405_000 },
  });
  // The clock passes only while a step is tried.
  let msPerSequence = 0;
  const trials: number[] = [];
  const losses = w.meter.losses.bind(w.meter);
  w.meter.losses = async (batch, step) => {
    const measured = await losses(batch, step);
    if (step === undefined) return measured;
    trials.push(measured.length);
    await new Promise<void>((resolve) =>
      w.clock.at(w.clock.now() + msPerSequence * measured.length, resolve),
    );
    return measured;
  };
  const play = async (round: number, ms: number) => {
    [msPerSequence, trials.length] = [ms, 0];
    const body = await w.play(round);
    return {
      trials: [...trials],
      accepted: body?.accepted.length,
      refused: body?.refused.map(({ reason }) => reason),
    };
  };
  // Planned for a fast machine, the first is looked at in full; the others at what then still fits.
  expect(await play(1, 3600)).toEqual({ trials: [8, 8, 4, 4, 7, 7], accepted: 3, refused: [] });
  // Even that is too much: who is left is not measured at all.
  expect(await play(2, 7500)).toMatchObject({ accepted: 1, refused: ['unjudged', 'unjudged'] });
  expect(w.reported('losses-slow')).toEqual([{ is: 'losses-slow', round: 2 }]);
  // Nobody is worse off in the next round.
  expect(await play(3, 1)).toMatchObject({ accepted: 3, refused: [] });
});

test('bytes a parameter: the mean of the sizes; none without work', () => {
  expect(bytesPerParameter([], 100)).toBeNull();
  expect(bytesPerParameter([{ byteLength: 10 }, { byteLength: 30 }], 100)).toBe(0.2);
});

test('a contributor that is pretended twice has the same key', async () => {
  const w = await world({ contributors: 1 });
  const twin = await PretendedContributor.create(1, w.run, await w.chain.theta());
  expect(toHex(twin.identity.publicKey)).toBe(keyOf(w, 0));
});
