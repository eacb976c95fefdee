/**
 * A validator's tab as its page sees it, in a simulated swarm whose host has no seat: everything that can keep it from judging,
 * and what it does with rounds, with a host that goes away, and with a chain that is not what it signed.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AuditChoice, SeatPlatform } from '../peer/validating.ts';
import { toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { testHash, testIdentity } from '../protocol/testing.ts';
import { simPlatform } from '../sim/platform.ts';
import { PretendedLosses } from '../sim/pretended.ts';
import { SimSeatMemory } from '../sim/seat-memory.ts';
import { createSimSwarm, type SimSwarm, type SimSwarmOptions } from '../sim/swarm.ts';
import { FakeBrowser } from './governor/sensors/testing.ts';
import { createValidation, type Validation } from './validation.ts';
import type { ValidationState } from './validation-state.ts';

/** What the validator's key file holds. */
const KEY = toHex(testHash('seed validator'));
const AUDITED = {
  maxAccepted: 16,
  evaluationScale: 0.2,
  evaluationSequences: 8,
  heldOutSequences: 16,
  maxNormRatio: 10,
  maxOverlap: 0.6,
  auditsPerRound: 2,
};

beforeEach(() => {
  vi.stubGlobal('isSecureContext', true);
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});

let sim: SimSwarm | null = null;
const tabs: Validation[] = [];
afterEach(async () => {
  for (const { actions } of tabs.splice(0)) actions.stop();
  const swarm = sim;
  sim = null;
  await swarm?.stop();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

async function swarmOf(options: SimSwarmOptions = {}): Promise<SimSwarm> {
  sim = await createSimSwarm({ hostJudges: false, ...options });
  return sim;
}

/** The computer of a validator: its locks and its disk outlive a tab. */
class Machine implements SeatPlatform {
  readonly real = (): number => sim?.clock.now() ?? 0;
  readonly locks = new Set<string>();
  readonly memories = new Map<string, SimSeatMemory>();
  readonly meters: { closed: boolean }[] = [];
  replays: Awaited<ReturnType<SeatPlatform['openReplays']>> = { why: 'no-gpu', error: 'none here' };
  /** What was asked of openReplays: whether a CPU driver will do. */
  readonly asked: boolean[] = [];

  get memory(): SimSeatMemory {
    const [memory] = this.memories.values();
    if (memory === undefined) throw new Error('no memory was opened');
    return memory;
  }

  async lock(name: string) {
    if (this.locks.has(name)) return null;
    this.locks.add(name);
    return () => void this.locks.delete(name);
  }

  async openMemory(run: string, key: string) {
    const memory = this.memories.get(`${run}/${key}`) ?? new SimSeatMemory();
    this.memories.set(`${run}/${key}`, memory);
    return memory;
  }

  async openMeter() {
    const losses = new PretendedLosses(16);
    const opened = { closed: false };
    this.meters.push(opened);
    losses.close = async () => {
      opened.closed = true;
    };
    const fallback = { why: 'no-gpu', error: 'none here' } as const;
    return { meter: losses, name: 'simulated', fallback };
  }

  async openReplays(_manifest: unknown, software: boolean) {
    this.asked.push(software);
    return this.replays;
  }
}

interface Tab {
  readonly actions: Validation['actions'];
  readonly machine: Machine;
  readonly browser: FakeBrowser;
  readonly state: () => ValidationState;
  start(audits?: AuditChoice, key?: string): void;
}

async function open(s: SimSwarm, machine = new Machine(), name = 'tab'): Promise<Tab> {
  const { network, host } = s;
  const identity = await testIdentity(name);
  const platform = simPlatform({ network, host, name, identity });
  const browser = new FakeBrowser();
  const validation = createValidation({
    platform,
    seat: machine,
    host: host.for(platform.clock),
    wake: browser.scope,
  });
  tabs.push(validation);
  return {
    actions: validation.actions,
    machine,
    browser,
    state: () => validation.store.getState(),
    start: (audits = 'off', key = KEY) => validation.actions.start(key, audits),
  };
}

const later = (s: SimSwarm, ms: number): Promise<void> => s.clock.run(s.clock.now() + ms);
const kinds = ({ state }: Tab): Set<string> => new Set(state().log.map(({ event }) => event.is));
const same = (s: SimSwarm): boolean[] =>
  s.peers.map(({ root }) => root !== null && toHex(root) === toHex(s.host.follower.head.root));

describe('the seat cannot be taken', () => {
  test.each(['', 'nonsense', KEY.slice(1), `${KEY}0`])('without a key: %j', async (key) => {
    const tab = await open(await swarmOf());
    tab.start('off', key);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'no-key' } });
  });

  test('in a page that is not secure, or that another site frames', async () => {
    const s = await swarmOf();
    const tab = await open(s);
    vi.stubGlobal('isSecureContext', false);
    tab.start();
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'insecure' } });
    vi.stubGlobal('isSecureContext', true);
    vi.stubGlobal('top', {});
    vi.stubGlobal('self', {});
    tab.start();
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'framed' } });
    await later(s, 10_000);
    expect(s.network.peers()).toEqual(['host']);
  });

  test('with a key that has no seat', async () => {
    const s = await swarmOf();
    const tab = await open(s);
    tab.start('off', toHex(testHash('seed somebody')));
    await later(s, 1000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'no-seat' } });
    expect(tab.state().key).toBe(toHex((await testIdentity('somebody')).publicKey));
  });

  test('with a key whose signature alone is no quorum', async () => {
    const [one, two] = [await testIdentity('validator'), await testIdentity('second')];
    const s = await swarmOf({
      manifest: { validators: [one, two].map(({ publicKey }) => ({ key: publicKey, weight: 1 })) },
    });
    const tab = await open(s);
    tab.start();
    await later(s, 1000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'no-quorum' } });
  });

  test('while the host judges: said before and after Start', async () => {
    const s = await swarmOf({ hostJudges: true });
    const tab = await open(s);
    await later(s, 1000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'host-validates' } });
    tab.start();
    expect(tab.state()).toMatchObject({ stage: 'starting', problem: null });
    await later(s, 1000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'host-validates' } });
  });

  test('while another tab of this machine has it; when that one stops, it can', async () => {
    const s = await swarmOf();
    const first = await open(s);
    first.start();
    await later(s, 3000);
    const second = await open(s, first.machine, 'tab2');
    second.start();
    await later(s, 3000);
    expect(second.state()).toMatchObject({ stage: 'failed', problem: { code: 'other-tab' } });
    expect(first.state().stage).toBe('running');
    first.actions.stop();
    await later(s, 3000);
    second.start();
    await later(s, 3000);
    expect(second.state()).toMatchObject({ stage: 'running', problem: null });
  });

  test('while another machine has it, as the host tells', async () => {
    const s = await swarmOf();
    const key = toHex((await testIdentity('validator')).publicKey);
    s.host.validators = [{ key, peer: 'elsewhere' }];
    const tab = await open(s);
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'elsewhere' } });
    expect(tab.machine.locks.size).toBe(0);
    // It was this machine itself a moment ago, under that name.
    await tab.machine.memory.saveNote('peer', new TextEncoder().encode('elsewhere'));
    tab.start();
    await later(s, 3000);
    expect(tab.state().stage).toBe('running');
  });

  test('where nothing can be kept', async () => {
    const s = await swarmOf();
    const machine = new Machine();
    machine.openMemory = () => Promise.reject(new Error('storage is off'));
    const tab = await open(s, machine);
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({
      stage: 'failed',
      problem: { code: 'no-storage', detail: 'storage is off' },
    });
    expect(machine.locks.size).toBe(0);
    expect(s.network.peers()).toEqual(['host']);
  });

  test('where losses cannot be measured: told, and everything is let go', async () => {
    const s = await swarmOf();
    const machine = new Machine();
    machine.openMeter = () => Promise.reject(new Error('no runtime'));
    const tab = await open(s, machine);
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({
      stage: 'failed',
      problem: { code: 'trouble', trouble: { code: 'internal', detail: 'no runtime' } },
    });
    expect(machine.locks.size).toBe(0);
    expect(machine.memory.closed).toBe(1);
    expect(s.network.peers()).toEqual(['host']);
  });
});

