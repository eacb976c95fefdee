/** `tabswarm join` in a simulated swarm: what it prints, how it ends, and what keeps it from starting. */
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Host } from '../peer/host.ts';
import { idleShare } from '../peer/time-use.ts';
import { openKeyFile } from '../platform/node/key-file.ts';
import type { NodePlatformOptions } from '../platform/node/platform.ts';
import { toHex } from '../protocol/bytes.ts';
import { testIdentity } from '../protocol/testing.ts';
import { simPlatform } from '../sim/platform.ts';
import { createSimSwarm, type SimSwarm, type SimSwarmOptions } from '../sim/swarm.ts';
import { kindOf } from '../sim/testing.ts';
import { SimTrainer } from '../sim/trainer.ts';
import { join, type JoinParts } from './join.ts';
import type { RoundReport } from './round-log.ts';

let sim: SimSwarm | null = null;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(pathOf(tmpdir(), 'tabswarm-join-'));
});
afterEach(async () => {
  const swarm = sim;
  sim = null;
  await swarm?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function swarmOf(options: SimSwarmOptions): Promise<SimSwarm> {
  sim = await createSimSwarm(options);
  return sim;
}

const ADAPTER = {
  vendor: 'test',
  architecture: 'swiftshader',
  description: 'A test device',
  software: true,
  shaderF16: false,
  subgroups: false,
  timestampQuery: false,
  subgroupMinSize: 0,
  subgroupMaxSize: 0,
  workgroupBytes: 16_384,
  maxBufferSize: 2 ** 30,
  maxStorageBufferBindingSize: 2 ** 30,
};

/** A process that joined. */
interface Joined {
  readonly key: Uint8Array;
  readonly out: string[];
  readonly err: string[];
  readonly trainers: SimTrainer[];
  reports(): RoundReport[];
  ctrlC(): void;
  /** Exit code; null while it runs. */
  code: number | null;
  failed: unknown;
}

/** Joins as a process would, its machine being one of the simulation. */
async function joined(s: SimSwarm, args: string[], parts: Partial<JoinParts> = {}): Promise<Joined> {
  const identity = await testIdentity('node');
  let interrupt = (): void => {};
  const it: Joined = {
    key: identity.publicKey,
    out: [],
    err: [],
    trainers: [],
    reports: () => it.out.map((line) => JSON.parse(line) as RoundReport),
    ctrlC: () => interrupt(),
    code: null,
    failed: null,
  };
  const all: JoinParts = {
    platform: (options: NodePlatformOptions) => {
      const platform = simPlatform({ network: s.network, host: s.host, name: 'node', identity });
      return {
        ...platform,
        claimIdentity: () => {
          options.onKey?.({ path: options.keyFile(), created: false, exposed: true });
          return platform.claimIdentity();
        },
        joinSwarm: async (joining) => {
          options.onDirect?.({ available: false, why: 'webrtc-not-loaded', cause: 'no binary' });
          return platform.joinSwarm(joining);
        },
      };
    },
    host: (_, clock) => s.host.for(clock),
    chooseDevice: async () => ({ kind: 'cpu', adapter: ADAPTER }),
    startTrainer: () => {
      const trainer = new SimTrainer({ layout: s.run.layout, clock: s.clock });
      it.trainers.push(trainer);
      return trainer;
    },
    onInterrupt: (callback) => {
      interrupt = callback;
      return () => {
        interrupt = () => {};
      };
    },
    ...parts,
  };
  const output = { out: (line: string) => it.out.push(line), err: (line: string) => it.err.push(line) };
  join(['http://host.test', ...args], output, all).then(
    (code) => {
      it.code = code;
    },
    (error: unknown) => {
      it.failed = error;
    },
  );
  return it;
}

const ended = (s: SimSwarm, it: Joined): Promise<void> =>
  s.clock.run(() => it.code !== null || it.failed !== null);
const said = (lines: readonly string[], pattern: RegExp): string[] =>
  lines.filter((line) => pattern.test(line));
test('a line of JSON for each round from the admission on, and nothing else on stdout', async () => {
  const s = await swarmOf({ contributors: 2 });
  await s.untilRound(2);
  const it = await joined(s, ['--json', '--name', 'Nora\u200b  N', '--share', '25']);
  await s.untilHeight(7);
  await s.clock.run(s.clock.now() + 2000);
  const reports = it.reports();
  const first = reports.findIndex(({ admitted }) => admitted);
  expect(reports[first]).toMatchObject({ outcome: 'absent', innerSteps: 0, credits: 0, trainLoss: null });
  const worked = reports.slice(first + 1);
  expect(worked.length).toBeGreaterThanOrEqual(3);
  let sum = 0;
  for (const [i, report] of worked.entries()) {
    sum += report.credits;
    expect(report).toMatchObject({
      round: worked[0].round + i,
      outcome: 'accepted',
      reason: null,
      admitted: false,
      contributors: 3,
      heldOutLoss: expect.any(Number),
      directLinks: 2,
    });
    expect(report.innerSteps).toBeGreaterThan(0);
    expect(report.tokensPerSecond).toBeGreaterThan(0);
    expect(report.totalCredits).toBeCloseTo(sum, 6);
  }
  // Three quarters of the training time is rest that was asked for; judging and the rest of a round are idle time.
  const { timeUse, idle } = worked.at(-1) as RoundReport;
  expect(timeUse.rest).toBeGreaterThan(1.5 * timeUse.steps);
  expect(timeUse.wait).toBeGreaterThan(0);
  expect(idle).toBeCloseTo(idleShare(timeUse) ?? 0, 9);
  expect(idle).toBeLessThan(1);
  expect(worked.at(-1)).toMatchObject({
    height: s.host.follower.head.height,
    root: toHex(s.host.follower.head.root),
  });
  // Three quarters of the time rested, and so fewer steps than the others.
  const full = s.host.follower.last?.certificate.body.accepted.map(({ units }) => units) ?? [];
  expect(worked.at(-1)?.tokens).toBeLessThan(0.6 * Math.max(...full));
  expect(s.peers[0].stay?.inbox.profiles.get(toHex(it.key))?.name).toBe('Nora N');
  for (const pattern of [
    /A test device.*25 %/,
    /Run  .*test run/,
    /no binary/,
    /\.key$/,
    /chmod 600/,
    /^round \d+ · accepted/,
  ])
    expect(said(it.err, pattern).length, String(pattern)).toBeGreaterThan(0);
  it.ctrlC();
  await ended(s, it);
});

test('a first Ctrl-C finishes the round in hand, and says how long that may take', async () => {
  const s = await swarmOf({ contributors: 2 });
  const it = await joined(s, ['--json']);
  await s.untilRound(4);
  it.ctrlC();
  // A terminal and a wrapper may both send it.
  it.ctrlC();
  expect(said(it.err, /^Finishing round 4, which takes \d+ s at most\. Ctrl-C again/)).toHaveLength(1);
  await ended(s, it);
  expect(it.code).toBe(0);
  expect(it.reports().at(-1)).toMatchObject({ round: 4, outcome: 'accepted' });
  expect(it.err.at(-1)).toMatch(
    /^Done: \d accepted rounds since the start, \d+\.\d\d credits in all\. The device was idle for \d+\.\d % of the time\.$/,
  );
  expect(s.clock.now()).toBeLessThan(s.run.rounds.start(5) + 2000);
  await s.untilHeight(6);
  expect(s.host.follower.last?.certificate.body.accepted).toHaveLength(2);
});

test('a second Ctrl-C stops at once: the round’s work is lost, nothing is left running', async () => {
  const s = await swarmOf({ contributors: 2 });
  const it = await joined(s, ['--json']);
  await s.untilRound(4);
  it.ctrlC();
  await s.clock.run(s.clock.now() + 2000);
  expect(it.code).toBeNull();
  it.ctrlC();
  await ended(s, it);
  expect(it.code).toBe(130);
  expect(s.run.rounds.round(s.clock.now())).toBe(4);
  expect(it.reports().every(({ round }) => round < 4)).toBe(true);
  await expect(it.trainers[0].theta()).rejects.toThrow();
});

test('while the host is away it says so once, tries on, and takes part when it is back', async () => {
  const s = await swarmOf({ contributors: 1 });
  s.host.reachable = false;
  const it = await joined(s, []);
  await s.clock.run(s.clock.now() + 120_000);
  expect(said(it.err, /No host answers.*It is tried again by itself\./)).toHaveLength(1);
  s.host.reachable = true;
  await s.clock.run(() => said(it.out, /^round \d+ · accepted/).length > 0);
  expect(said(it.err, /trouble is over/)).toHaveLength(1);
  it.ctrlC();
  await ended(s, it);
  expect(it.code).toBe(0);
});

test('Ctrl-C with nothing in hand ends at once', async () => {
  const s = await swarmOf({});
  s.host.reachable = false;
  const it = await joined(s, []);
  await s.clock.run(s.clock.now() + 5000);
  it.ctrlC();
  await ended(s, it);
  expect(it.code).toBe(0);
  expect(it.out).toContain('Stopping: no round is in hand.');
});

test('a refused round has the reason and the validator’s figures', async () => {
  const s = await swarmOf({ contributors: 2 });
  const it = await joined(s, ['--json']);
  await s.untilRound(3);
  const heal = s.network.addRoute((from, _to, bytes, at) =>
    from === 'node' && kindOf(bytes) === 'reveal' ? [] : [{ at, bytes }],
  );
  await s.untilHeight(4);
  await s.clock.run(s.clock.now() + 2000);
  heal();
  const refused = it.reports().find(({ outcome }) => outcome === 'refused');
  expect(refused).toMatchObject({ round: 3, height: 4, note: { code: 'never-revealed' }, credits: 0 });
  expect(said(it.err, /^round 3 · refused \(.*nothing was revealed/)).toHaveLength(1);
  await s.untilHeight(6);
  await s.clock.run(s.clock.now() + 2000);
  expect(it.reports().at(-1)).toMatchObject({ outcome: 'accepted' });
});

test('rounds without a certificate are told: lost with own work in it, absent without', async () => {
  const s = await swarmOf({ contributors: 1 });
  const it = await joined(s, ['--json']);
  await s.untilRound(3);
  s.setHostAway(true);
  await s.untilRound(4);
  await s.clock.run(s.clock.now() + 5000);
  expect(it.reports().at(-1)).toMatchObject({
    round: 3,
    outcome: 'lost',
    reason: null,
    height: null,
    root: null,
    credits: 0,
    innerSteps: expect.any(Number),
  });
  s.setHostAway(false);
  await s.clock.run(() => it.reports().at(-1)?.outcome === 'accepted');
  // Nobody's work is revealed: the validators say that the round has no certificate.
  const heal = s.network.addRoute((_from, _to, bytes, at) =>
    kindOf(bytes) === 'reveal' || kindOf(bytes) === 'commit' ? [] : [{ at, bytes }],
  );
  const next = s.run.rounds.round(s.clock.now()) + 1;
  await s.untilRound(next + 1);
  await s.clock.run(s.clock.now() + 5000);
  heal();
  expect(it.reports().find(({ round }) => round === next)).toMatchObject({ height: null, contributors: 0 });
  expect(new Set(it.reports().map(({ round }) => round)).size).toBe(it.reports().length);
});

test('a lost device is opened anew by itself', async () => {
  const s = await swarmOf({ contributors: 2 });
  const it = await joined(s, ['--json']);
  await s.untilRound(3);
  await s.clock.run(s.clock.now() + 5000);
  it.trainers[0].loseDevice();
  await s.untilHeight(6);
  await s.clock.run(s.clock.now() + 2000);
  expect(said(it.err, /device was lost/)).toHaveLength(1);
  expect(it.trainers).toHaveLength(2);
  expect(it.reports().at(-1)).toMatchObject({ outcome: 'accepted' });
});

test('a host that speaks another protocol ends it with code 1 and says what to do', async () => {
  const s = await swarmOf({});
  const other = (host: Host): Host =>
    Object.assign(Object.create(host) as Host, {
      run: async () => ({ ...(await host.run()), protocol: 99 }),
    });
  const it = await joined(s, [], { host: (_, clock) => other(s.host.for(clock)) });
  await ended(s, it);
  expect(it.code).toBe(1);
  expect(said(it.err, /version 99 of the protocol, this program 4: update/)).toHaveLength(1);
});

const never = (): never => {
  throw new Error('work was begun');
};
const untouched: JoinParts = {
  platform: never,
  host: never,
  chooseDevice: never,
  startTrainer: never,
  onInterrupt: never,
};
const quiet = { out: () => {}, err: () => {} };

test.each([
  [[], /needs the host's URL/],
  [['http://a', 'b'], /"b" is not understood/],
  [['host:8780'], /must begin with http/],
  [['localhost'], /is no URL/],
  [['http://a', '--share', '9'], /--share is a whole number from 10 to 100/],
  [['http://a', '--share', '101'], /--share/],
  [['http://a', '--share', ''], /--share/],
  [['http://a', '--device', 'tpu'], /--device is gpu or cpu, not "tpu"/],
  [['http://a', '--name', '\u200b'], /--name has nothing/],
  [['http://a', '--colour'], /--colour/],
])('arguments are checked before any work: %j', async (args, message) => {
  await expect(join(args, quiet, untouched)).rejects.toThrow(message);
  await expect(join(args, quiet, untouched)).rejects.toMatchObject({ name: 'UsageError' });
});

test('a host’s address is taken with a path, a slash or a part of the page', async () => {
  const s = await swarmOf({});
  const identity = await testIdentity('x');
  const asked: string[] = [];
  const host = (url: string): never => {
    asked.push(url);
    throw new Error('far enough');
  };
  for (const url of ['http://a:1', 'http://a:1/', 'https://a/run/', 'https://a/run?x=1#validate']) {
    const parts = {
      ...untouched,
      host,
      chooseDevice: async () => ({ kind: 'cpu', adapter: ADAPTER }) as const,
    };
    const platform = () => simPlatform({ network: s.network, host: s.host, name: 'x', identity });
    await expect(join([url], quiet, { ...parts, platform })).rejects.toThrow('far enough');
  }
  expect(asked).toEqual(['http://a:1', 'http://a:1', 'https://a/run', 'https://a/run']);
});

test('a key that cannot be used is told before any work; one that is missing is made', async () => {
  const path = pathOf(dir, 'key');
  for (const [text, code] of [
    ['', 'key-empty'],
    ['xy', 'key-malformed'],
  ]) {
    writeFileSync(path, text, { mode: 0o600 });
    await expect(join(['http://a', '--key', path], quiet, untouched)).rejects.toMatchObject({ code });
  }
  rmSync(path);
  const held = await openKeyFile(path);
  await expect(join(['http://a', '--key', path], quiet, untouched)).rejects.toMatchObject({
    code: 'key-in-use',
    facts: { pid: process.pid },
  });
  held.release();
  rmSync(path);
  await expect(join(['http://a', '--key', path], quiet, untouched)).rejects.toThrow('work was begun');
  expect(existsSync(path)).toBe(true);
  expect(existsSync(`${path}.lock`)).toBe(false);
  chmodSync(path, 0o600);
});
