/**
 * What a volunteer and an organizer meet sooner or later, as far as it takes a real browser or a real process: a host that is
 * killed and started again, a graphics process that crashes, a browser without WebGPU, a page that is not secure. The
 * rest is played in src/app/session.test.ts and src/sim, and told by the command line in src/host/run.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { CHROMIUM_ARGS, chromiumPath } from '../scripts/browsers.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

test.describe.configure({ mode: 'serial' });
test.use({
  launchOptions: {
    executablePath: chromiumPath() ?? undefined,
    // A name that is not "localhost", so that the page is no secure context.
    args: [...CHROMIUM_ARGS, '--host-resolver-rules=MAP insecure.test 127.0.0.1'],
  },
});

/** A tiny model and so little text that every tab holds all of it. */
const ARGS = ['--preset', 'tiny', '--round-seconds', '10', '--corpus', 'LICENSE'];

let dataDir: string;
let host: RunningHost;
let anna: Tab;

interface Status {
  readonly run: string;
  readonly height: number;
  readonly root: string;
}
interface Ledger {
  readonly height: number;
  readonly accounts: { contributor: string; credits: number }[];
}

const api = async <T>(path: string): Promise<T> => (await (await fetch(`${host.url}${path}`)).json()) as T;
const acceptedBeyond = (count: number) =>
  until(
    `anna accepted more than ${count} times`,
    () => anna.state(),
    ({ totals, problems }) => totals.accepted > count && problems.length === 0,
  );

test.beforeAll(async ({ browser }) => {
  dataDir = mkdtempSync(join(tmpdir(), 'tabswarm-resilience-'));
  host = await startHost(ARGS, { dataDir });
  anna = await openTab(browser, host.url, 'anna');
});

test.afterAll(async () => {
  await anna?.close().catch(() => {});
  await host?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

test('a page that is not secure says what the organizer must do', async ({ browser }) => {
  const page = await browser.newPage();
  await page.goto(`http://insecure.test:${host.port}/`);
  await expect(page.getByTestId('problem-insecure-page')).toContainText('https');
  await page.close();
});

test('the graphics process crashes: the device is opened anew and the work goes on', async ({ browser }) => {
  await anna.page.getByRole('button', { name: 'Start', exact: true }).click();
  await until(
    'anna training',
    () => anna.state(),
    (s) => s.activity === 'training' && s.totals.innerSteps > 0,
  );
  // The lost device's worker is ended and another is started.
  const anew = anna.page.waitForEvent('worker', { timeout: 0 });
  const devtools = await browser.newBrowserCDPSession();
  await devtools.send('Browser.crashGpuProcess');
  await anew;
  await acceptedBeyond((await anna.state()).totals.accepted);
});

test('without WebGPU the page says so, and watching still works', async ({ browser }) => {
  const context = await browser.newContext();
  await context.addInitScript(() =>
    Object.defineProperty(Navigator.prototype, 'gpu', { get: () => undefined }),
  );
  const page = await context.newPage();
  await page.goto(host.url);
  await expect(page.getByTestId('problem-no-webgpu')).toContainText('Chrome');
  await page.getByRole('button', { name: 'Just watch' }).click();
  const [head, seen] = await until(
    'the host’s height',
    async () =>
      [await api<Status>('/api/status'), await page.evaluate(() => globalThis.tabswarm.state())] as const,
    ([{ height }, state]) => height > 0 && state.height === height,
  );
  expect(seen.root).toBe(head.root);
  expect(seen.totals.innerSteps).toBe(0);
  expect(page.workers()).toHaveLength(0);
  await context.close();
});

test('the host is killed and comes back with every certified round and credit', async () => {
  const before = await api<Ledger>('/api/ledger');
  const { run } = await api<Status>('/api/status');
  const { port } = host;
  await host.stop('SIGKILL');
  const state = await until(
    'anna noticing',
    () => anna.state(),
    (s) => s.problems.some(({ code }) => code === 'host-unreachable'),
  );
  expect(state.problems.find(({ code }) => code === 'host-unreachable')?.recovering).toBe(true);
  await expect(anna.page.getByTestId('problem-host-unreachable')).toBeVisible();

  host = await startHost(ARGS, { dataDir, port });
  const status = await api<Status>('/api/status');
  expect(status.run).toBe(run);
  expect(status.height).toBeGreaterThanOrEqual(before.height);
  const after = await api<Ledger>('/api/ledger');
  for (const account of before.accounts) {
    const same = after.accounts.find(({ contributor }) => contributor === account.contributor);
    expect(same?.credits).toBeGreaterThanOrEqual(account.credits);
  }

  const { rounds } = await acceptedBeyond(state.totals.accepted);
  const own = rounds.findLast((r) => r.own?.outcome === 'accepted');
  const head = await until(
    'the host at that height',
    () => api<Status>('/api/status'),
    ({ height }) => height >= (own?.height ?? 0),
  );
  const { rounds: later } = await until(
    'anna at the host’s height',
    () => anna.state(),
    (s) => s.height >= head.height,
  );
  expect(later.find((r) => r.height === head.height)?.root).toBe(head.root);
  await until(
    'anna connected, without problems',
    () => anna.state(),
    (s) => s.host === 'connected' && s.problems.length === 0,
  );
  // Chromium itself logs each refused dial while the host is down; nothing else may be there.
  expect(anna.errors.filter((e) => !/ERR_CONNECTION_REFUSED|WebSocket connection/.test(e))).toEqual([]);
});