describe('it judges', () => {
  test('three contributors, a certificate a round, each handed over; all have one state', async () => {
    const s = await swarmOf({ contributors: 3 });
    const tab = await open(s);
    await later(s, 500);
    expect(tab.state()).toMatchObject({ stage: 'idle', run: { name: 'test run' } });
    tab.start();
    await s.untilHeight(4);
    await later(s, 3000);
    const { head } = s.host.follower;
    expect(same(s)).toEqual([true, true, true]);
    expect(s.host.follower.last?.certificate.body.accepted).toHaveLength(3);
    const state = tab.state();
    expect(state).toMatchObject({
      stage: 'running',
      problem: null,
      waitingFor: null,
      machine: 'simulated',
      fallback: { why: 'no-gpu' },
      audits: { why: 'run-without-audits' },
      host: 'connected',
      height: head.height,
      root: toHex(head.root),
      contributors: 3,
      roundsLost: 0,
      awake: 'held',
    });
    expect(state.certificates.map(({ height }) => height)).toEqual([4, 3, 2, 1]);
    expect(state.certificates[0]).toMatchObject({ accepted: 3, refused: 0, root: toHex(head.root) });
    expect(state.certificates.at(-1)).toMatchObject({ accepted: 0, joined: 3 });
    expect(state.certificates[0].heldOutLoss).toBe(6);
    expect(kinds(tab)).toContain('certified');
    expect(s.peers.flatMap(({ troubles }) => troubles)).toEqual([]);
    // What is measured and judged now.
    await s.clock.run(s.run.rounds.deadlines(s.run.rounds.round(s.clock.now())).commit + 1500);
    expect(tab.state().entries).toHaveLength(3);
    expect(tab.machine.memory.kept.every(({ stored }) => stored)).toBe(true);
  });

  test('it starts where the host’s chain is, in mid-round, with the state of its checkpoint', async () => {
    const s = await swarmOf({ contributors: 2, host: { checkpointEvery: 3 } });
    const first = await open(s);
    first.start();
    await s.untilHeight(4);
    first.actions.stop();
    await later(s, 2000);
    const { hash } = s.host.follower.head;
    const second = await open(s, first.machine, 'tab2');
    second.start();
    await later(s, 5000);
    expect(second.state()).toMatchObject({ stage: 'running', height: 4 });
    expect(toHex(s.host.follower.head.hash)).toBe(toHex(hash));
    await s.untilHeight(6);
    await later(s, 3000);
    expect(same(s)).toEqual([true, true]);
  });

  test('a host that is away at Start is waited for, and named', async () => {
    const s = await swarmOf();
    const tab = await open(s);
    await later(s, 1000);
    s.setHostAway(true);
    tab.start();
    await later(s, 30_000);
    expect(tab.state()).toMatchObject({
      stage: 'starting',
      waitingFor: { why: 'trouble', trouble: { code: 'host-unreachable' } },
    });
    s.setHostAway(false);
    await later(s, 40_000);
    expect(tab.state()).toMatchObject({ stage: 'running', waitingFor: null });
  });

  test('Stop in mid-round leaves nothing: no lock, no meter, no place in the swarm, nothing certified', async () => {
    const s = await swarmOf({ contributors: 2 });
    const tab = await open(s);
    tab.start();
    await s.untilHeight(2);
    const { commit } = s.run.rounds.deadlines(s.host.follower.head.round + 1);
    await s.clock.run(commit - 300);
    expect(tab.state().entries.length).toBeGreaterThan(0);
    expect(tab.browser.locks.size).toBe(1);
    tab.actions.stop();
    expect(tab.state()).toMatchObject({ stage: 'idle', problem: null, entries: [] });
    await later(s, 60_000);
    expect(tab.machine.locks.size).toBe(0);
    expect(tab.machine.meters).toEqual([{ closed: true }]);
    expect(tab.machine.memory.closed).toBe(1);
    expect(tab.browser.locks.size).toBe(0);
    expect(s.network.peers()).not.toContain('tab');
    expect(s.host.height).toBe(2);
    expect(tab.state().stage).toBe('idle');
  });

  test('Start while it judges begins anew, with one seat', async () => {
    const s = await swarmOf({ contributors: 2 });
    const tab = await open(s);
    tab.start();
    await s.untilHeight(2);
    tab.start();
    await s.untilHeight(4);
    expect(tab.state()).toMatchObject({ stage: 'running', problem: null });
    expect(tab.machine.locks.size).toBe(1);
    expect(tab.machine.meters.map(({ closed }) => closed)).toEqual([true, false]);
  });
});

