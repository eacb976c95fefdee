/**
 * The whole thing: a host, three volunteers' tabs and a late fourth, training the default model on real text.
 *
 * Asserts what the README promises: direct links only, equal state roots in every round, falling held-out loss, a
 * killed tab and a late joiner survived, numbers on the page equal to the ledger's.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { cli, type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

/** Long enough for three tabs' software GPUs on two shared cores to do a few inner steps each. */
const ROUND_SECONDS = 24;
const ROUNDS = 6;

interface StatusAnswer {
  readonly run: string;
  readonly round: number;
  readonly height: number;
  readonly root: string;
  readonly bytesPerParameter: number | null;
  readonly heldOutLoss: number | null;
  readonly relayedBytes: number;
}

interface LedgerAnswer {
  readonly height: number;
  readonly accounts: { contributor: string; credits: number; accepted: number }[];
}

const minutes = (n: number) => n * 60_000;

test.describe.configure({ mode: 'serial' });

let host: RunningHost;
const tabs: Tab[] = [];

async function api<T>(path: string): Promise<T> {
  return (await (await fetch(`${host.url}${path}`)).json()) as T;
}

test.beforeAll(async () => {
  mkdirSync('artifacts/screenshots', { recursive: true });
  host = await startHost(['--round-seconds', String(ROUND_SECONDS)]);
});

test.afterAll(async () => {
  for (const tab of tabs) await tab.close().catch(() => {});
  if (host !== undefined) writeFileSync('artifacts/host.log', host.output());
  await host?.stop();
});

