/**
 * A page's session in a simulated swarm, for tests. Real are the participant, the chain, the swarm's messages and the governor;
 * made up are the network, the GPU and the browser.
 */
import { afterEach, beforeEach, vi } from 'vitest';
import { HostError } from '../peer/host.ts';
import type { Platform } from '../peer/platform.ts';
import { toHex } from '../protocol/bytes.ts';
import type { Identity } from '../protocol/identity.ts';
import { testIdentity } from '../protocol/testing.ts';
import { simPlatform } from '../sim/platform.ts';
import { createSimSwarm, type SimSwarm, type SimSwarmOptions } from '../sim/swarm.ts';
import { SimTrainer, type SimTrainerOptions } from '../sim/trainer.ts';
import { RateLimit } from '../swarm/rate-limit.ts';
import type { ChatClient } from '../worker/chat-client.ts';
import { FakeBrowser } from './governor/sensors/testing.ts';
import type { Usage } from './governor/usage.ts';
import type { Keeping } from './key-storage.ts';
import { createSession, type Session } from './session.ts';
import type { AppState } from './state.ts';

const ADAPTER = {
  limits: { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 31 },
  info: { vendor: 'simulated' },
};

/** What a page finds in its browser. */
function stubBrowser(): void {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
  const window = new EventTarget();
  vi.stubGlobal('addEventListener', window.addEventListener.bind(window));
  vi.stubGlobal('removeEventListener', window.removeEventListener.bind(window));
  vi.stubGlobal('dispatchEvent', window.dispatchEvent.bind(window));
  vi.stubGlobal('isSecureContext', true);
  vi.stubGlobal('navigator', { gpu: { requestAdapter: async () => ADAPTER } });
  // Pauses before another try are spread by chance.
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
}

/** Simulated swarms and the pages in them, which end with the test that made them. */
export function useSessions() {
  let sim: SimSwarm | null = null;
  const sessions: Session[] = [];
  beforeEach(stubBrowser);
  afterEach(async () => {
    for (const session of sessions.splice(0)) session.close();
    const swarm = sim;
    sim = null;
    await swarm?.stop();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
  return {
    swarmOf: async (options: SimSwarmOptions = {}): Promise<SimSwarm> => {
      sim = await createSimSwarm(options);
      return sim;
    },
    open: async (swarm: SimSwarm, options: PageOptions = {}): Promise<Page> => {
      const page = await openPage(swarm, options);
      sessions.push(page.session);
      return page;
    },
  };
}

/** Identities of one machine, of which a tab gets one that no other has. */
export class Machine {
  readonly #used = new Set<Identity>();
  readonly #all: readonly Identity[];

  constructor(all: readonly Identity[]) {
    this.#all = all;
  }

  get inUse(): number {
    return this.#used.size;
  }

  async claim() {
    const identity = this.#all.find((one) => !this.#used.has(one));
    if (identity === undefined) throw new Error('this machine has no more identities');
    this.#used.add(identity);
    return { identity, notKept: null, release: () => void this.#used.delete(identity) };
  }
}

export interface Page {
  readonly session: Session;
  readonly browser: FakeBrowser;
  readonly trainers: SimTrainer[];
  /** Of its line. */
  readonly limit: RateLimit;
  readonly state: () => AppState;
  readonly codes: () => string[];
  /** Everything of this page's activity so far, without repeats. */
  readonly activities: string[];
}

export interface PageOptions {
  readonly name?: string;
  readonly machine?: Machine;
  readonly trainer?: (options: SimTrainerOptions, nth: number) => SimTrainer;
  /** Parts of its machine that are other than the simulation's. */
  readonly platform?: (base: Platform) => Partial<Platform>;
  /** What becomes of a blob on its way from the host to this page; null loses it. */
  /** What its browser says of keys. Default: they are kept. */
  readonly keeping?: Keeping;
  readonly blob?: (hash: string, bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | null;
}

async function openPage(s: SimSwarm, options: PageOptions): Promise<Page> {
  const { name = 'page', keeping = { notKept: null, promised: false } } = options;
  const machine = options.machine ?? new Machine([await testIdentity(name)]);
  const identity = await testIdentity(name);
  const base: Platform = {
    ...simPlatform({ network: s.network, host: s.host, name, identity }),
    claimIdentity: () => machine.claim(),
  };
  const platform: Platform = { ...base, ...options.platform?.(base) };
  const browser = new FakeBrowser();
  const trainers: SimTrainer[] = [];
  const months = new Map<string, Usage>();
  const host = s.host.for(platform.clock);
  const blob = host.blob.bind(host);
  host.blob = async (ref, signal) => {
    const bytes = await blob(ref, signal);
    const hash = toHex(ref.hash);
    const arrived = options.blob === undefined ? bytes : options.blob(hash, bytes);
    if (arrived === null) throw new HostError('status', false, { url: hash, status: 404 });
    return arrived;
  };
  const limit = new RateLimit(() => platform.clock.now());
  const session = createSession({
    platform,
    host,
    limit,
    keyStorage: { look: async () => keeping, askPromise: async () => ({ ...keeping, promised: true }) },
    startTrainer: () => {
      const made = { layout: s.run.layout, clock: platform.clock };
      const trainer = options.trainer?.(made, trainers.length) ?? new SimTrainer(made);
      trainers.push(trainer);
      return trainer;
    },
    startChat: (): ChatClient => ({
      open: () => Promise.reject(new Error('no chat here')),
      generate: () => Promise.reject(new Error('no chat here')),
      stop: async () => {},
      terminate: () => {},
    }),
    governor: {
      scope: browser.scope,
      usage: {
        add: async (month, { down, up }) => {
          const before = months.get(month) ?? { down: 0, up: 0 };
          const after = { down: before.down + down, up: before.up + up };
          months.set(month, after);
          return after;
        },
      },
    },
  });
  const activities: string[] = [];
  session.store.subscribe(({ activity }) => {
    if (activities.at(-1) !== activity) activities.push(activity);
  });
  return {
    session,
    browser,
    trainers,
    limit,
    activities,
    state: () => session.store.getState(),
    codes: () => session.store.getState().problems.map(({ code }) => code),
  };
}

/** The page's own part in the newest round that it took part in. */
export const lastOwn = (page: Page) => page.state().rounds.findLast(({ own }) => own !== null)?.own ?? null;
export const until = (s: SimSwarm, condition: () => boolean): Promise<void> => s.clock.run(condition);
export const later = (s: SimSwarm, ms: number): Promise<void> => s.clock.run(s.clock.now() + ms);
/** Plays until the page's work of a round was accepted. */
export const accepted = (s: SimSwarm, page: Page, count = 1): Promise<void> =>
  until(s, () => page.state().totals.accepted >= count);
