/** Whole rounds of what ships, in virtual time: a host, a seat and contributors, and what goes wrong between them. */
import { afterEach, expect, test } from 'vitest';
import { encodeLink } from '../chain/links.ts';
import { toHex } from '../protocol/bytes.ts';
import type { HandoverAnswer } from '../swarm/handover.ts';
import { SimHost } from './host.ts';
import { hinder } from './testing.ts';
import { createSimSwarm, simManifest, type SimPeer, type SimSwarm, type SimSwarmOptions } from './swarm.ts';

let sim: SimSwarm | null = null;
afterEach(async () => {
  const swarm = sim;
  sim = null;
  await swarm?.stop();
});

async function swarmOf(options: SimSwarmOptions): Promise<SimSwarm> {
  sim = await createSimSwarm(options);
  return sim;
}

/** Names of the peers whose state is not the host's. */
const strayed = ({ peers, host }: SimSwarm): string[] =>
  peers
    .filter(({ root }) => root === null || toHex(root) !== toHex(host.follower.head.root))
    .map(({ name }) => name);
const codes = ({ troubles }: SimPeer): string[] => [...new Set(troubles.map(({ code }) => code))];
/** Accepted entries of the newest certificate. */
const accepted = ({ host }: SimSwarm): number | undefined =>
  host.follower.last?.certificate.body.accepted.length;

test('five contributors: a certificate a round, and everybody has its state', async () => {
  const s = await swarmOf({ contributors: 5 });
  for (let round = 1; round <= 5; round++) {
    await s.untilHeight(round + 1);
    await s.clock.run(s.clock.now() + 3000);
    expect(strayed(s)).toEqual([]);
    expect(accepted(s)).toBe(5);
    expect(s.host.follower.head.round).toBe(round);
  }
  expect(s.peers.flatMap(codes)).toEqual([]);
  expect(s.peers.map(({ lost }) => lost.length)).toEqual([0, 0, 0, 0, 0]);
  expect(s.reports.filter(({ is }) => is !== 'certified')).toEqual([]);
});

test('the same swarm plays twice to the same chain', async () => {
  const heads: string[] = [];
  for (let play = 0; play < 2; play++) {
    const s = await createSimSwarm({ contributors: 3, network: { latencyMs: 25 } });
    await s.untilHeight(4);
    heads.push(toHex(s.host.follower.head.hash));
    await s.stop();
  }
  expect(heads[0]).toBe(heads[1]);
});

test('one leaves after its round, one at once; the others go on', async () => {
  const s = await swarmOf({ contributors: 4 });
  await s.untilRound(2);
  s.peers[0].finish();
  s.peers[1].leave();
  await s.untilRound(3);
  expect(s.peers.map(({ ended }) => ended)).toEqual([true, true, false, false]);
  expect(s.peers[0].submitted.at(-1)).toBe(2);
  expect(accepted(s)).toBe(3);
  await s.untilHeight(4);
  expect(accepted(s)).toBe(2);
});

test('the host is away for two rounds: nothing is certified, then all goes on from where it was', async () => {
  const s = await swarmOf({ contributors: 3 });
  await s.untilRound(2);
  const { height } = s.host.follower.head;
  s.setHostAway(true);
  await s.untilRound(4);
  expect(s.host.follower.head.height).toBe(height);
  s.setHostAway(false);
  await s.untilRound(6);
  expect(s.host.follower.head.height).toBeGreaterThanOrEqual(height + 1);
  await s.untilHeight(height + 3);
  await s.clock.run(s.clock.now() + 3000);
  expect(accepted(s)).toBe(3);
  expect(strayed(s)).toEqual([]);
  expect(s.peers.every(({ lost }) => lost.length > 0)).toBe(true);
});

test('who joins while the host is down tries until it is back', async () => {
  const s = await swarmOf({ contributors: 2 });
  await s.untilRound(1);
  s.host.reachable = false;
  const late = await s.add();
  await s.untilRound(2);
  expect(codes(late)).toEqual(['host-unreachable']);
  expect(late.stay).toBeNull();
  s.host.reachable = true;
  s.host.delayMs = 500;
  await s.untilRound(5);
  expect(late.submitted.length).toBeGreaterThan(0);
});

test('certificates that get lost on the way are asked for, and the work is not lost', async () => {
  const s = await swarmOf({ contributors: 3 });
  await s.untilRound(2);
  const heal = s.network.addRoute(hinder('c0', ['certificate']));
  await s.untilRound(4);
  expect(s.peers[0].stay?.follower.head.height).toBe(2);
  heal();
  await s.untilRound(6);
  await s.untilHeight(6);
  await s.clock.run(s.clock.now() + 3000);
  expect(strayed(s)).toEqual([]);
  expect(accepted(s)).toBe(3);
});

