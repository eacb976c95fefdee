/** What becomes of the page when its host is away, half away, or no longer what it was. */
import { describe, expect, test } from 'vitest';
import { signManifest } from '../protocol/envelope.ts';
import { openRun } from '../chain/run.ts';
import { simManifest, type SimSwarm } from '../sim/swarm.ts';
import { accepted, later, type Page, until, useSessions } from './testing-session.ts';

const { swarmOf, open } = useSessions();

async function anotherRun(): Promise<{ bytes: Uint8Array; name: string }> {
  const { organizer, manifest } = await simManifest({ name: 'another run' });
  const bytes = await signManifest(organizer, manifest);
  const opened = await openRun(bytes);
  if (!opened.ok) throw new Error(opened.detail);
  return { bytes, name: opened.run.name };
}

async function working(s: SimSwarm): Promise<Page> {
  const page = await open(s);
  page.session.actions.start();
  await accepted(s, page);
  await until(s, () => page.state().activity === 'training');
  return page;
}

/** The host goes, and comes back as something else after so long; its WebSocket does not, if it is another. */
async function comesBack(s: SimSwarm, change: () => void | Promise<void>, socket = false): Promise<void> {
  s.setHostAway(true);
  await later(s, 5000);
  await change();
  s.host.reachable = true;
  if (socket) s.network.setHostState('connected');
}

describe('the host is no longer what it was', () => {
  test('another run at the address: told, nothing is computed for the old one, and Start stays off', async () => {
    const s = await swarmOf();
    const page = await working(s);
    const { name, bytes } = await anotherRun();
    await comesBack(s, () => {
      s.host.manifest = bytes;
    });
    await later(s, 20_000);
    expect(page.state()).toMatchObject({
      activity: 'failed',
      problems: [{ code: 'other-run', recovering: false, ours: s.run.name, theirs: name }],
    });
    expect(s.network.peers()).not.toContain('page');
    const { innerSteps } = page.state().totals;
    await later(s, 90_000);
    expect(page.state().totals.innerSteps).toBe(innerSteps);
    page.session.actions.stop();
    expect(page.codes()).toEqual(['other-run']);
  });

  test('another run at the address since the page was opened: Start is for the one that was shown', async () => {
    const s = await swarmOf();
    const page = await open(s);
    await later(s, 1000);
    s.host.manifest = (await anotherRun()).bytes;
    page.session.actions.start();
    await later(s, 5000);
    expect(page.state()).toMatchObject({ activity: 'failed', problems: [{ code: 'other-run' }] });
    expect(page.trainers).toEqual([]);
    expect(s.network.peers()).toEqual(['host']);
  });

  test('another version of the protocol: told as that, and the tab stops', async () => {
    const s = await swarmOf();
    const page = await working(s);
    await comesBack(s, () => {
      s.host.protocol = 99;
    });
    await later(s, 20_000);
    expect(page.state()).toMatchObject({
      activity: 'failed',
      problems: [{ code: 'protocol-version', recovering: false, theirs: 99 }],
    });
    expect(s.network.peers()).not.toContain('page');
  });

  test('the same run behind another node: joined anew by itself', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await working(s);
    const seen: string[] = [];
    page.session.store.subscribe(() => seen.push(...page.codes()));
    await comesBack(s, () => {
      s.host.relays = ['memory://host-without-its-key'];
    });
    await later(s, 15_000);
    s.network.setHostState('connected');
    const { accepted: before } = page.state().totals;
    await accepted(s, page, before + 1);
    expect(seen).toContain('host-changed');
    expect(page.codes()).toEqual([]);
    expect(page.trainers).toHaveLength(2);
  });

  test('a copy that lacks certified rounds: the chain is read anew by itself', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await working(s);
    await accepted(s, page, 3);
    const seen: string[] = [];
    page.session.store.subscribe(() => seen.push(...page.codes()));
    const { height } = page.state();
    await comesBack(s, () => s.host.loseNewest(2), true);
    await later(s, 15_000);
    expect(seen).toContain('host-changed');
    expect(page.state().height).toBe(height - 2);
    expect(page.state().problems.filter(({ recovering }) => !recovering)).toEqual([]);
  });

  test('the same run, node and chain: nothing but the absence is told', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await working(s);
    const seen: string[] = [];
    page.session.store.subscribe(() => seen.push(...page.codes()));
    await comesBack(s, () => {}, true);
    await accepted(s, page, 3);
    expect(new Set(seen)).toEqual(new Set(['host-unreachable']));
  });
});

