/** A contributor's life in whole rounds of a simulated swarm: paid by certificates, never out of step, nothing lost. */
import { afterEach, describe, expect, test } from 'vitest';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { hinder, noteSettlements } from '../sim/testing.ts';
import { PretendedLosses } from '../sim/pretended.ts';
import type { SimTrainer } from '../sim/trainer.ts';
import {
  createSimSwarm,
  type SimPeer,
  type SimPeerOptions,
  type SimSwarm,
  type SimSwarmOptions,
} from '../sim/swarm.ts';
import { decodeClaim, type PretrainClaim } from '../work/pretrain/claim.ts';
import type { Settlement } from '../work/workload.ts';
import type { Activity, Waiting } from './reasons.ts';

let sim: SimSwarm | null = null;
afterEach(async () => {
  const swarm = sim;
  sim = null;
  await swarm?.stop();
});

async function swarmOf(options: SimSwarmOptions = {}): Promise<SimSwarm> {
  sim = await createSimSwarm(options);
  return sim;
}

interface Watched {
  readonly peer: SimPeer;
  /** What its trainers were told, in order. */
  readonly settled: Settlement[];
  readonly did: { readonly activity: Activity; readonly waiting: Waiting | null; readonly at: number }[];
}

async function watched(s: SimSwarm, options: SimPeerOptions = {}): Promise<Watched> {
  const settled: Settlement[] = [];
  const did: { activity: Activity; waiting: Waiting | null; at: number }[] = [];
  const peer = await s.add({
    ...options,
    hooks: {
      working: (at) => at !== null && noteSettlements(at.trainer, settled),
      activity: (activity, waiting) => void did.push({ activity, waiting, at: s.clock.now() }),
      ...options.hooks,
    },
  });
  return { peer, settled, did };
}

/** What the newest certificate of a round says of a contributor. */
function entryOf(s: SimSwarm, { identity }: SimPeer, round: number) {
  const accepted = s.host.follower.recent(round)?.body.accepted ?? [];
  return accepted.find(({ contributor }) => bytesEqual(contributor, identity.publicKey));
}
const credits = (s: SimSwarm, { identity }: SimPeer): number =>
  s.host.follower.ledger.accounts.get(toHex(identity.publicKey))?.credits ?? 0;
const same = (s: SimSwarm, { root }: SimPeer): boolean =>
  root !== null && bytesEqual(root, s.host.follower.head.root);
/** Lets what the newest certificate causes happen. */
const settle = (s: SimSwarm): Promise<void> => s.clock.run(s.clock.now() + 3000);

test('the first certificate only admits; every other pays one emission, and everybody derives the same ledger', async () => {
  const s = await swarmOf({ contributors: 2 });
  await s.untilHeight(4);
  await settle(s);
  const bodies = [1, 2, 3, 4].map((height) => s.host.follower.at(height)?.body);
  expect(bodies.map((body) => body?.accepted.length)).toEqual([0, 2, 2, 2]);
  expect(bodies[0]?.joined).toHaveLength(2);
  expect(credits(s, s.peers[0]) + credits(s, s.peers[1])).toBe(3 * s.run.manifest.credits.perRound);
  for (const peer of s.peers) {
    expect(peer.stay?.follower.ledger).toEqual(s.host.follower.ledger);
    expect(same(s, peer)).toBe(true);
  }
  expect(s.network.verdicts.filter(({ verdict, error }) => verdict === 'reject' || error)).toEqual([]);
});