test('a late joiner starts from the newest checkpoint and applies what came after it', async () => {
  const s = await swarmOf({ contributors: 2, host: { checkpointEvery: 3 } });
  await s.untilHeight(5);
  const late = await s.add();
  await s.untilRound(6);
  expect(late.stay?.follower.head.height).toBe(s.host.follower.head.height);
  await s.untilRound(8);
  expect(accepted(s)).toBe(3);
  expect(strayed(s)).toEqual([]);
});

test('a lost device costs a round: a new one starts from a checkpoint', async () => {
  const s = await swarmOf({ contributors: 2 });
  const at = s.run.rounds.start(2) + 10_000;
  const unlucky = await s.add({ trainer: { loseDeviceAt: at } });
  await s.untilRound(6);
  expect(codes(unlucky)).toEqual(['device-lost']);
  expect(unlucky.trainers).toHaveLength(2);
  expect(strayed(s)).toEqual([]);
  expect(accepted(s)).toBe(3);
});

test('a clock that is minutes wrong is put right by the host', async () => {
  const s = await swarmOf({ contributors: 1 });
  await s.add({ skewMs: 240_000 });
  await s.add({ skewMs: -240_000 });
  await s.untilRound(3);
  expect(accepted(s)).toBe(3);
  expect(s.peers.flatMap(({ lost }) => lost)).toEqual([]);
});

test('pause, share and speed decide how many steps a round has', async () => {
  const s = await swarmOf({});
  const [slow, half, paused] = [
    await s.add({ trainer: { stepMs: 2000 } }),
    await s.add({ hooks: { working: (at) => void at?.trainer.setGpuShare(0.5) } }),
    await s.add(),
  ];
  const full = await s.add();
  // Training for a round begins with the certificate of the one before, a little after its commit deadline.
  await s.clock.run(s.run.rounds.deadlines(1).commit + 5000);
  await paused.trainers[0].setPaused(true);
  await s.untilRound(3);
  const entries = s.host.follower.last?.certificate.body.accepted ?? [];
  const units = ({ identity }: SimPeer): number | undefined =>
    entries.find(({ contributor }) => toHex(contributor) === toHex(identity.publicKey))?.units;
  // 28 s from the commit deadline to the end of the next window: half as many steps at half the share, and the most a round
  // counts at the full. The pause comes in the eleventh step, which is still finished.
  const { maxInnerSteps } = s.run.manifest.task.training;
  expect([slow, half, paused, full].map(units)).toEqual([14, 28, 11, maxInnerSteps].map((n) => 16 * n));
});

test('a host takes links that are handed over, in order, and again after it lost them', async () => {
  const s = await swarmOf({ contributors: 2 });
  await s.untilHeight(3);
  const links = (await s.host.for(s.clock).links(1)).map(encodeLink);
  const { theta, blobs } = await simManifest();
  const { run, clock, network } = s;
  const other = await SimHost.open({ run, theta, blobs, clock, swarm: network.join('other') });
  const handed = async (height: number): Promise<HandoverAnswer | null> => {
    let answer: HandoverAnswer | null = null;
    void other.handOver(links[height - 1], new AbortController().signal).then((given) => {
      answer = given;
    });
    await clock.run(() => answer !== null);
    return answer;
  };
  expect(await handed(2)).toEqual({ stored: false, retry: false, code: 'gap', height: 0 });
  for (const height of [1, 2, 3]) expect(await handed(height)).toEqual({ stored: true });
  expect(other.follower.head).toEqual(s.host.follower.head);
  await other.loseNewest(2);
  expect(other.height).toBe(1);
  for (const height of [2, 3]) expect(await handed(height)).toEqual({ stored: true });
  expect(toHex(other.follower.head.root)).toBe(toHex(s.host.follower.head.root));
  other.reachable = false;
  expect(await handed(3)).toMatchObject({ code: 'not-connected' });
  await expect(other.for(clock).head()).rejects.toThrow('unreachable');
});

test('in a run with audits everybody is asked, shows its work and passes', async () => {
  const base = { maxAccepted: 16, evaluationScale: 0.2, evaluationSequences: 8, heldOutSequences: 16 };
  const asked: number[] = [];
  const s = await swarmOf({
    contributors: 3,
    manifest: { gauntlet: { ...base, maxNormRatio: 10, maxOverlap: 0.6, auditsPerRound: 2 } },
    replays: {
      replay: async ({ job }) => {
        asked.push(job.innerSteps);
        return { work: 0, moment1: 0, moment2: 0, sent: 0, steps: 0 };
      },
      close: async () => {},
    },
  });
  await s.untilRound(6);
  const accounts = [...s.host.follower.ledger.accounts.values()];
  expect(accounts).toHaveLength(3);
  expect(accounts.every(({ verified }) => verified > 0)).toBe(true);
  expect(asked.length).toBeGreaterThanOrEqual(6);
  expect(s.reports.filter(({ is }) => is === 'audit-given-up')).toEqual([]);
  expect(strayed(s)).toEqual([]);
});
