/** Two contributors, a watcher and a validator over a network in memory: the session's parts in whole rounds. */
import { afterEach, expect, test } from 'vitest';
import { sha256, toHex } from '../protocol/bytes.ts';
import { createIdentity, type Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { testManifest } from '../protocol/testing.ts';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { encodeShard } from '../model/shards.ts';
import { stateRoot } from '../sparseloco/state.ts';
import { RunClock } from './clock.ts';
import { Contributor } from './contributor.ts';
import { Follower } from './follower.ts';
import { Inbox } from '../swarm/inbox.ts';
import { Recorder } from './recorder.ts';
import type { AppState } from './state.ts';
import { createAppStore } from './store.ts';
import { newStanding, type Standings } from '../gauntlet/standings.ts';
import { Submissions } from '../swarm/submissions.ts';
import { FakeTrainer, MemoryHost, MemoryNetwork, runValidator } from './testing.ts';

/** Long enough that a busy machine still commits in time: this is wall-clock time. */
const ROUND_MS = 1600;
const PATIENCE_MS = 60_000;

interface World {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly validator: Identity;
  readonly theta: Int32Array<ArrayBuffer>;
  readonly network: MemoryNetwork;
  readonly host: MemoryHost;
  readonly abort: AbortController;
}

let world: World | null = null;
afterEach(() => world?.abort.abort());

async function createWorld(gauntlet: Partial<Manifest['gauntlet']> = {}): Promise<World> {
  const validator = await createIdentity();
  const model = {
    vocabSize: 64,
    hiddenSize: 64,
    intermediateSize: 64,
    layers: 1,
    heads: 2,
    kvHeads: 2,
    tiedEmbeddings: true,
    ropeTheta: 10_000,
    rmsNormEps: 1e-5,
  };
  const theta = genesisTheta(model, 'test', 24);
  const shard = encodeShard(Uint16Array.from({ length: 2000 }, (_, i) => i % 64));
  const shardRef = { hash: await sha256(shard), size: shard.byteLength, tokens: 2000 };
  const base = testManifest(validator.publicKey, [{ key: validator.publicKey, weight: 1 }]);
  const manifest: Manifest = {
    ...base,
    model,
    data: { ...base.data, train: [shardRef], heldOut: shardRef },
    // Tokens of an inner step as FakeTrainer counts them; a step takes it milliseconds.
    training: { ...base.training, batch: 1, accumulation: 1, sequence: 16, maxInnerSteps: 1000 },
    sparseloco: { ...base.sparseloco, quantiser: 'sign1' },
    schedule: {
      startMs: Date.now() + 100,
      roundMs: ROUND_MS,
      trainMs: 0.5 * ROUND_MS,
      commitMs: 0.65 * ROUND_MS,
      revealMs: 0.8 * ROUND_MS,
    },
    gauntlet: { ...base.gauntlet, maxOverlap: 0.9, ...gauntlet },
    genesis: { ...base.genesis, root: await stateRoot(theta, parameterLayout(model)) },
  };
  const runId = await sha256(new TextEncoder().encode('run'));
  const host = new MemoryHost(manifest, runId, theta, new Map([[toHex(shardRef.hash), shard]]));
  return {
    manifest,
    runId,
    validator,
    theta,
    network: new MemoryNetwork(),
    host,
    abort: new AbortController(),
  };
}

interface Member {
  readonly trainer: FakeTrainer;
  readonly follower: Follower;
  readonly identity: Identity;
  state(): AppState;
  readonly done: Promise<void>;
  finish(): void;
  leave(): void;
}

async function join(w: World, name: string, nudge: number, known?: Identity): Promise<Member> {
  const identity = known ?? (await createIdentity());
  const swarm = w.network.join(name);
  const clock = new RunClock();
  const store = createAppStore();
  const recorder = new Recorder(store, w.host, clock);
  const submissions = new Submissions(swarm);
  const sources = { host: w.host, swarm, onCorrupt: () => {} };
  const { manifest, runId } = w;
  const follower = new Follower({
    manifest,
    runId,
    sources,
    submissions,
    onHead: (c) => recorder.certificate(c, identity.publicKey, manifest),
  });
  const abort = new AbortController();
  const signal = AbortSignal.any([abort.signal, w.abort.signal]);
  const trainer = new FakeTrainer(manifest, nudge);
  const contributor = new Contributor({
    manifest,
    runId,
    identity,
    swarm,
    trainer,
    follower,
    submissions,
    sources,
    clock,
    onActivity: (activity, waitingFor) => store.setState({ activity, waitingFor }),
    onProgress: () => {},
    onSubmitted: (own) => recorder.submitted(own),
    onLost: (own, refused) => recorder.lost(own, refused),
  });
  const inbox = new Inbox({
    manifest,
    runId,
    chain: follower,
    submissions,
    ownKey: identity.publicKey,
    round: () => clock.phase(manifest.schedule).round,
    fetchesFrom: (contributor, round) => follower.isMember(contributor, round),
    onGap: () => void follower.catchUp(signal),
    onNoCertificate: (m) =>
      contributor.noCertificate(
        m.round,
        m.refused.find((r) => toHex(r.contributor) === toHex(identity.publicKey)) ?? null,
      ),
    onAudit: (m) => void contributor.audit(m),
    onVersion: () => {},
  });
  swarm.onMessage((bytes) => inbox.receive(bytes));
  await follower.catchUp(signal);
  const done = contributor.run(signal);
  return {
    trainer,
    follower,
    identity,
    state: () => store.getState(),
    done,
    finish: () => contributor.setLast(true),
    leave: () => {
      abort.abort();
      w.network.members.delete(name);
    },
  };
}

function start(w: World, standings?: Standings): Promise<{ rounds: number; empty: number }> {
  return runValidator(
    w.manifest,
    w.runId,
    w.validator,
    w.theta,
    w.network.join('validator'),
    w.host,
    w.abort.signal,
    standings,
  );
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`timed out waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('contributors train, are certified, paid, and hold equal states; one leaves, one joins late', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const w = await createWorld();
  world = w;
  const validating = start(w);
  const anna = await join(w, 'anna', 0.001);
  const ben = await join(w, 'ben', 0.002);
  await until('a round of both', () => anna.state().rounds.some((r) => r.contributors === 2));

  ben.leave();
  await ben.done;
  const cleo = await join(w, 'cleo', 0.003);
  await until('the late joiner accepted', () => cleo.state().totals.accepted >= 1);
  const height = anna.follower.head.height + 1;
  await until('one more', () => anna.follower.head.height >= height && cleo.follower.head.height >= height);
  w.abort.abort();
  await Promise.all([anna.done, cleo.done]);
  const validated = await validating;

  const rounds = anna.state().rounds.filter((r) => r.height !== null);
  const cleos = new Map(cleo.state().rounds.map((r) => [r.height, r.root]));
  for (const r of rounds) if (cleos.has(r.height)) expect(cleos.get(r.height)).toBe(r.root);
  expect(rounds.length).toBeGreaterThanOrEqual(3);
  expect(validated.rounds).toBeGreaterThanOrEqual(rounds.length);

  // The first certificate only admits. Every other pays exactly one round's emission, and each member derives the same
  // ledger by itself.
  expect(rounds[0]).toMatchObject({ contributors: 0, own: null });
  const paid = anna.state().leaderboard.reduce((sum, a) => sum + a.credits, 0);
  expect(paid).toBe(1_000_000 * rounds.filter((r) => r.contributors > 0).length);
  const own = rounds.reduce((sum, r) => sum + (r.own?.credits ?? 0), 0);
  expect(anna.state().totals.credits).toBe(own);
  expect(own).toBeGreaterThan(0);
  expect(w.network.verdicts).not.toContain('reject');
});

test('a round without a certificate costs nothing: what was sent returns, and the next round counts', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const w = await createWorld();
  world = w;
  void start(w);
  const anna = await join(w, 'anna', 0.001);
  await until('admission', () => anna.follower.head.height === 1);
  const validator = w.network.members.get('validator');
  if (validator === undefined) throw new Error('no validator in the network');
  const { handler } = validator;
  validator.handler = null;
  await until('a lost round', () => anna.state().rounds.some((r) => r.own?.outcome === 'lost'));
  expect(anna.state().totals.credits).toBe(0);
  expect(anna.follower.head.height).toBe(1);
  validator.handler = handler;
  await until('an accepted round', () => anna.state().totals.accepted >= 1);
  expect(anna.state().rounds.at(-1)?.own?.outcome).toBe('accepted');
});

test('the last round is handed in and judged before the contributor leaves', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const w = await createWorld();
  world = w;
  void start(w);
  const anna = await join(w, 'anna', 0.001);
  await until('training in mid-round', () => anna.state().activity === 'training');
  anna.finish();
  await anna.done;
  expect(anna.state().rounds.at(-1)?.own?.outcome).toBe('accepted');
  expect(anna.state().totals.accepted).toBe(1);
});

test.each([
  ['was accepted', 0],
  ['waits for an audit', -1],
])(
  'in a run with audits it stays a moment when its last work %s',
  {
    timeout: 4 * PATIENCE_MS,
  },
  async (_, verified) => {
    const w = await createWorld({ auditsPerRound: 1 });
    world = w;
    const identity = await createIdentity();
    void start(w, new Map([[toHex(identity.publicKey), { ...newStanding(identity.publicKey), verified }]]));
    const anna = await join(w, 'anna', 0.001, identity);
    await until('training', () => anna.state().activity === 'training');
    anna.finish();
    await until('a stay', () => anna.state().waitingFor?.startsWith('Staying a moment') === true);
    await anna.done;
    expect(anna.state().totals.accepted).toBe(verified === 0 ? 1 : 0);
  },
);