describe('a round without its work in a certificate', () => {
  test('lost with the host: what was sent returns into the error feedback, and the next round counts', async () => {
    const s = await swarmOf();
    const { peer, settled } = await watched(s);
    await s.untilHeight(2);
    const paid = credits(s, peer);
    s.setHostAway(true);
    await s.untilRound(3);
    await settle(s);
    expect(peer.lost).toEqual([{ round: 2, reason: null }]);
    expect(settled).toEqual(['refused']);
    expect(credits(s, peer)).toBe(paid);
    s.setHostAway(false);
    await s.untilHeight(3);
    await settle(s);
    expect(entryOf(s, peer, s.host.follower.head.round)).toBeDefined();
    expect(same(s, peer)).toBe(true);
  });

  test('refused by the only validator: told with the reason, and training goes on from the same state', async () => {
    const meter = new PretendedLosses(16);
    const s = await swarmOf({ meter });
    const { peer, settled } = await watched(s);
    const losses = meter.losses.bind(meter);
    // A round in which every step makes the model worse.
    meter.losses = async (batch, step) => {
      const values = await losses(batch, step);
      const bad = s.run.rounds.round(s.clock.now()) === 2 && step !== undefined;
      return bad ? values.map((value) => value + 3) : values;
    };
    await s.untilRound(3);
    await settle(s);
    expect(peer.lost).toEqual([{ round: 2, reason: 'loss' }]);
    expect(settled).toEqual(['refused']);
    await s.untilRound(4);
    expect(entryOf(s, peer, 3)).toBeDefined();
  });

  test('a commit that never arrives costs that round only', async () => {
    const s = await swarmOf({ contributors: 1 });
    const { peer, settled } = await watched(s);
    await s.untilHeight(2);
    const heal = s.network.addRoute((from, to, bytes, at) =>
      from === peer.name ? hinder('host', ['commit', 'reveal'])(from, to, bytes, at) : [{ at, bytes }],
    );
    await s.untilRound(3);
    await settle(s);
    heal();
    expect(entryOf(s, peer, 2)).toBeUndefined();
    // Others were certified, so nothing is lost to the run: not told as a lost round, but given back.
    expect(peer.lost).toEqual([]);
    expect(settled).toEqual(['refused']);
    expect(same(s, peer)).toBe(true);
    await s.untilRound(4);
    expect(entryOf(s, peer, 3)).toBeDefined();
  });

  test('a certificate that comes late: given back meanwhile, taken as accepted when it is there', async () => {
    const s = await swarmOf({ contributors: 1 });
    const { peer, settled, did } = await watched(s);
    await s.untilHeight(2);
    await settle(s);
    const heal = s.network.addRoute(hinder(peer.name, ['certificate'], 14_000));
    await s.untilHeight(3);
    const { round } = s.host.follower.head;
    await s.untilRound(round + 1);
    await s.clock.run(s.clock.now() + 2000);
    expect(settled).toEqual(['refused']);
    expect(peer.stay?.follower.head.height).toBe(2);
    heal();
    await s.untilRound(round + 2);
    expect(settled).toEqual(['refused', 'accepted']);
    // It had begun to train on the old state: stopped, applied, begun again, and still in time.
    const since = s.run.rounds.start(round + 1);
    const trained = did.filter(
      ({ activity, at }) => activity === 'training' && at >= since && at < since + 20_000,
    );
    expect(trained).toHaveLength(2);
    expect(entryOf(s, peer, round + 1)).toBeDefined();
    expect(same(s, peer)).toBe(true);
  });

  test('a reveal whose bytes cannot be had is refused with its reason', async () => {
    const s = await swarmOf({ contributors: 1 });
    const { peer, settled } = await watched(s, { peer: { answer: () => null } });
    await s.untilRound(2);
    await settle(s);
    expect(s.host.follower.recent(1)?.body.refused).toMatchObject([{ reason: 'not-revealed' }]);
    expect(entryOf(s, peer, 1)).toBeUndefined();
    expect(settled).toEqual(['refused']);
  });
});

describe('a trainer that computes another state than was certified', () => {
  /** From now on a trainer applies less than it is given. */
  function spoil(trainer: SimTrainer, times = Number.POSITIVE_INFINITY): void {
    const apply = trainer.apply.bind(trainer);
    let left = times;
    trainer.apply = (submissions) => apply(left-- > 0 ? submissions.slice(1) : submissions);
  }

  test('is never gone on with: out of sync, a checkpoint, and work on the certified state only', async () => {
    const s = await swarmOf({ contributors: 2 });
    const { peer } = await watched(s);
    await s.untilHeight(2);
    await settle(s);
    spoil(peer.trainers[0], 1);
    await s.untilHeight(3);
    await settle(s);
    expect(peer.troubles).toMatchObject([
      { code: 'out-of-sync', why: 'root-differs', height: 3, recovering: true },
    ]);
    await s.untilHeight(6);
    await settle(s);
    expect(peer.troubles).toHaveLength(1);
    expect(peer.root).toEqual(s.host.follower.head.root);
    expect(entryOf(s, peer, s.host.follower.head.round)).toBeDefined();
    // The wrong root was computed, and no certificate has it.
    const certified = [s.run.manifest.genesis.root, ...heads(s)].map(toHex);
    const computed = peer.trainers.flatMap(({ roots }) => roots).map(toHex);
    expect(computed.filter((root) => !certified.includes(root))).toHaveLength(1);
  });

  test('again and again: no claim ever rests on an uncertified state', async () => {
    const s = await swarmOf({ contributors: 2 });
    const { peer } = await watched(s, {
      hooks: { working: (at) => at !== null && spoil(at.trainer as SimTrainer) },
    });
    await s.untilRound(5);
    expect(peer.troubles.length).toBeGreaterThanOrEqual(3);
    expect(new Set(peer.troubles.map(({ code }) => code))).toEqual(new Set(['out-of-sync']));
    const certified = [s.run.manifest.genesis.root, ...heads(s)].map(toHex);
    const claims = s.network.messages('reveal').filter(({ from }) => from === peer.name);
    expect(claims.length).toBeGreaterThan(0);
    for (const { message } of claims) {
      const base = decodeClaim(message.claim)?.baseRoot ?? new Uint8Array();
      expect(certified).toContain(toHex(base));
    }
    // Nobody else is disturbed.
    expect(s.peers.slice(0, 2).every((other) => same(s, other))).toBe(true);
  });

  const heads = (s: SimSwarm): Uint8Array[] =>
    Array.from({ length: s.host.height }, (_, i) => s.host.follower.at(i + 1)?.body.root ?? new Uint8Array());
});