describe('the host goes away', () => {
  test('with a certificate in hand: it waits with that one and signs nothing else', async () => {
    const s = await swarmOf({ contributors: 2 });
    const tab = await open(s);
    tab.start();
    await s.untilHeight(2);
    await later(s, 3000);
    s.host.reachable = false;
    await s.clock.run(() => tab.machine.memory.last.height === 3);
    const signed = tab.machine.memory.last;
    const round = s.run.rounds.round(s.clock.now());
    await s.untilRound(round + 3);
    expect(tab.state()).toMatchObject({
      stage: 'running',
      height: 2,
      waitingFor: { why: 'host-storing', code: 'not-connected' },
    });
    expect(tab.machine.memory.last).toEqual(signed);
    // Nobody heard of it.
    const told = s.network.messages('certificate').filter(({ at }) => at > s.run.rounds.start(round));
    expect(told.every(({ message }) => toHex(message.body) !== toHex(signed.message))).toBe(true);
    expect(s.peers.every(({ stay }) => stay?.follower.head.height === 2)).toBe(true);
    s.host.reachable = true;
    await s.untilHeight(5);
    await later(s, 3000);
    expect(toHex(s.host.follower.at(3)?.head.hash ?? new Uint8Array())).toBe(toHex(signed.hash));
    expect(tab.state().waitingFor).toBeNull();
    expect(same(s)).toEqual([true, true]);
  });

  test('and the tab is reloaded meanwhile: the next one hands the same certificate over', async () => {
    const s = await swarmOf({ contributors: 2 });
    const tab = await open(s);
    tab.start();
    await s.untilHeight(2);
    await later(s, 3000);
    s.host.reachable = false;
    await s.clock.run(() => tab.machine.memory.last.height === 3);
    const signed = tab.machine.memory.last;
    const round = s.run.rounds.round(s.clock.now());
    tab.actions.stop();
    await later(s, 5000);
    // The host may still take it, so nothing may be said against the round.
    const words = s.network.messages('no-certificate');
    expect(words.filter(({ message }) => message.round === round)).toEqual([]);
    s.host.reachable = true;
    const again = await open(s, tab.machine, 'tab2');
    again.start();
    await s.untilHeight(5);
    await later(s, 3000);
    expect(toHex(s.host.follower.at(3)?.head.hash ?? new Uint8Array())).toBe(toHex(signed.hash));
    expect(kinds(again)).toContain('handing-over-again');
    expect(same(s)).toEqual([true, true]);
  });
});

