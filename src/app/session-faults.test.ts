/** What happens to the page's session in a simulated swarm: faults that pass, the last round, and the volunteer's rules. */
import { describe, expect, test, vi } from 'vitest';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { toHex } from '../protocol/bytes.ts';
import { pause } from '../protocol/timer.ts';
import { hinder } from '../sim/testing.ts';
import { SimTrainer, type SimTrainerOptions } from '../sim/trainer.ts';
import { DoesNotFitError } from '../training/errors.ts';
import type { Problem } from './state.ts';
import { accepted, lastOwn, later, until, useSessions } from './testing-session.ts';

const { swarmOf, open } = useSessions();

describe('what goes wrong and passes', () => {
  test('the host is lost and comes back: told and cleared, credits kept, the tab goes on', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await later(s, 2000);
    const { credits } = page.state().totals;
    s.setHostAway(true);
    await later(s, 70_000);
    expect(page.state().problems).toMatchObject([{ code: 'host-unreachable', recovering: true }]);
    expect(page.state()).toMatchObject({ intent: 'running', host: 'unreachable' });
    expect(lastOwn(page)).toMatchObject({ outcome: 'lost', reason: 'no-certificate', credits: 0 });
    expect(page.state().totals.credits).toBe(credits);
    s.setHostAway(false);
    await accepted(s, page, 2);
    await later(s, 2000);
    expect(page.codes()).toEqual([]);
    expect(page.state().totals.credits).toBeGreaterThan(credits);
    expect(page.trainers).toHaveLength(1);
  });

  test('the device is lost: told, made anew, and told no more when it is open', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    page.trainers[0].loseDevice();
    await later(s, 500);
    expect(page.state().problems).toMatchObject([{ code: 'device-lost', recovering: true }]);
    expect(page.state().waitingFor).toMatchObject({ why: 'trouble', trouble: { code: 'device-lost' } });
    await accepted(s, page, 2);
    expect(page.trainers).toHaveLength(2);
    expect(page.codes()).toEqual([]);
  });

  test('a trainer that computes another state is told, and works on the certified one only', async () => {
    const s = await swarmOf({ contributors: 2 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    const [trainer] = page.trainers;
    const apply = trainer.apply.bind(trainer);
    let spoiled = 0;
    trainer.apply = (work) => apply(spoiled++ === 0 ? work.slice(1) : work);
    const seen: string[] = [];
    page.session.store.subscribe(() => seen.push(...page.codes()));
    await accepted(s, page, 3);
    await later(s, 3000);
    expect(new Set(seen)).toEqual(new Set(['out-of-sync']));
    expect(page.codes()).toEqual([]);
    expect(page.state().root).toBe(toHex(s.host.follower.head.root));
    expect(page.trainers.at(-1)?.roots.at(-1)).toEqual(s.host.follower.head.root);
  });

  test('certificates that were missed are asked for', async () => {
    const s = await swarmOf({ contributors: 2 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await later(s, 3000);
    const { height } = page.state();
    const heal = s.network.addRoute(hinder('page', ['certificate']));
    await s.untilHeight(height + 2);
    await later(s, 3000);
    expect(page.state().height).toBe(height);
    heal();
    await s.untilHeight(height + 3);
    await later(s, 3000);
    expect(page.state().height).toBe(height + 3);
    expect(page.state().root).toBe(toHex(s.host.follower.head.root));
    await later(s, 60_000);
    expect(lastOwn(page)).toMatchObject({ outcome: 'accepted' });
  });

  test('a damaged blob from the host is told and had from another tab', async () => {
    const s = await swarmOf({ contributors: 2 });
    await s.untilHeight(2);
    const [shard] = s.run.manifest.task.data.train;
    const name = toHex(shard.hash);
    const page = await open(s, {
      blob: (hash, bytes) => (hash === name ? bytes.map((byte, i) => (i === 50 ? byte ^ 1 : byte)) : bytes),
    });
    const seen: Problem[] = [];
    page.session.store.subscribe(({ problems }) => seen.push(...problems));
    page.session.actions.start();
    await accepted(s, page);
    expect(seen[0]).toEqual({ code: 'corrupt-data', recovering: true, source: 'host', hash: name });
    expect(page.codes()).toEqual([]);
    expect(page.activities).not.toContain('failed');
  });

  test('data that is nowhere to be had is told, asked for again, and used when it is there', async () => {
    const s = await swarmOf();
    const name = toHex(s.run.manifest.task.data.train[0].hash);
    let gone = true;
    const page = await open(s, { blob: (hash, bytes) => (gone && hash === name ? null : bytes) });
    page.session.actions.start();
    await later(s, 90_000);
    expect(page.state().problems).toMatchObject([{ code: 'blob-missing', recovering: true, hash: name }]);
    gone = false;
    await accepted(s, page);
    expect(page.codes()).toEqual([]);
  });

  test('a trainer that fails for good is told, and the tab leaves the swarm', async () => {
    const failure = new DoesNotFitError({
      misfit: { of: 'memory', name: '', bytes: 2 ** 30, most: null },
      batch: 1,
      sequence: 16,
      largest: null,
    });
    const s = await swarmOf();
    const page = await open(s, { trainer: failing(failure, (nth) => nth === 0) });
    page.session.actions.start();
    await later(s, 60_000);
    expect(page.codes()).toEqual(['adapter-too-small']);
    expect(page.state()).toMatchObject({ intent: 'running', activity: 'failed' });
    expect(s.network.peers()).toEqual(['host']);
    expect(page.trainers).toHaveLength(1);
    page.session.actions.stop();
    page.session.actions.start();
    await accepted(s, page);
  });

  test('a node that cannot be started, and an identity that cannot be had, are tried again with growing pauses', async () => {
    const s = await swarmOf();
    const tries: number[] = [];
    const page = await open(s, {
      platform: (base) => ({
        claimIdentity: async () => {
          tries.push(s.clock.now());
          if (tries.length < 3) throw new DOMException('The request was denied.', 'SecurityError');
          return base.claimIdentity();
        },
        joinSwarm: async (options) => {
          if (tries.length < 5) throw new TypeError('no sockets');
          return base.joinSwarm(options);
        },
      }),
    });
    page.session.actions.start();
    await later(s, 4000);
    expect(page.state()).toMatchObject({
      activity: 'waiting',
      waitingFor: { why: 'trouble' },
      problems: [{ code: 'internal', recovering: true }],
    });
    await accepted(s, page);
    const pauses = tries.slice(1).map((at, i) => Math.round(at - tries[i]));
    expect(pauses).toEqual([1000, 1700, 2890, 4913]);
    expect(page.codes()).toEqual([]);
  });

  test('what ends a visit for good never says that it goes on', async () => {
    const s = await swarmOf();
    const page = await open(s, { trainer: failing(new GpuUnavailableError('no-webgpu'), () => true) });
    page.session.actions.start();
    await later(s, 60_000);
    expect(page.state()).toMatchObject({
      activity: 'failed',
      waitingFor: { why: 'trouble', trouble: { recovering: false } },
      problems: [{ code: 'no-webgpu', recovering: false }],
    });
  });

  test('Stop takes with it what was told of the stay, and nothing says that it goes on', async () => {
    const s = await swarmOf();
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    s.setHostAway(true);
    await later(s, 20_000);
    expect(page.codes()).toEqual(['host-unreachable']);
    page.session.actions.stop();
    expect(page.codes()).toEqual([]);
    await later(s, 20_000);
    expect(page.codes()).toEqual([]);
  });
});

/** Trainers of which some do not open. */
const failing =
  (failure: Error, fails: (nth: number) => boolean) =>
  (made: SimTrainerOptions, nth: number): SimTrainer => {
    const trainer = new SimTrainer(made);
    if (fails(nth)) trainer.open = () => Promise.reject(failure);
    return trainer;
  };

describe('an adapter that is not offered', () => {
  const none = new GpuUnavailableError('no-adapter');

  test('before Start it is asked for again, and Start is possible when it is there', async () => {
    let asked = 0;
    const adapter = await navigator.gpu.requestAdapter();
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => (++asked < 4 ? null : adapter) } });
    const s = await swarmOf();
    const page = await open(s);
    await later(s, 2000);
    expect(page.state().problems).toEqual([{ code: 'no-adapter', recovering: true }]);
    await later(s, 10_000);
    expect(page.codes()).toEqual([]);
    expect(asked).toBe(4);
  });

  test('before Start it is missing after a minute of asking, and told as that', async () => {
    let asked = 0;
    vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => (asked++, null) } });
    const s = await swarmOf();
    const page = await open(s);
    await later(s, 50_000);
    expect(page.state().problems).toEqual([{ code: 'no-adapter', recovering: true }]);
    await later(s, 10_000);
    expect(page.state().problems).toEqual([{ code: 'no-adapter', recovering: false }]);
    await later(s, 600_000);
    expect(asked).toBe(8);
  });

  test('after Start it is asked for again', async () => {
    const s = await swarmOf();
    const page = await open(s, { trainer: failing(none, (nth) => nth < 5) });
    page.session.actions.start();
    await later(s, 3000);
    expect(page.state()).toMatchObject({
      problems: [{ code: 'no-adapter', recovering: true }],
      waitingFor: { why: 'trouble', trouble: { code: 'gpu-unavailable' } },
    });
    await accepted(s, page);
    expect(page.codes()).toEqual([]);
    expect(page.trainers).toHaveLength(6);
  });

  test('after Start it is missing after a minute of asking, and told as that', async () => {
    const s = await swarmOf();
    const page = await open(s, { trainer: failing(none, () => true) });
    page.session.actions.start();
    await later(s, 70_000);
    expect(page.state()).toMatchObject({
      activity: 'failed',
      problems: [{ code: 'no-adapter', recovering: false }],
    });
    expect(page.trainers).toHaveLength(8);
  });

  test('after a loss there is one banner at a time, and the work goes on whenever it is offered again', async () => {
    const s = await swarmOf({ contributors: 1 });
    let away = false;
    const page = await open(s, { trainer: failing(none, () => away) });
    const seen: string[][] = [];
    page.session.store.subscribe(() => seen.push(page.codes()));
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    away = true;
    page.trainers[0].loseDevice();
    await later(s, 30_000);
    expect(page.state().problems).toMatchObject([{ code: 'device-lost', recovering: true }]);
    await later(s, 60_000);
    expect(page.state().problems).toEqual([{ code: 'gpu-withdrawn', recovering: true }]);
    expect(page.state().activity).toBe('waiting');
    await later(s, 1_200_000);
    expect(page.codes()).toEqual(['gpu-withdrawn']);
    away = false;
    const { accepted: before } = page.state().totals;
    await accepted(s, page, before + 1);
    expect(page.codes()).toEqual([]);
    expect(seen.filter((codes) => codes.length > 1)).toEqual([]);
  });
});