describe('the last round', () => {
  test('is handed in and judged before the contributor leaves', async () => {
    const s = await swarmOf({ contributors: 1 });
    const { peer, did } = await watched(s);
    await s.clock.run(() => did.at(-1)?.activity === 'training');
    peer.finish();
    await s.clock.run(() => peer.ended);
    expect(peer.submitted).toHaveLength(1);
    expect(entryOf(s, peer, peer.submitted[0])).toBeDefined();
    expect(s.network.peers()).not.toContain(peer.name);
  });

  test('before it is admitted there is none: it leaves at once', async () => {
    const s = await swarmOf();
    const { peer } = await watched(s);
    const off = s.network.addRoute(hinder('host', ['join']));
    await s.clock.run(s.clock.now() + 5000);
    expect(peer.activity).toBe('waiting');
    peer.finish();
    await s.clock.run(() => peer.ended);
    off();
    expect(peer.submitted).toEqual([]);
  });

  test.each([
    ['asked for: shows its work, and serves it for a while', true],
    ['not asked for: stays a moment and goes', false],
  ])('in a run with audits, %s', async (_, drawn) => {
    const s = await swarmOf(audited(drawn));
    const { peer, did } = await watched(s);
    await s.clock.run(() => did.at(-1)?.activity === 'training');
    peer.finish();
    await s.clock.run(() => did.at(-1)?.waiting?.why === 'audit');
    const stayed = s.clock.now();
    expect(peer.ended).toBe(false);
    await s.clock.run(() => peer.ended);
    const answers = s.network.messages('answer').filter(({ from }) => from === peer.name);
    expect(answers).toHaveLength(drawn ? 1 : 0);
    expect(s.clock.now() - stayed).toBe(drawn ? 15_000 + (answers[0].at - stayed) : 2500);
  });

  test('in a run with audits, refused for a reason that nobody audits: leaves without waiting', async () => {
    const meter = new PretendedLosses(16);
    const s = await swarmOf({ ...audited(true), meter });
    const losses = meter.losses.bind(meter);
    meter.losses = async (batch, step) =>
      (await losses(batch, step)).map((value) => (step === undefined ? value : value + 3));
    const { peer, did, settled } = await watched(s);
    await s.clock.run(() => did.at(-1)?.activity === 'training');
    peer.finish();
    await s.clock.run(() => peer.ended);
    expect(peer.lost).toMatchObject([{ reason: 'loss' }]);
    expect(did.some(({ waiting }) => waiting?.why === 'audit')).toBe(false);
    // Its own doing: the validators take it that it begins again from zeros.
    expect(settled).toEqual(['reset']);
  });

  test('in a run with audits, not judged since the evaluator failed: told so, and goes on from what it had', async () => {
    const meter = new PretendedLosses(16);
    const s = await swarmOf({ ...audited(true), meter });
    const { peer, settled } = await watched(s);
    await s.untilHeight(2);
    const { round } = s.host.follower.head;
    const losses = meter.losses.bind(meter);
    meter.losses = async (batch, step) => {
      if (s.run.rounds.round(s.clock.now()) === round + 1 && step !== undefined)
        throw new Error('the driver is gone');
      return losses(batch, step);
    };
    await s.untilRound(round + 2);
    await settle(s);
    expect(entryOf(s, peer, round + 1)).toBeUndefined();
    expect(settled.at(-1)).toBe('undone');
    await s.untilRound(round + 3);
    await settle(s);
    // The validators take it that it goes on from there: its next claim follows.
    expect(entryOf(s, peer, round + 2)).toBeDefined();
  });

  function audited(drawn: boolean): SimSwarmOptions {
    const gauntlet = {
      maxAccepted: 16,
      evaluationScale: 0.2,
      evaluationSequences: 8,
      heldOutSequences: 16,
      maxNormRatio: 10,
      maxOverlap: 0.6,
      auditsPerRound: 1,
    };
    const figures = { work: 0, moment1: 0, moment2: 0, sent: 0, steps: 0 };
    const replays = { replay: async () => figures, close: async () => {} };
    return { manifest: { gauntlet }, ...(drawn ? { replays } : {}) };
  }
});

