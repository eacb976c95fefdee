/**
 * The whole thing in real tabs: a host and two volunteers train a tiny model on real text. Shows what only browsers can show:
 * work on a GPU of theirs, a direct WebRTC link, a page that agrees with the ledger, and a key that outlives a crash. What
 * a swarm does in the course of many rounds is played by src/sim.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import { cli, type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

const SHOTS = 'artifacts/screenshots';

interface StatusAnswer {
  readonly run: string;
  readonly height: number;
  readonly root: string;
  readonly heldOutLoss: number | null;
  readonly relayedBytes: number;
}

interface LedgerAnswer {
  readonly height: number;
  readonly accounts: { contributor: string; credits: number; accepted: number }[];
}

let host: RunningHost;
let anna: Tab;
let ben: Tab;

const api = async <T>(path: string): Promise<T> => (await (await fetch(`${host.url}${path}`)).json()) as T;
const start = (tab: Tab) => tab.page.getByRole('button', { name: 'Start', exact: true }).click();

test.beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  host = await startHost(['--preset', 'tiny', '--round-seconds', '12']);
});

test.afterAll(async () => {
  for (const tab of [anna, ben]) await tab?.close().catch(() => {});
  if (host !== undefined) writeFileSync('artifacts/host.log', host.output());
  await host?.stop();
});

test('two tabs train one model; their pages, their states and the host’s ledger agree', async ({
  browser,
}) => {
  anna = await openTab(browser, host.url, 'anna');
  ben = await openTab(browser, host.url, 'ben', { width: 390, colorScheme: 'dark' });
  const tabs = [anna, ben];

  await test.step('nothing runs before Start', async () => {
    for (const tab of tabs) {
      const state = await until(
        'the run description',
        () => tab.state(),
        (s) => s.run !== null,
      );
      expect([state.intent, state.peerId, tab.page.workers().length]).toEqual(['idle', null, 0]);
    }
    await anna.page.screenshot({ path: `${SHOTS}/first-visit-1280.png`, fullPage: true });
    await ben.page.screenshot({ path: `${SHOTS}/first-visit-390-dark.png`, fullPage: true });
  });

  for (const tab of tabs) await start(tab);
  // A sample is written after each certified round while training goes on.
  await anna.page.getByTestId('samples').getByRole('checkbox').check();

  await test.step('each runs on a named software adapter', async () => {
    for (const tab of tabs) {
      const { adapter } = await until(
        `${tab.name}'s adapter`,
        () => tab.state(),
        (s) => s.adapter !== null,
      );
      console.log(
        `${tab.name}: adapter ${adapter?.vendor} ${adapter?.architecture} (${adapter?.description}), software ${adapter?.software}`,
      );
      expect(adapter?.architecture).toContain('swiftshader');
    }
  });

  await test.step('they are directly connected', async () => {
    for (const [tab, other] of [
      [anna, ben],
      [ben, anna],
    ]) {
      const { peerId } = await other.state();
      await until(
        `${tab.name}'s direct link`,
        () => tab.state(),
        (s) => s.peers.some(({ peer, path }) => peer === peerId && path === 'direct'),
      );
    }
  });

  await test.step('the work of both is accepted, in one round, and the model gets better by it', async () => {
    await until(
      'a round with both',
      () => anna.state(),
      (s) => s.rounds.some(({ contributors }) => contributors === 2),
    );
    for (const tab of tabs)
      await until(
        `${tab.name} accepted`,
        () => tab.state(),
        (s) => s.totals.accepted >= 1,
      );
    const { heldOutLoss } = await until(
      'a lower held-out loss than at first',
      () => anna.state(),
      ({ heldOutLoss: losses }) => losses.length > 0 && losses[0][1] - losses[losses.length - 1][1] > 0.2,
    );
    console.log(`held-out loss: ${heldOutLoss.map(([, loss]) => loss.toFixed(3)).join(' ')} nats`);
  });

  await test.step('all state roots are equal to the host’s', async () => {
    const { height, root } = await api<StatusAnswer>('/api/status');
    const roots = new Map<number, Set<string>>();
    for (const tab of tabs) {
      const { rounds } = await until(
        `${tab.name} at height ${height}, without problems`,
        () => tab.state(),
        (s) => s.height >= height && s.problems.length === 0,
      );
      // A root is in the list only after the tab's own model came to the same one.
      for (const r of rounds)
        if (r.height !== null && r.root !== null)
          roots.set(r.height, (roots.get(r.height) ?? new Set()).add(r.root));
    }
    for (const [at, seen] of roots) expect([...seen], `roots at height ${at}`).toHaveLength(1);
    expect([...(roots.get(height) ?? [])]).toEqual([root]);
  });

  await test.step('no submission went through the relay', async () => {
    for (const tab of tabs) {
      const { bytesIn, bytesOut } = (
        await until(
          `${tab.name} fetching over the direct link`,
          () => tab.state(),
          (s) => s.traffic.bytesIn.direct > 0,
        )
      ).traffic;
      expect([bytesIn.relayed, bytesOut.relayed]).toEqual([0, 0]);
    }
  });

  await test.step('the page’s numbers are the ledger’s', async () => {
    for (const tab of tabs) {
      const [ledger, state] = await until(
        `${tab.name} and the ledger at one height`,
        async () => [await api<LedgerAnswer>('/api/ledger'), await tab.state()] as const,
        ([l, s]) => l.height === s.height,
      );
      const account = ledger.accounts.find(({ contributor }) => contributor === state.identity);
      expect(state.totals.credits, tab.name).toBe(account?.credits);
      expect(state.totals.accepted, tab.name).toBe(account?.accepted);
      expect(state.leaderboard.map(({ credits }) => credits)).toEqual(
        ledger.accounts.map(({ credits }) => credits).sort((a, b) => b - a),
      );
    }
    const printed = JSON.parse(await cli('status', '--url', host.url, '--json')) as StatusAnswer;
    expect(printed.run).toBe((await api<StatusAnswer>('/api/status')).run);
    writeFileSync('artifacts/status.json', `${JSON.stringify(printed, null, 2)}\n`);
  });

  await test.step('a tab that trains writes a sample of a certified state, and opens its own state for texts', async () => {
    const { page } = anna;
    const sample = page.getByTestId('sample').first();
    await expect(sample).toBeVisible();
    const root = await sample.getAttribute('data-root');
    expect((await anna.state()).rounds.map((r) => r.root)).toContain(root);
    const chat = page.getByTestId('chat');
    await chat.getByRole('button', { name: 'Load the model' }).click();
    await expect(chat).toHaveAttribute('data-status', 'ready');
    expect(Number(await chat.getByTestId('chat-state').getAttribute('data-height'))).toBeGreaterThan(0);
  });

  await test.step('pictures of the page at work', async () => {
    await anna.page.screenshot({ path: `${SHOTS}/dashboard-1280.png`, fullPage: true });
    await ben.page.screenshot({ path: `${SHOTS}/dashboard-390-dark.png`, fullPage: true });
    await ben.page.emulateMedia({ colorScheme: 'light' });
    await ben.page.screenshot({ path: `${SHOTS}/dashboard-390.png`, fullPage: true });
  });

  await test.step('a tab that crashes keeps its key and its credits, and nothing runs again by itself', async () => {
    const { context } = ben;
    const before = await ben.state();
    const crashed = ben.page.waitForEvent('crash', { timeout: 0 });
    const devtools = await context.newCDPSession(ben.page);
    void devtools.send('Page.crash').catch(() => {});
    await crashed;
    await ben.page.close();
    ben = await openTab(context, host.url, 'ben');
    const { intent, peerId } = await until(
      'the run description',
      () => ben.state(),
      (s) => s.run !== null,
    );
    expect([intent, peerId]).toEqual(['idle', null]);
    await start(ben);
    const after = await until(
      'ben’s credits',
      () => ben.state(),
      (s) => s.totals.credits >= before.totals.credits,
    );
    expect(after.identity).toBe(before.identity);
  });

  await test.step('Stop ends everything', async () => {
    await anna.page.getByRole('button', { name: 'Stop', exact: true }).click();
    // The browser tells of an ended worker a moment later.
    await expect.poll(() => anna.page.workers().length).toBe(0);
    expect((await anna.state()).peers).toEqual([]);
  });

  expect([anna, ben].flatMap((tab) => tab.errors)).toEqual([]);
});