describe('the last round', () => {
  test('is handed in and accepted, then the tab stops and says which it was', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    page.session.actions.finish(true);
    expect(page.state().control.finishing).toBe(true);
    await until(s, () => page.state().intent === 'idle');
    expect(page.state().totals.accepted).toBe(2);
    const { round } = page.state().rounds.at(-1) ?? { round: -1 };
    expect(page.state().control).toMatchObject({ finishing: false, finishedRound: round });
    expect(lastOwn(page)).toMatchObject({ outcome: 'accepted' });
    await later(s, 1000);
    expect(s.network.peers()).toEqual(['host', 'c0']);
  });

  test('is handed in and not counted: the tab stops as well', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    s.network.addRoute((from, to, bytes, at) =>
      from === 'page' ? hinder('host', ['commit', 'reveal'])(from, to, bytes, at) : [{ at, bytes }],
    );
    page.session.actions.finish(true);
    await until(s, () => page.state().intent === 'idle');
    expect(page.state().totals).toMatchObject({ accepted: 1 });
    expect(lastOwn(page)).toMatchObject({ outcome: 'refused', reason: 'late' });
  });

  test('"keep going after all" takes it back', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    page.session.actions.finish(true);
    await later(s, 1000);
    page.session.actions.finish(false);
    expect(page.state().control.finishing).toBe(false);
    await accepted(s, page, 3);
    expect(page.state().intent).toBe('running');
  });

  test('of a paused tab is handed in with what was done', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    await later(s, 6000);
    page.session.actions.pause();
    await later(s, 1000);
    const [trainer] = page.trainers;
    const finish = trainer.finish.bind(trainer);
    let finished = 0;
    trainer.finish = (tag) => {
      finished++;
      return finish(tag);
    };
    page.session.actions.finish(true);
    // At once: no further step will be done.
    await later(s, 1000);
    expect(finished).toBe(1);
    await until(s, () => page.state().intent === 'idle');
    expect(page.state().totals.accepted).toBe(2);
  });

  test('with nothing in hand is Stop', async () => {
    const s = await swarmOf();
    const page = await open(s);
    page.session.actions.start();
    page.session.actions.finish(true);
    expect(page.state().intent).toBe('idle');
    await later(s, 1000);
    expect(page.trainers).toEqual([]);
  });
});