describe('the chain is not what it signed', () => {
  async function stopped(s: SimSwarm): Promise<Tab> {
    const tab = await open(s);
    tab.start();
    await s.untilHeight(2);
    await later(s, 2000);
    tab.actions.stop();
    await later(s, 2000);
    return tab;
  }

  test('another certificate stands where it signed one: forked', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await stopped(s);
    const { memory } = tab.machine;
    memory.kept = [{ ...memory.last, hash: testHash('another') }];
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'forked', height: 2 } });
    expect(tab.machine.locks.size).toBe(0);
  });

  test('what was remembered cannot be read: nothing is handed over', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await stopped(s);
    const { memory } = tab.machine;
    memory.kept = [{ ...memory.last, message: new Uint8Array(10) }];
    await s.host.loseNewest(1);
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'no-storage' } });
    expect(s.host.height).toBe(1);
  });

  test('the host lost more than is remembered: host-behind', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await stopped(s);
    const { memory } = tab.machine;
    memory.kept = [memory.last];
    await s.host.loseNewest(2);
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({
      stage: 'failed',
      problem: { code: 'host-behind', height: 2, hostHeight: 0 },
    });
  });

  test('the host lost what is remembered: it gets it back', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await stopped(s);
    const { head } = s.host.follower;
    await s.host.loseNewest(2);
    tab.start();
    await later(s, 3000);
    expect(tab.state()).toMatchObject({ stage: 'running', height: 2 });
    expect(s.host.follower.head).toEqual(head);
  });

  test('the host takes it no more: refused, with the reason, while it judges', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await open(s);
    tab.start();
    await s.untilHeight(2);
    s.host.handOver = async () => ({ stored: false, retry: false, code: 'has-seat' });
    await s.clock.run(() => tab.state().stage === 'failed');
    expect(tab.state().problem).toEqual({ code: 'refused', height: 3, why: 'has-seat' });
    await later(s, 3000);
    expect(tab.machine.locks.size).toBe(0);
    expect(s.network.peers()).not.toContain('tab');
    expect(s.host.height).toBe(2);
  });
});

