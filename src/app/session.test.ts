/** The session that the page has: before Start, Start, Pause, Stop and Watch, in a simulated swarm. */
import { describe, expect, test, vi } from 'vitest';
import { fromHex, toHex } from '../protocol/bytes.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { SimTrainer } from '../sim/trainer.ts';
import type { Session } from './session.ts';
import { accepted, lastOwn, later, Machine, until, useSessions } from './testing-session.ts';

const { swarmOf, open } = useSessions();

describe('before Start', () => {
  test('the run is described, nothing else runs, and nothing stands in the way', async () => {
    const s = await swarmOf();
    const page = await open(s);
    await later(s, 1000);
    expect(page.state()).toMatchObject({
      intent: 'idle',
      activity: 'idle',
      run: { name: 'test run' },
      peers: [],
    });
    expect(page.codes()).toEqual([]);
    expect(page.trainers).toEqual([]);
    expect(s.network.peers()).toEqual(['host']);
  });

  test.each([
    ['a page that is not secure', 'insecure-page', () => vi.stubGlobal('isSecureContext', false)],
    ['a browser without WebGPU', 'no-webgpu', () => vi.stubGlobal('navigator', {})],
    [
      'a browser without a graphics card',
      'no-adapter',
      () => vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => null } }),
    ],
    [
      'a graphics card that is too small',
      'adapter-too-small',
      () => {
        const limits = { maxBufferSize: 100, maxStorageBufferBindingSize: 100 };
        vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => ({ limits }) } });
      },
    ],
  ])('%s is told', async (_, code, stub) => {
    stub();
    const s = await swarmOf();
    const page = await open(s);
    await later(s, 1000);
    expect(page.codes()).toEqual([code]);
  });

  test('a host that is away is asked until it is back', async () => {
    const s = await swarmOf();
    s.setHostAway(true);
    const page = await open(s);
    await later(s, 60_000);
    expect(page.state()).toMatchObject({
      run: null,
      problems: [{ code: 'host-unreachable', recovering: true }],
    });
    s.setHostAway(false);
    await later(s, 40_000);
    expect(page.state().run).not.toBeNull();
    expect(page.codes()).toEqual([]);
  });

  test('another protocol version is told, and Start changes nothing', async () => {
    const s = await swarmOf();
    s.host.protocol = 99;
    const page = await open(s);
    await later(s, 1000);
    expect(page.state().problems).toMatchObject([
      { code: 'protocol-version', recovering: false, theirs: 99 },
    ]);
    page.session.actions.start();
    await later(s, 60_000);
    expect(page.state().activity).toBe('failed');
    expect(s.network.peers()).toEqual(['host']);
  });

  test('a manifest that nobody signed is told; with a good one, Start works', async () => {
    const s = await swarmOf();
    s.host.manifest = s.run.manifestBytes.map((byte, i) => (i === 200 ? byte ^ 1 : byte));
    const page = await open(s);
    await later(s, 1000);
    expect(page.state().problems).toMatchObject([{ code: 'bad-manifest', recovering: false }]);
    s.host.manifest = null;
    page.session.actions.start();
    await accepted(s, page);
    expect(page.codes()).toEqual([]);
  });

  test('a run that nobody validates is told until somebody does', async () => {
    const s = await swarmOf();
    s.host.validator = 'none';
    const page = await open(s);
    await later(s, 15_000);
    expect(page.state().problems).toEqual([{ code: 'no-validator', recovering: true }]);
    s.host.validator = 'tab';
    await later(s, 15_000);
    expect(page.codes()).toEqual([]);
  });
});

