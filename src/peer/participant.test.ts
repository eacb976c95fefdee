/** A peer's stay in the swarm: found, joined, kept alive, left without a trace; and failures that are tried again. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { OutOfSyncError } from '../chain/follower.ts';
import { GpuUnavailableError } from '../kernels/gpu.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { open, seal } from '../protocol/envelope.ts';
import { testIdentity } from '../protocol/testing.ts';
import { REPEAT_SPACING_MS } from '../swarm/repeats.ts';
import { simPlatform } from '../sim/platform.ts';
import { hinder } from '../sim/testing.ts';
import { createSimSwarm, type SimSwarm } from '../sim/swarm.ts';
import { HostError } from './host.ts';
import { Participant, type ParticipantOptions, type Stay } from './participant.ts';
import type { ClaimedIdentity, JoinSwarmOptions, Platform } from './platform.ts';
import type { Trouble } from './reasons.ts';
import { watch } from './roles.ts';

let sim: SimSwarm;
let troubles: Trouble[];
let cleared: string[];
/** Identities given out and not given back. */
let claimed: number;
let joined: JoinSwarmOptions[];

beforeEach(async () => {
  sim = await createSimSwarm({ contributors: 1 });
  troubles = [];
  cleared = [];
  joined = [];
  claimed = 0;
});
afterEach(() => sim.stop());

async function participant(change: Partial<Platform> = {}, more: Partial<ParticipantOptions> = {}) {
  const { network, host } = sim;
  const identity = await testIdentity('me');
  const base = simPlatform({ network, host, name: 'me', identity });
  const platform: Platform = {
    ...base,
    claimIdentity: async (): Promise<ClaimedIdentity> => {
      claimed++;
      return { identity, notKept: null, release: () => void claimed-- };
    },
    joinSwarm: (options) => {
      joined.push(options);
      return base.joinSwarm(options);
    },
    ...change,
  };
  return new Participant({
    platform,
    host: host.for(platform.clock),
    random: () => 0.5,
    events: {
      trouble: (trouble) => void troubles.push(trouble),
      cleared: (...codes) => void cleared.push(...codes),
    },
    ...more,
  });
}

const SELF = {
  role: 'watcher',
  show: () => ({ state: 'watching', adapter: '', tokensPerSecond: 0 }),
} as const;
const later = (ms: number): Promise<void> => sim.clock.run(sim.clock.now() + ms);

async function play<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  promise.then(end, end);
  await sim.clock.run(() => over);
  return promise;
}

