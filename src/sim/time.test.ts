/**
 * A whole swarm whose clocks are set while it works: a contributor's or the host's, by seconds or by a year, forwards and
 * back, in each phase of a round. No round is certified that real time does not allow, and work goes on.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { Waiting } from '../peer/reasons.ts';
import { SetClock, SimMachine } from './machine.ts';
import { createSimSwarm, simManifest, type SimSwarm, type SimSwarmOptions } from './swarm.ts';
import { VIRTUAL_START, type VirtualClock } from './virtual-clock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;
const ROUND = 30_000;

let sim: SimSwarm | null = null;
afterEach(async () => {
  await sim?.stop();
  sim = null;
});

async function world(options: SimSwarmOptions = {}): Promise<SimSwarm> {
  sim = await createSimSwarm({ ...options, clock: { limit: VIRTUAL_START + 10 * DAY } });
  return sim;
}

/** A swarm whose host and validator follow a clock that can be set. */
async function settable(contributors: number) {
  const box: { host?: SetClock } = {};
  const made = await world({
    contributors,
    hostClock: (clock: VirtualClock) => (box.host = new SetClock(clock)),
  });
  return { sim: made, host: box.host as SetClock };
}

/** The round by true time. */
const trueRound = (s: SimSwarm): number => s.run.rounds.round(s.clock.now());
const passRounds = (s: SimSwarm, rounds: number): Promise<void> =>
  s.clock.run(s.clock.now() + rounds * ROUND);

describe('the clock of a contributor’s machine', () => {
  test.each(
    [HOUR, -600_000, DAY, -YEAR, 5000].flatMap((byMs) =>
      [2000, 15_000, 21_000, 23_500, 28_000].map((at) => [byMs, at] as const),
    ),
  )('is set by %i ms, %i ms into a round: named, and no later round is lost', async (byMs, at) => {
    const s = await world({ contributors: 1 });
    const machine = new SimMachine(s.clock, 4000);
    const peer = await s.add({ name: 'stepped', machine: machine.clock });
    await s.untilRound(3);
    await s.clock.run(s.clock.now() + at);
    machine.step(byMs);
    await s.untilRound(7);
    expect(peer.troubles).toContainEqual({ code: 'clock-jumped', recovering: true, whose: 'own', byMs });
    expect(peer.submitted).toEqual(expect.arrayContaining([4, 5]));
    expect(peer.lost).toEqual([]);
    expect(s.host.follower.head.round).toBeGreaterThanOrEqual(5);
    expect(s.reports.filter(({ is }) => is === 'clock-ahead' || is === 'chain-ahead')).toEqual([]);
  });
});

describe('the clock of host and validator', () => {
  test.each([HOUR, DAY, YEAR])(
    'is %i ms ahead for two rounds and put right: nothing was signed, and work goes on',
    async (ahead) => {
      const { sim: s, host } = await settable(2);
      await s.untilHeight(3);
      const before = s.host.follower.head.round;
      await s.clock.run(s.clock.now() + 7000);
      host.aheadMs = ahead;
      await passRounds(s, 2);
      expect(s.host.follower.head.round).toBe(before);
      expect(s.reports).toContainEqual(expect.objectContaining({ is: 'clock-ahead' }));
      expect(s.seat.validator.roundsLost).toBeGreaterThan(0);
      for (const peer of s.peers)
        expect(peer.troubles).toContainEqual(
          expect.objectContaining({ code: 'clock-jumped', whose: 'host', byMs: ahead }),
        );

      host.aheadMs = 0;
      const right = trueRound(s);
      await passRounds(s, 3);
      expect(s.host.follower.head.round).toBeGreaterThan(right);
      expect(s.host.follower.head.round).toBeLessThanOrEqual(trueRound(s));
      for (const peer of s.peers) expect(peer.submitted.some((round) => round > right)).toBe(true);
    },
  );

  test('goes back: the chain is ahead, which is said and counted, and goes on when its time comes', async () => {
    const { sim: s, host } = await settable(1);
    await s.untilHeight(4);
    const certified = s.host.follower.head.round;
    const lost = s.seat.validator.roundsLost;
    host.aheadMs = -5 * ROUND;
    await passRounds(s, 3);
    expect(s.host.follower.head.round).toBe(certified);
    expect(s.seat.validator.roundsLost).toBeGreaterThanOrEqual(lost + 2);
    expect(s.reports).toContainEqual(expect.objectContaining({ is: 'chain-ahead', certified }));
    expect(s.peers[0].troubles).toContainEqual(expect.objectContaining({ code: 'chain-ahead' }));
    await passRounds(s, 6);
    expect(s.host.follower.head.round).toBeGreaterThan(certified);
  });

  test('is set to and fro in no order: every certified round is within two of the time that really passed', async () => {
    const { sim: s, host } = await settable(2);
    const steps = [HOUR, -ROUND, 0, YEAR, 45_000, -2 * ROUND, 61_000, 0, DAY, 0];
    await s.untilHeight(2);
    for (const ahead of steps) {
      host.aheadMs = ahead;
      await s.clock.run(s.clock.now() + ROUND + 7000);
      expect(s.host.follower.head.round).toBeLessThanOrEqual(trueRound(s) + 2);
    }
    await passRounds(s, 5);
    expect(s.host.follower.head.round).toBeGreaterThanOrEqual(trueRound(s) - 2);
  });
});

test('a run that begins in the future says so, has no negative round, and begins', async () => {
  const { manifest } = await simManifest();
  const startMs = VIRTUAL_START + HOUR;
  const s = await world({ manifest: { schedule: { ...manifest.schedule, startMs } } });
  const waits: (Waiting | null)[] = [];
  const peer = await s.add({ hooks: { activity: (_, waiting) => void waits.push(waiting) } });
  await s.clock.run(VIRTUAL_START + 60_000);
  expect(peer.troubles).toContainEqual({ code: 'not-begun', recovering: true, beginsAt: startMs });
  expect(waits.at(-1)).toMatchObject({ why: 'not-begun' });
  expect(s.run.rounds.phase(s.clock.now())).toMatchObject({ round: 0, phase: 'before', endsAt: startMs });
  await s.clock.run(startMs + 6 * ROUND);
  expect(s.host.follower.head.height).toBeGreaterThan(2);
  expect(peer.submitted.length).toBeGreaterThan(1);
});