describe('Start', () => {
  test('admitted, accepted, and paid what the ledger says', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    expect(page.state()).toMatchObject({ intent: 'running', activity: 'connecting' });
    await accepted(s, page, 2);
    await later(s, 2000);
    const { totals, identity, rounds, height, root } = page.state();
    const account = s.host.follower.ledger.accounts.get(identity);
    expect(totals).toMatchObject({ accepted: 2, refused: 0, credits: account?.credits });
    expect(totals.credits).toBeGreaterThan(0);
    expect(rounds.reduce((sum, { own }) => sum + (own?.credits ?? 0), 0)).toBe(totals.credits);
    expect(lastOwn(page)).toMatchObject({ outcome: 'accepted', reason: null });
    expect({ height, root }).toEqual({
      height: s.host.follower.head.height,
      root: toHex(s.host.follower.head.root),
    });
    expect(page.state().standing.vested + page.state().standing.provisional).toBe(totals.credits);
    expect(page.state().leaderboard.map(({ contributor }) => contributor)).toContain(identity);
    expect(page.state().heldOutLoss.length).toBeGreaterThan(0);
    expect(totals.tokens).toBeGreaterThan(0);
    for (const activity of [
      'connecting',
      'syncing',
      'waiting',
      'training',
      'compressing',
      'committing',
      'applying',
    ])
      expect(page.activities).toContain(activity);
    expect(page.codes()).toEqual([]);
  });

  test('two tabs of one machine are two contributors, both accepted, and free their identities', async () => {
    const s = await swarmOf();
    const machine = new Machine([await testIdentity('one'), await testIdentity('two')]);
    const pages = [await open(s, { name: 'a', machine }), await open(s, { name: 'b', machine })];
    for (const { session } of pages) session.actions.start();
    for (const page of pages) await accepted(s, page);
    expect(new Set(pages.map(({ state }) => state().identity)).size).toBe(2);
    expect(s.host.follower.last?.certificate.body.accepted).toHaveLength(2);
    for (const { session } of pages) session.actions.stop();
    await later(s, 1000);
    expect(machine.inUse).toBe(0);
  });

  test('Stop leaves nothing running; Start again goes on with the same credits', async () => {
    const s = await swarmOf();
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    const { credits } = page.state().totals;
    page.session.actions.stop();
    expect(page.state()).toMatchObject({ intent: 'idle', activity: 'idle', peers: [], tokensPerSecond: 0 });
    await later(s, 5000);
    expect(s.network.peers()).toEqual(['host']);
    expect(page.state().activity).toBe('idle');
    page.session.actions.start();
    await accepted(s, page, 2);
    expect(page.state().totals.credits).toBeGreaterThan(credits);
    expect(page.trainers).toHaveLength(2);
  });

  test('Start, Stop, Start at once makes one contributor', async () => {
    const s = await swarmOf();
    const page = await open(s);
    for (let i = 0; i < 3; i++) {
      page.session.actions.start();
      page.session.actions.start();
      page.session.actions.stop();
    }
    page.session.actions.start();
    await accepted(s, page);
    expect(s.network.peers()).toEqual(['host', 'page']);
    expect(s.host.follower.last?.certificate.body.accepted).toHaveLength(1);
  });

  test('a trainer that never answers is ended by Stop and does not block the next Start', async () => {
    /** As a worker that hangs in the driver: its calls fail when it is ended, not before. */
    class Hanging extends SimTrainer {
      readonly #gone = Promise.withResolvers<never>();
      override open(): Promise<never> {
        return this.#gone.promise;
      }
      override terminate(): void {
        super.terminate();
        this.#gone.reject(new Error('the trainer was ended'));
      }
    }
    const s = await swarmOf();
    const page = await open(s, {
      trainer: (made, nth) => (nth === 0 ? new Hanging(made) : new SimTrainer(made)),
    });
    page.session.actions.start();
    await later(s, 120_000);
    expect(page.trainers).toHaveLength(1);
    page.session.actions.stop();
    page.session.actions.start();
    await accepted(s, page);
    expect(page.codes()).toEqual([]);
  });

  test('in another site’s frame nothing starts', async () => {
    vi.stubGlobal('top', { location: { origin: 'https://elsewhere.example' } });
    vi.stubGlobal('self', {});
    vi.stubGlobal('location', { origin: 'https://here.example' });
    const s = await swarmOf();
    const page = await open(s);
    page.session.actions.start();
    page.session.actions.watch();
    await later(s, 30_000);
    expect(page.state()).toMatchObject({ intent: 'idle', problems: [{ code: 'framed' }] });
    expect(s.network.peers()).toEqual(['host']);
  });
});