describe('a stay', () => {
  test('joins the run’s topic over the host’s relays, says that it lives, and leaves nothing behind', async () => {
    const me = await participant();
    const abort = new AbortController();
    let stay: Stay | null = null;
    const staying = me.stay(
      { self: SELF },
      async (given) => {
        stay = given;
        await new Promise<void>((resolve) => abort.signal.addEventListener('abort', () => resolve()));
      },
      abort.signal,
    );
    await later(9000);
    expect(stay).not.toBeNull();
    expect(joined).toMatchObject([{ relays: ['memory://host'], topic: sim.run.name, iceServers: [] }]);
    expect(claimed).toBe(1);
    const said = sim.network.messages('presence').filter(({ from }) => from === 'me');
    expect(said.map(({ at }) => at % 4000)).toEqual([0, 0]);
    expect(said[0].message).toMatchObject({
      role: 'watcher',
      peer: 'me',
      round: 0,
      height: 0,
      state: 'watching',
    });
    abort.abort();
    await play(staying);
    const { length } = sim.network.published;
    expect(claimed).toBe(0);
    expect(sim.network.peers()).not.toContain('me');
    await later(10_000);
    expect(sim.network.published.slice(length).filter(({ from }) => from === 'me')).toEqual([]);
  });

  test('without a self says nothing of itself', async () => {
    const me = await participant();
    const abort = new AbortController();
    const staying = me.stay({ self: null }, () => untilLeft(abort.signal), abort.signal);
    await later(9000);
    expect(sim.network.messages('presence').filter(({ from }) => from === 'me')).toEqual([]);
    abort.abort();
    await play(staying);
  });

  test('lets go of everything when what lives in it fails, and fails as that', async () => {
    const me = await participant();
    const failure = new Error('a bug');
    await expect(
      play(me.stay({ self: SELF }, () => Promise.reject(failure), new AbortController().signal)),
    ).rejects.toBe(failure);
    expect(claimed).toBe(0);
    expect(sim.network.peers()).not.toContain('me');
  });

  test('lets go of the identity when the swarm cannot be joined', async () => {
    const me = await participant({ joinSwarm: () => Promise.reject(new Error('no sockets')) });
    let lived = false;
    const staying = me.stay(
      { self: SELF },
      async () => {
        lived = true;
      },
      new AbortController().signal,
    );
    await expect(play(staying)).rejects.toThrow('no sockets');
    expect(claimed).toBe(0);
    expect(lived).toBe(false);
  });

  test('that is left while it is being entered never begins', async () => {
    const abort = new AbortController();
    let lived = false;
    const live = async (): Promise<void> => {
      lived = true;
    };
    const { network, host } = sim;
    const base = simPlatform({ network, host, name: 'me', identity: await testIdentity('me') });
    const me = await participant({
      joinSwarm: async (options) => {
        abort.abort();
        return base.joinSwarm(options);
      },
    });
    await play(me.stay({ self: SELF }, live, abort.signal));
    expect([lived, claimed, network.peers().includes('me')]).toEqual([false, 0, false]);
    await play(me.stay({ self: SELF }, live, AbortSignal.abort())).catch(() => {});
    expect([lived, claimed]).toEqual([false, 0]);
  });

  test('has its own identity when the role brings one', async () => {
    const me = await participant();
    const identity = await testIdentity('brought');
    let released = 0;
    let own: Uint8Array | null = null;
    await play(
      me.stay(
        {
          self: null,
          identity: async () => ({ identity, notKept: null, release: () => void released++ }),
        },
        async (stay) => {
          own = stay.identity.publicKey;
        },
        new AbortController().signal,
      ),
    );
    expect(own).toEqual(identity.publicKey);
    expect([claimed, released]).toEqual([0, 1]);
  });

  test('asks for what is missing before a certificate once at a time, and never on a stranger’s word', async () => {
    await sim.untilHeight(3);
    const sealed = sim.host.follower.last?.sealed ?? new Uint8Array();
    const opened = await open(sealed);
    if (!opened.ok) throw new Error('no certificate');
    const wrapped = await seal(await testIdentity('stranger'), opened.message);
    sim.network.addRoute(hinder('me', ['certificate']));
    const me = await participant();
    const abort = new AbortController();
    let stay: Stay | null = null;
    const staying = me.stay(
      { self: SELF },
      async (given) => {
        stay = given;
        await untilLeft(abort.signal);
      },
      abort.signal,
    );
    await later(1000);
    const { inbox, follower } = stay as unknown as Stay;
    const before = sim.host.asked.get('links') ?? 0;
    const asked = (): number => (sim.host.asked.get('links') ?? 0) - before;
    sim.host.delayMs = 20_000;
    expect(await play(inbox.receive(wrapped, 'stranger'))).toBe('reject');
    expect(asked()).toBe(0);
    for (let i = 0; i < 6; i++) {
      expect(await play(inbox.receive(sealed, 'host'))).toBe('accept');
      await later(REPEAT_SPACING_MS);
    }
    expect(asked()).toBe(1);
    sim.host.delayMs = 0;
    await later(30_000);
    expect(follower.tip.height).toBeGreaterThanOrEqual(3);
    abort.abort();
    await play(staying);
  });

  test('measures its clock again every minute, also while the host is away', async () => {
    const me = await participant();
    const abort = new AbortController();
    const staying = me.stay({ self: SELF }, () => untilLeft(abort.signal), abort.signal);
    await later(1000);
    const before = sim.host.asked.get('time') ?? 0;
    await later(125_000);
    sim.host.reachable = false;
    await later(60_000);
    expect((sim.host.asked.get('time') ?? 0) - before).toBeGreaterThanOrEqual(3);
    expect(troubles).toEqual([]);
    abort.abort();
    await play(staying);
  });
});

/** Until a signal aborts. */
const untilLeft = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });

describe('the description of the run', () => {
  test('is asked for once, and again only after it failed', async () => {
    const me = await participant();
    const { signal } = new AbortController();
    sim.host.protocol = 99;
    await expect(play(me.describe(signal))).rejects.toMatchObject({ code: 'protocol-version' });
    expect(troubles).toMatchObject([{ code: 'protocol-version', recovering: false }]);
    sim.host.protocol = PROTOCOL_VERSION;
    const before = sim.host.asked.get('run') ?? 0;
    const one = await play(me.describe(signal));
    expect(await play(me.describe(signal))).toBe(one);
    expect((sim.host.asked.get('run') ?? 0) - before).toBe(1);
    expect(cleared).toContain('protocol-version');
  });
});