describe('the rules', () => {
  test('a metered line: the round in hand is settled, then the tab leaves, and comes back', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.changeSettings({ metered: 'pause', downRate: 100_000 });
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    await later(s, 5000);
    page.browser.connect({ type: 'cellular' });
    expect(page.state().control.offline).toBe(true);
    expect(s.network.peers()).toContain('page');
    await until(s, () => !s.network.peers().includes('page'));
    expect(page.state().totals.accepted).toBe(2);
    await later(s, 90_000);
    expect(page.state()).toMatchObject({
      intent: 'running',
      activity: 'waiting',
      waitingFor: null,
      peers: [],
    });
    expect(s.network.peers()).not.toContain('page');
    page.browser.connect({ type: 'wifi' });
    await accepted(s, page, 3);
    expect(page.state().control.offline).toBe(false);
    expect(page.limit.limited('in')).toBe(true);
    expect(page.limit.limited('out')).toBe(false);
  });

  test('a metered line while nothing is in hand yet: the tab leaves at once', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s, {
      trainer: (made) => {
        const trainer = new SimTrainer(made);
        trainer.open = async () => {
          await pause(s.clock, 3_600_000);
          throw new Error('too late');
        };
        return trainer;
      },
    });
    page.session.actions.changeSettings({ metered: 'pause' });
    page.session.actions.start();
    await later(s, 5000);
    expect(s.network.peers()).toContain('page');
    let ended = 0;
    page.trainers[0].terminate = () => void ended++;
    page.browser.connect({ type: 'cellular' });
    expect(ended).toBe(1);
  });

  test('battery: at rest within the swarm, and on again on mains', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.changeSettings({ battery: 'mains' });
    page.session.actions.start();
    await accepted(s, page);
    await until(s, () => page.state().activity === 'training');
    page.browser.charge(0.9, false);
    await later(s, 1000);
    const { innerSteps } = page.state().totals;
    await later(s, 40_000);
    expect(page.state()).toMatchObject({ activity: 'waiting', tokensPerSecond: 0, intent: 'running' });
    expect(page.state().totals.innerSteps).toBe(innerSteps);
    expect(page.state().height).toBe(s.host.follower.head.height);
    const { accepted: before } = page.state().totals;
    page.browser.charge(0.9, true);
    await accepted(s, page, before + 1);
  });

  test('the share of the GPU and the limits on the line reach those who keep them', async () => {
    const s = await swarmOf({ contributors: 1 });
    const page = await open(s);
    page.session.actions.changeSettings({ gpuShare: 1 });
    page.session.actions.start();
    await accepted(s, page, 2);
    const full = lastOwn(page)?.innerSteps ?? 0;
    page.session.actions.changeSettings({ gpuShare: 0.25 });
    await accepted(s, page, 4);
    expect(lastOwn(page)?.innerSteps ?? 0).toBeLessThan(0.6 * full);
    expect(page.state().control.share).toBe(0.25);
    expect(page.limit.limited('in') || page.limit.limited('out')).toBe(false);
    page.session.actions.changeSettings({ downRate: 100_000, upRate: 50_000 });
    // A second's worth is saved up; what is more than that waits.
    expect(page.limit.delay('in', 200_000)).toBeCloseTo(1000);
    expect(page.limit.delay('out', 100_000)).toBeCloseTo(1000);
    page.session.actions.changeSettings({ downRate: null });
    expect(page.limit.limited('in')).toBe(false);
    expect(page.limit.limited('out')).toBe(true);
  });
});