describe('Pause', () => {
  test('no further step is done, the head still follows, and Resume goes on', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    page.session.actions.pause();
    expect(page.state()).toMatchObject({ intent: 'paused', activity: 'paused', tokensPerSecond: 0 });
    await later(s, 1000);
    const { innerSteps } = page.state().totals;
    const { height } = page.state();
    const { round } = page.state();
    await s.untilRound(round + 4);
    expect(page.state().totals.innerSteps).toBe(innerSteps);
    expect(page.state().height).toBeGreaterThan(height + 1);
    expect(page.state()).toMatchObject({ activity: 'paused', height: s.host.follower.head.height });
    const { accepted: before } = page.state().totals;
    page.session.actions.resume();
    expect(page.state()).toMatchObject({ intent: 'running' });
    await accepted(s, page, before + 1);
    expect(page.state().totals.innerSteps).toBeGreaterThan(innerSteps);
  });

  test('is nothing before Start, and a paused session is stopped like another', async () => {
    const s = await swarmOf();
    const page = await open(s);
    page.session.actions.pause();
    page.session.actions.resume();
    expect(page.state().intent).toBe('idle');
    page.session.actions.start();
    await accepted(s, page);
    page.session.actions.pause();
    page.session.actions.stop();
    await later(s, 1000);
    expect(page.state()).toMatchObject({ intent: 'idle', activity: 'idle' });
    expect(s.network.peers()).toEqual(['host']);
  });
});

describe('Watch', () => {
  test('follows the chain and its losses without a trainer, and turns into Start', async () => {
    const s = await swarmOf({ contributors: 2 });
    await s.untilHeight(2);
    const page = await open(s);
    page.session.actions.watch();
    await later(s, 3000);
    expect(page.state()).toMatchObject({ intent: 'watching', activity: 'waiting', height: 2 });
    await s.untilHeight(4);
    await later(s, 2000);
    expect(page.state()).toMatchObject({ height: 4, root: toHex(s.host.follower.head.root) });
    expect(page.state().rounds.map(({ own }) => own)).toEqual([null, null, null, null]);
    expect(page.state().heldOutLoss.length).toBeGreaterThan(1);
    expect(page.trainers).toEqual([]);
    expect(page.state().peers.length).toBeGreaterThan(0);
    page.session.actions.start();
    await accepted(s, page);
    expect(page.state().intent).toBe('running');
  });
});

test('a contribution can be shown once something was accepted, and not before or after', async () => {
  const s = await swarmOf();
  const page = await open(s);
  expect(await page.session.actions.contribution()).toBeNull();
  page.session.actions.start();
  await accepted(s, page);
  await later(s, 1000);
  let draft: Awaited<ReturnType<Session['actions']['contribution']>> | undefined;
  void page.session.actions.contribution().then((given) => {
    draft = given;
  });
  await until(s, () => draft !== undefined);
  expect(draft).not.toBeNull();
  page.session.actions.stop();
  await later(s, 1000);
  expect(await page.session.actions.contribution()).toBeNull();
});

test('a name travels to the others', async () => {
  const s = await swarmOf({ contributors: 1 });
  const [a, b] = [await open(s, { name: 'a' }), await open(s, { name: 'b' })];
  a.session.actions.setProfile('Ada', 'Analysts');
  a.session.actions.start();
  b.session.actions.watch();
  await accepted(s, a);
  await later(s, 40_000);
  const { identity } = a.state();
  expect(fromHex(identity)).toHaveLength(testHash('').byteLength);
  expect(b.state().leaderboard.find(({ contributor }) => contributor === identity)).toMatchObject({
    name: 'Ada',
  });
});
