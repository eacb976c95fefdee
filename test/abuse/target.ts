/**
 * A real host with two contributors who work, and what can be told of them from outside: memory, rounds, whose work was
 * heard, who stands in the ledger, and how long somebody new takes to find a neighbour.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type Browser, chromium } from 'playwright';
import { startContributor } from '../../e2e/support/contributor.ts';
import { startHost } from '../../e2e/support/host.ts';
import { openTab, type Tab } from '../../e2e/support/tab.ts';
import { CHROMIUM_ARGS, chromiumPath } from '../../scripts/browsers.ts';
import { createNodeSwarm } from '../../src/platform/node/swarm.ts';
import type { Aim } from './attacker.ts';

const NAMES = ['anna', 'ben'] as const;

/** Whether a contributor's work of a round was heard: judged, or handed in and never heard of. */
export interface Handed {
  readonly round: number;
  readonly heard: boolean;
  /** The outcome, for the log. */
  readonly outcome: string;
}

/** One of the honest. */
interface Honest {
  handed(): Promise<readonly Handed[]>;
  stop(): Promise<unknown>;
}

/** Where honest peers come from: a browser's tabs, or Node processes. */
interface Guests {
  readonly honest: readonly Honest[];
  /** Starts somebody new; resolves to the seconds until it has a direct link, or null when it had none in `limitMs`. */
  newcomer(limitMs: number): Promise<number | null>;
  /** Keys of those, hex: they may join, as anybody may. */
  readonly newcomers: ReadonlySet<string>;
  stop(): Promise<unknown>;
}

export interface Status {
  readonly round: number;
  readonly height: number;
  readonly members: number;
  readonly roundsLost: number;
  readonly peers: readonly unknown[];
}

export interface TargetOptions {
  readonly guests: 'browser' | 'node';
  readonly roundSeconds: number;
  readonly say: (line: string) => void;
}

export class Target {
  readonly url: string;
  readonly aim: Aim;
  readonly checkpoint: string;
  readonly #guests: Guests;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, aim: Aim, checkpoint: string, guests: Guests, stop: () => Promise<void>) {
    this.url = url;
    this.aim = aim;
    this.checkpoint = checkpoint;
    this.#guests = guests;
    this.#stop = stop;
  }

  /** Starts all of it; resolves when work of both contributors was judged. */
  static async start({ guests, roundSeconds, say }: TargetOptions): Promise<Target> {
    const folder = mkdtempSync(join(tmpdir(), 'tabswarm-abuse-'));
    // No proxy is believed: the attacker is on the loopback too, and is to be counted by its own address.
    const args = ['--preset', 'tiny', '--round-seconds', String(roundSeconds), '--trusted-proxy', 'none'];
    const host = await startHost([...args, '--name', 'Abuse']);
    let made: Guests | null = null;
    const stop = async (): Promise<void> => {
      await made?.stop();
      await host.stop();
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      const run = await ask<{ run: string; peer: string }>(host.url, 'run');
      const hostId = run.peer;
      const aim = { port: host.port, hostId, topic: run.run };
      say(`a host at ${host.url}, two contributors (${guests === 'browser' ? 'tabs' : 'Node processes'})`);
      made = guests === 'browser' ? await browserGuests(host.url, say) : nodeGuests(host.url, folder, aim);
      const head = await ask<{ checkpoint: { hash: string } }>(host.url, 'head');
      const target = new Target(host.url, aim, head.checkpoint.hash, made, stop);
      await target.#working(say);
      return target;
    } catch (error) {
      await stop();
      throw error;
    }
  }

  async #working(say: (line: string) => void): Promise<void> {
    for (let last = -1; ; ) {
      const heard = await this.heard(0, Number.POSITIVE_INFINITY);
      const both = heard.every((handed) => handed.some((one) => one.heard));
      const { round, height } = await this.status();
      if (round !== last) say(`round ${round}, height ${height}, waiting for work of both`);
      last = round;
      if (both && height >= 2) return;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  status(): Promise<Status> {
    return ask<Status>(this.url, 'status');
  }

  /** Accounts in the ledger, without those of newcomers. */
  async accounts(): Promise<number> {
    const { accounts } = await ask<{ accounts: { contributor: string }[] }>(this.url, 'ledger');
    return accounts.filter(({ contributor }) => !this.#guests.newcomers.has(contributor)).length;
  }

  /** Resident memory of the host, in MB. */
  async megabytes(): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(20_000) })).text();
    return Number(/^process_resident_memory_bytes (\d+)$/m.exec(text)?.[1]) / (1 << 20);
  }

  /** What each contributor handed in, in these rounds. */
  async heard(from: number, to: number): Promise<readonly (readonly Handed[])[]> {
    const all = await Promise.all(this.#guests.honest.map((one) => one.handed()));
    return all.map((handed) => handed.filter(({ round }) => round >= from && round <= to));
  }

  newcomer(limitMs: number): Promise<number | null> {
    return this.#guests.newcomer(limitMs);
  }

  stop(): Promise<void> {
    return this.#stop();
  }
}