test('three tabs train one model, survive a killed tab and take in a late one', async ({ browser }) => {
  test.setTimeout(minutes(9));

  for (const name of ['anna', 'ben', 'cleo']) tabs.push(await openTab(browser, host.url, name));
  const [anna, ben, cleo] = tabs as [Tab, Tab, Tab];

  await test.step('nothing runs before Start', async () => {
    await until(
      'the run description',
      () => anna.state(),
      (s) => s.run !== null,
      30_000,
    );
    for (const tab of tabs) {
      const state = await tab.state();
      expect(state.intent).toBe('idle');
      expect(state.peerId).toBeNull();
      expect(tab.page.workers()).toHaveLength(0);
    }
    await anna.page.screenshot({ path: 'artifacts/screenshots/first-visit-1280.png', fullPage: true });
  });

  for (const tab of tabs) await tab.page.getByRole('button', { name: /^start/i }).click();

  await test.step('each runs on a named software adapter', async () => {
    for (const tab of tabs) {
      const { adapter } = await until(
        `${tab.name}'s adapter`,
        () => tab.state(),
        (s) => s.adapter !== null,
        minutes(2),
      );
      console.log(
        `${tab.name}: adapter ${adapter?.vendor} ${adapter?.architecture} (${adapter?.description}), software ${adapter?.software}`,
      );
      expect(adapter?.architecture).toContain('swiftshader');
    }
  });

  await test.step('every pair is directly connected', async () => {
    const ids = await Promise.all(tabs.map(async (t) => (await t.state()).peerId));
    for (const tab of tabs) {
      await until(
        `${tab.name}'s direct links`,
        () => tab.state(),
        (s) =>
          ids.every((id) => id === s.peerId || s.peers.some((p) => p.peer === id && p.path === 'direct')),
        minutes(2),
      );
    }
  });

  await test.step('rounds are certified with the work of all three', async () => {
    await until(
      'two certificates',
      () => api<StatusAnswer>('/api/status'),
      (s) => s.height >= 2,
      minutes(4),
    );
    await until(
      'a round with three contributors',
      () => anna.state(),
      (s) => s.rounds.some((r) => r.contributors >= 3),
      minutes(3),
    );
  });

  await test.step('one tab is killed in mid-round, another joins late', async () => {
    await until(
      'cleo training',
      () => cleo.state(),
      (s) => s.activity === 'training',
      minutes(1),
    );
    await cleo.close();
    const dora = await openTab(browser, host.url, 'dora', { width: 390, colorScheme: 'dark' });
    tabs[2] = dora;
    await dora.page.screenshot({ path: 'artifacts/screenshots/first-visit-390-dark.png', fullPage: true });
    await dora.page.getByRole('button', { name: /^start/i }).click();
    const before = (await api<StatusAnswer>('/api/status')).height;
    await until(
      'the late joiner accepted',
      () => dora.state(),
      (s) => s.totals.accepted >= 1,
      minutes(4),
    );
    await until(
      'more certificates',
      () => api<StatusAnswer>('/api/status'),
      (s) => s.height >= Math.max(ROUNDS, before + 2),
      minutes(4),
    );
  });

  await test.step('all state roots are equal to the host’s in every round', async () => {
    const head = await api<StatusAnswer>('/api/status');
    for (const tab of tabs) {
      await until(
        `${tab.name} at height ${head.height}`,
        () => tab.state(),
        (s) => s.height >= head.height,
        minutes(1),
      );
    }
    const roots = new Map<number, Set<string>>();
    for (const tab of tabs) {
      for (const r of (await tab.state()).rounds) {
        if (r.height === null || r.root === null) continue;
        roots.set(r.height, (roots.get(r.height) ?? new Set()).add(r.root));
      }
      // A root is only recorded after the tab's own replica computed the same one: see Follower.applyPending.
      expect((await tab.state()).problems.filter((p) => p.code === 'out-of-sync')).toEqual([]);
    }
    expect(roots.size).toBeGreaterThanOrEqual(ROUNDS);
    for (const [height, seen] of roots) expect([...seen], `roots at height ${height}`).toHaveLength(1);
    expect([...(roots.get(head.height) ?? [])]).toEqual([head.root]);
  });

  await test.step('held-out loss falls by at least 0.5 nat', async () => {
    const losses = (await anna.state()).heldOutLoss.map(([, loss]) => loss);
    const status = await api<StatusAnswer>('/api/status');
    console.log(
      `held-out loss by round: ${losses.map((l) => l.toFixed(3)).join(' ')}, now ${status.heldOutLoss?.toFixed(3)}`,
    );
    console.log(`submissions: ${status.bytesPerParameter?.toFixed(4)} bytes per parameter`);
    expect(
      losses[0] - Math.min(...losses, status.heldOutLoss ?? Number.POSITIVE_INFINITY),
    ).toBeGreaterThanOrEqual(0.5);
  });

  await test.step('no submission bytes went through the relay', async () => {
    // Blobs are counted by path where they are sent and received. The relay itself carries signalling only: about
    // 8 KB a link, and this test makes five of them (plus retries on a busy machine).
    expect((await api<StatusAnswer>('/api/status')).relayedBytes).toBeLessThan(150_000);
    for (const tab of tabs) {
      const { bytesIn, bytesOut } = (await tab.state()).traffic;
      expect([bytesIn.relayed, bytesOut.relayed]).toEqual([0, 0]);
      expect(bytesIn.direct).toBeGreaterThan(0);
    }
  });

  await test.step('the dashboard’s numbers equal the ledger’s', async () => {
    for (const tab of tabs) {
      const [ledger, state] = await until(
        `${tab.name} and the ledger at one height`,
        async () => [await api<LedgerAnswer>('/api/ledger'), await tab.state()] as const,
        ([l, s]) => l.height === s.height,
        minutes(1),
      );
      const account = ledger.accounts.find((a) => a.contributor === state.identity);
      expect(state.totals.credits, tab.name).toBe(account?.credits);
      expect(state.totals.accepted, tab.name).toBe(account?.accepted);
      expect(state.leaderboard.map((l) => l.credits)).toEqual(
        ledger.accounts.map((a) => a.credits).sort((a, b) => b - a),
      );
    }
  });

  await test.step('screenshots', async () => {
    await anna.page.screenshot({ path: 'artifacts/screenshots/dashboard-1280.png', fullPage: true });
    await tabs[2].page.screenshot({
      path: 'artifacts/screenshots/dashboard-390-dark.png',
      fullPage: true,
    });
    await ben.page.setViewportSize({ width: 390, height: 844 });
    await ben.page.screenshot({ path: 'artifacts/screenshots/dashboard-390.png', fullPage: true });
  });

  await test.step('tabswarm status prints the same for scripts', async () => {
    const printed = JSON.parse(await cli('status', '--url', host.url, '--json')) as StatusAnswer;
    const status = await api<StatusAnswer>('/api/status');
    expect(printed.run).toBe(status.run);
    expect(printed.height).toBeGreaterThanOrEqual(ROUNDS);
    writeFileSync('artifacts/status.json', `${JSON.stringify(printed, null, 2)}\n`);
  });

  expect(tabs.flatMap((t) => t.errors)).toEqual([]);
});