test('a stranger waits for admission and is told how long', async () => {
  const s = await swarmOf({ contributors: 1 });
  await s.untilRound(1);
  await s.clock.run(s.clock.now() + 25_000);
  const { did, peer } = await watched(s);
  await s.clock.run(() => did.some(({ waiting }) => waiting?.why === 'admission'));
  const waits = did.flatMap(({ waiting, at }) => (waiting?.why === 'admission' ? [{ ...waiting, at }] : []));
  const { commit } = s.run.rounds.deadlines(2);
  expect(waits[0]).toMatchObject({ inMs: commit - waits[0].at });
  await s.untilRound(4);
  expect(entryOf(s, peer, 3)).toBeDefined();
});

test('a round in which no step can be done is not handed in, and costs nothing else', async () => {
  const s = await swarmOf({ contributors: 1 });
  const { peer, did } = await watched(s, { trainer: { stepMs: 60_000 } });
  await s.untilRound(3);
  expect(did.some(({ waiting }) => waiting?.why === 'no-step')).toBe(true);
  expect(peer.submitted).toEqual([]);
  expect(same(s, peer)).toBe(true);
  expect(peer.troubles).toEqual([]);
});

test('commit and reveal are said again until their deadlines, with the same bytes', async () => {
  const s = await swarmOf({ contributors: 1 });
  await s.untilRound(2);
  const [peer] = s.peers;
  for (const kind of ['commit', 'reveal'] as const) {
    const said = s.network
      .messages(kind)
      .filter(({ message, from }) => from === peer.name && message.round === 1);
    expect(said.length).toBeGreaterThanOrEqual(1);
    const { commit, reveal } = s.run.rounds.deadlines(1);
    for (const { at } of said) expect(at).toBeLessThan(kind === 'commit' ? commit : reveal);
    expect(new Set(said.map(({ message }) => JSON.stringify(message))).size).toBe(1);
  }
});

test('nobody can have its work before all commits are in', async () => {
  const s = await swarmOf({ contributors: 1 });
  const done: { round: number; claim: PretrainClaim }[] = [];
  await watched(s, { hooks: { work: (round, claim) => void done.push({ round, claim }) } });
  await s.clock.run(() => done.length > 0);
  const [{ round, claim }] = done;
  const { submission } = claim;
  const spy = s.network.join('spy');
  const asked = (): Promise<Uint8Array | null> =>
    spy.fetch(submission.hash, { size: submission.size }).catch(() => null);
  const { commit } = s.run.rounds.deadlines(round);
  let early: Uint8Array | null | undefined;
  s.clock.at(commit - 100, () => void asked().then((bytes) => (early = bytes)));
  let late: Uint8Array | null | undefined;
  s.clock.at(commit + 100, () => void asked().then((bytes) => (late = bytes)));
  await s.clock.run(() => early !== undefined && late !== undefined);
  expect(early).toBeNull();
  expect(late).toHaveLength(submission.size);
});

test('two contributors never have the same work, and a reveal names what was committed', async () => {
  const s = await swarmOf({ contributors: 3 });
  await s.untilHeight(3);
  const claims = s.host.follower.last?.certificate.body.accepted.map(({ claim }) => toHex(claim)) ?? [];
  expect(new Set(claims).size).toBe(3);
  for (const { from, at, message } of s.network.messages('reveal')) {
    const { commit } = s.run.rounds.deadlines(message.round);
    expect(at).toBeGreaterThanOrEqual(commit);
    expect(
      s.network.messages('commit').some((c) => c.from === from && c.message.round === message.round),
    ).toBe(true);
  }
});