async function ask<T>(url: string, what: string): Promise<T> {
  const response = await fetch(`${url}/api/${what}`, { signal: AbortSignal.timeout(20_000) });
  if (!response.ok) throw new Error(`/api/${what} answered ${response.status}`);
  return (await response.json()) as T;
}

/** Whether real tabs can be had: a browser, and a page that was built. */
export const hasBrowser = (): boolean =>
  chromiumPath() !== null && existsSync(resolve(import.meta.dirname, '../../dist/app/index.html'));

async function browserGuests(url: string, say: TargetOptions['say']): Promise<Guests> {
  const browser: Browser = await chromium.launch({
    executablePath: chromiumPath() ?? undefined,
    args: CHROMIUM_ARGS,
  });
  const start = async ({ page }: Tab): Promise<void> => {
    await page.waitForFunction(() => globalThis.tabswarm.state().run !== null, undefined, {
      timeout: 120_000,
    });
    await page.getByRole('button', { name: /^start/i }).click({ timeout: 120_000 });
  };
  const newcomers = new Set<string>();
  const honest: Honest[] = [];
  for (const name of NAMES) {
    const tab = await openTab(browser, url, name);
    await start(tab);
    // The page keeps some rounds only; what it once said of a round stands.
    const said = new Map<number, Handed>();
    honest.push({
      handed: async () => {
        for (const { round, own } of (await tab.state()).rounds)
          if (own !== null) {
            const outcome = own.reason === null ? own.outcome : `${own.outcome} (${own.reason})`;
            said.set(round, { round, heard: own.outcome !== 'lost', outcome });
          }
        return [...said.values()];
      },
      stop: () => tab.close(),
    });
  }
  return {
    honest,
    newcomer: async (limitMs) => {
      const tab = await openTab(browser, url, 'newcomer');
      newcomers.add((await tab.state()).identity);
      try {
        // Until Start a page asks nobody for anything.
        await start(tab);
        const began = performance.now();
        while (performance.now() - began < limitMs) {
          if ((await tab.state()).peers.some(({ path }) => path === 'direct'))
            return (performance.now() - began) / 1000;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
        const { peers, host, problems } = await tab.state();
        say(`the newcomer has no link: ${JSON.stringify({ host, peers, problems, errors: tab.errors })}`);
        return null;
      } finally {
        await tab.close();
      }
    },
    newcomers,
    stop: () => browser.close(),
  };
}

function nodeGuests(url: string, folder: string, aim: Aim): Guests {
  const honest = NAMES.map((name) => {
    const contributor = startContributor(url, name, folder);
    return {
      handed: async () =>
        contributor
          .reports()
          .filter(({ outcome }) => outcome !== 'absent')
          .map(({ round, outcome }) => ({ round, heard: outcome !== 'lost', outcome })),
      stop: () => contributor.interrupt(),
    };
  });
  const relays = [`/ip4/127.0.0.1/tcp/${aim.port}/ws/p2p/${aim.hostId}`];
  // libdatachannel leaves the loopback out, unless this machine has nothing else.
  const outside = Object.values(networkInterfaces()).some((all) => all?.some(({ internal }) => !internal));
  return {
    honest,
    newcomers: new Set(),
    newcomer: async (limitMs) => {
      const began = performance.now();
      const { swarm } = await createNodeSwarm({
        relays,
        topic: aim.topic,
        ...(outside ? {} : { bindAddress: '127.0.0.1' }),
      });
      try {
        while (performance.now() - began < limitMs) {
          if (swarm.links().some(({ path }) => path === 'direct')) return (performance.now() - began) / 1000;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        return null;
      } finally {
        await swarm.stop();
      }
    },
    stop: () => Promise.all(honest.map((one) => one.stop())),
  };
}