describe('HTTP works, the WebSocket does not', () => {
  test('from the beginning: told as that, instead of a joining that never comes; then it goes on', async () => {
    const s = await swarmOf();
    const page = await open(s, {
      platform: (base) => ({
        joinSwarm: async (options) => {
          const swarm = await base.joinSwarm(options);
          s.network.setHostState('unreachable', ['page']);
          return swarm;
        },
      }),
    });
    page.session.actions.start();
    await later(s, 15_000);
    expect(page.state().problems).toEqual([
      { code: 'socket-refused', recovering: true, addresses: 'memory://host' },
    ]);
    expect(page.state()).toMatchObject({
      activity: 'waiting',
      waitingFor: { why: 'trouble', trouble: { code: 'socket-refused' } },
    });
    s.network.setHostState('connected', ['page']);
    await accepted(s, page);
    expect(page.codes()).toEqual([]);
  });

  test('a watcher is told as well', async () => {
    const s = await swarmOf();
    const page = await open(s);
    page.session.actions.watch();
    await later(s, 3000);
    s.network.setHostState('unreachable', ['page']);
    await later(s, 30_000);
    expect(page.state()).toMatchObject({
      problems: [{ code: 'socket-refused' }],
      waitingFor: { why: 'trouble' },
    });
    s.network.setHostState('connected', ['page']);
    await later(s, 3000);
    expect(page.state()).toMatchObject({ problems: [], waitingFor: null });
  });

  test('a host that was started again answers over HTTP first: no WebSocket was refused', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await working(s);
    const seen: string[] = [];
    page.session.store.subscribe(() => seen.push(...page.codes()));
    s.setHostAway(true);
    await later(s, 20_000);
    s.host.reachable = true;
    // The next dial, which is under way by then, works.
    s.network.setHostState('connecting');
    await later(s, 12_000);
    s.network.setHostState('connected');
    await accepted(s, page, 2);
    expect(new Set(seen)).toEqual(new Set(['host-unreachable']));
  });
});

describe('nobody is there', () => {
  test('after three rounds without host and validator nothing is computed, until the host is back', async () => {
    const s = await swarmOf();
    const page = await working(s);
    s.setHostAway(true);
    await later(s, 80_000);
    expect(page.state().activity).not.toBe('failed');
    await later(s, 60_000);
    const { innerSteps } = page.state().totals;
    await later(s, 600_000);
    expect(page.state().totals.innerSteps).toBe(innerSteps);
    expect(page.state()).toMatchObject({
      intent: 'running',
      activity: 'waiting',
      waitingFor: { why: 'trouble', trouble: { code: 'host-unreachable' } },
    });
    s.setHostAway(false);
    const { accepted: before } = page.state().totals;
    await accepted(s, page, before + 1);
    expect(page.codes()).toEqual([]);
  });

  test('a tab without its own way to the host works on as long as others bring certificates', async () => {
    const s = await swarmOf({ contributors: 2 });
    const page = await working(s);
    s.network.setHostState('unreachable', ['page']);
    const { innerSteps } = page.state().totals;
    await later(s, 200_000);
    expect(page.state().totals.innerSteps).toBeGreaterThan(innerSteps + 50);
    expect(page.state().height).toBe(s.host.follower.head.height);
  });
});

describe('a key that is not kept', () => {
  test.each(['blocked', 'failed'] as const)('(%s) is told before Start, and the tab works', async (why) => {
    const s = await swarmOf();
    const page = await open(s, {
      keeping: { notKept: why, promised: false },
      platform: (base) => ({
        claimIdentity: async () => ({ ...(await base.claimIdentity()), notKept: why }),
      }),
    });
    await later(s, 1000);
    expect(page.state()).toMatchObject({
      intent: 'idle',
      keeping: { notKept: why },
      problems: [{ code: 'key-not-kept', recovering: false, why }],
    });
    page.session.actions.start();
    await accepted(s, page);
    expect(page.codes()).toEqual(['key-not-kept']);
    page.session.actions.stop();
    expect(page.codes()).toEqual(['key-not-kept']);
  });

  test('one that is kept after all is no problem; storage is asked to last at Start, and not before', async () => {
    const s = await swarmOf();
    const page = await open(s);
    await later(s, 1000);
    expect(page.state()).toMatchObject({ keeping: { notKept: null, promised: false }, problems: [] });
    page.session.actions.start();
    await accepted(s, page);
    expect(page.state().keeping).toEqual({ notKept: null, promised: true });
  });

  test('more tabs than keys: told when it is known', async () => {
    const s = await swarmOf();
    const page = await open(s, {
      platform: (base) => ({
        claimIdentity: async () => ({ ...(await base.claimIdentity()), notKept: 'too-many-tabs' }),
      }),
    });
    page.session.actions.start();
    await accepted(s, page);
    expect(page.state().problems).toEqual([
      { code: 'key-not-kept', recovering: false, why: 'too-many-tabs' },
    ]);
  });
});