describe('trying again', () => {
  const away = () => new HostError('unreachable', true, { url: 'memory:' });

  test('with pauses that grow to half a minute', async () => {
    const me = await participant();
    const at: number[] = [];
    const work = async (): Promise<string> => {
      at.push(sim.clock.now());
      if (at.length < 12) throw away();
      return 'done';
    };
    expect(await play(me.retrying(new AbortController().signal, work))).toBe('done');
    const pauses = at.slice(1).map((time, i) => Math.round(time - at[i]));
    expect(pauses.slice(0, 5)).toEqual([1000, 1700, 2890, 4913, 8352]);
    expect(pauses.slice(7)).toEqual([30_000, 30_000, 30_000, 30_000]);
    expect(troubles).toHaveLength(11);
    expect(cleared).toContain('host-unreachable');
  });

  test('pauses are spread, so that a swarm does not come back at one moment', async () => {
    for (const [random, wait] of [
      [0, 700],
      [1, 1300],
    ]) {
      const me = await participant({}, { random: () => random });
      const at: number[] = [];
      const work = async (): Promise<void> => {
        at.push(sim.clock.now());
        if (at.length < 2) throw away();
      };
      await play(me.retrying(new AbortController().signal, work));
      expect(Math.round(at[1] - at[0])).toBe(wait);
    }
  });

  test('out of sync is tried again at once: a checkpoint puts it right', async () => {
    const me = await participant();
    const at: number[] = [];
    const work = async (): Promise<void> => {
      at.push(sim.clock.now());
      if (at.length < 4) throw away();
      if (at.length < 6) throw new OutOfSyncError('root-differs', 3, 'x');
    };
    await play(me.retrying(new AbortController().signal, work));
    const pauses = at.slice(1).map((time, i) => Math.round(time - at[i]));
    expect(pauses).toEqual([1000, 1700, 2890, 1000, 1000]);
    expect(troubles.map(({ code }) => code).slice(3)).toEqual(['out-of-sync', 'out-of-sync']);
  });

  test('not what waiting does not mend, which is told and thrown', async () => {
    const me = await participant();
    const failure = new GpuUnavailableError('no-adapter');
    const work = () => Promise.reject(failure);
    await expect(play(me.retrying(new AbortController().signal, work))).rejects.toBe(failure);
    expect(troubles).toEqual([{ code: 'gpu-unavailable', recovering: false, lack: 'no-adapter' }]);
    expect(cleared).toEqual([]);
  });

  test('not what the role calls final, which is only thrown', async () => {
    const me = await participant();
    const failure = away();
    const { signal } = new AbortController();
    const work = () => Promise.reject(failure);
    await expect(play(me.retrying(signal, work, (error) => error === failure))).rejects.toBe(failure);
    expect(troubles).toEqual([]);
  });

  test('ends at once when it is left, in the work and in a pause', async () => {
    const me = await participant();
    const reason = new DOMException('left', 'AbortError');
    const inWork = new AbortController();
    const work = (): Promise<void> => {
      inWork.abort(reason);
      return Promise.reject(away());
    };
    await expect(play(me.retrying(inWork.signal, work))).rejects.toBe(reason);
    expect(troubles).toEqual([]);
    const inPause = new AbortController();
    let tries = 0;
    const waiting = me.retrying(inPause.signal, () => {
      tries++;
      return Promise.reject(away());
    });
    const ended = waiting.catch((error: unknown) => error);
    await later(500);
    inPause.abort(reason);
    expect(await play(ended)).toBe(reason);
    expect(tries).toBe(1);
  });
});

describe('a watcher', () => {
  test('checks and counts every certificate, holds no state, and is no contributor', async () => {
    await sim.untilHeight(2);
    const me = await participant();
    const abort = new AbortController();
    let stay: Stay | null = null;
    let left = 0;
    const watching = watch(
      me,
      {
        show: SELF.show,
        entered: (given) => {
          stay = given;
          return () => void left++;
        },
      },
      abort.signal,
    );
    const follower = () => stay?.follower;
    await later(2000);
    expect(follower()?.head).toEqual(sim.host.follower.head);
    const blobs = sim.host.asked.get('blob') ?? 0;
    await sim.untilHeight(5);
    await later(1000);
    expect(follower()?.head).toEqual(sim.host.follower.head);
    expect(follower()?.behind).toBe(false);
    expect(sim.host.asked.get('blob') ?? 0).toBe(blobs);
    expect(left).toBe(0);
    abort.abort();
    await play(watching);
    expect(left).toBe(1);
  });
});