describe('the same key at another peer while it judges', () => {
  async function presence(s: SimSwarm, peer: string): Promise<void> {
    const other = s.network.join(peer);
    const { head } = s.host.follower;
    const round = Math.max(0, s.run.rounds.round(s.clock.now()));
    const sealed = await seal(await testIdentity('validator'), {
      kind: 'presence',
      run: s.run.id,
      round,
      peer,
      role: 'validator',
      state: 'judging',
      adapter: '',
      tokensPerSecond: 0,
      root: head.root,
      height: head.height,
    });
    await other.publish(sealed);
  }

  test('of two, the one with the smaller peer id stays', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await open(s);
    tab.start();
    await s.untilHeight(1);
    await later(s, 12_000);
    await presence(s, 'zzz');
    await later(s, 5000);
    expect(tab.state().stage).toBe('running');
    await presence(s, 'aaa');
    await later(s, 5000);
    expect(tab.state()).toMatchObject({ stage: 'failed', problem: { code: 'elsewhere' } });
    expect(tab.machine.locks.size).toBe(0);
  });

  test('is no reason to end in the first seconds, when old signs of life may still be under way', async () => {
    const s = await swarmOf({ contributors: 1 });
    const tab = await open(s);
    tab.start();
    await later(s, 2000);
    await presence(s, 'aaa');
    await later(s, 6000);
    expect(tab.state().stage).toBe('running');
  });

  test('what this machine’s last visit said is no other', async () => {
    const s = await swarmOf({ contributors: 1 });
    const machine = new Machine();
    const first = await open(s, machine, 'aaa');
    first.start();
    await later(s, 3000);
    first.actions.stop();
    await later(s, 3000);
    const tab = await open(s, machine);
    tab.start();
    await later(s, 12_000);
    await presence(s, 'aaa');
    await later(s, 5000);
    expect(tab.state().stage).toBe('running');
  });
});

describe('audits', () => {
  const figures = { work: 0, moment1: 0, moment2: 0, sent: 0, steps: 0 };

  test('on: contributors are drawn, show their work, and the outcome stands in the certificate', async () => {
    const s = await swarmOf({ contributors: 2, manifest: { gauntlet: AUDITED } });
    const machine = new Machine();
    let closed = 0;
    const replays = { replay: async () => figures, close: async () => void closed++ };
    machine.replays = { replays, adapter: 'a card' };
    const tab = await open(s, machine);
    tab.start('hardware');
    await s.untilHeight(5);
    await later(s, 2000);
    expect(tab.state().audits).toEqual({ adapter: 'a card' });
    expect(machine.asked).toEqual([false]);
    const audits = tab.state().certificates.flatMap((row) => row.audits);
    expect(audits.length).toBeGreaterThan(0);
    expect(audits.every(({ passed }) => passed)).toBe(true);
    expect(kinds(tab)).toContain('audits-on');
    tab.actions.stop();
    await later(s, 2000);
    expect(closed).toBe(1);
  });

  test.each([
    ['not wanted', 'off', { why: 'not-wanted' }, []],
    ['no graphics card', 'hardware', { why: 'no-gpu', error: 'none here' }, [false]],
    ['not even a CPU driver', 'software', { why: 'no-gpu', error: 'none here' }, [true]],
  ] as const)('off: %s; rounds are judged all the same', async (_, choice, shown, asked) => {
    const s = await swarmOf({ contributors: 2, manifest: { gauntlet: AUDITED } });
    const tab = await open(s);
    tab.start(choice);
    await s.untilHeight(2);
    expect(tab.state().audits).toEqual(shown);
    expect(tab.machine.asked).toEqual(asked);
    expect(tab.state().certificates.flatMap((row) => row.audits)).toEqual([]);
    expect(kinds(tab)).toContain('audits-off');
  });
});
