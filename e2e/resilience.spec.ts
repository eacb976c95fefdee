/**
 * What a volunteer and an organizer meet sooner or later: a host that dies and comes back, a graphics process that
 * crashes, pausing, a browser without WebGPU, a page that is not secure, foreign versions, damaged bytes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, expect, test } from '@playwright/test';
import { CHROMIUM_ARGS, chromiumPath } from '../scripts/browsers.ts';
import { cli, freePort, type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

test.describe.configure({ mode: 'serial' });
test.use({
  launchOptions: {
    executablePath: chromiumPath() ?? undefined,
    // A name that is not "localhost", so that the page is no secure context.
    args: [...CHROMIUM_ARGS, '--host-resolver-rules=MAP insecure.test 127.0.0.1'],
  },
});

/** A tiny model, short rounds, and so little text that every tab holds all of it. */
const ARGS = ['--preset', 'tiny', '--round-seconds', '8', '--corpus', 'LICENSE'];
const MINUTE = 60_000;

let dataDir: string;
let port: number;
let host: RunningHost;
let anna: Tab;
let ben: Tab;

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
const start = (tab: Tab) => tab.page.getByRole('button', { name: 'Start', exact: true }).click();
const height = async () => (await api<Status>('/api/status')).height;
const grown = async (by: number) => {
  const before = await height();
  await until(`${by} more certificates`, height, (h) => h >= before + by, 2 * MINUTE);
};

test.beforeAll(async ({ browser }: { browser: Browser }) => {
  dataDir = mkdtempSync(join(tmpdir(), 'tabswarm-resilience-'));
  port = await freePort();
  host = await startHost(ARGS, { dataDir, port });
  anna = await openTab(browser, host.url, 'anna');
  ben = await openTab(browser, host.url, 'ben');
  await start(anna);
  await start(ben);
  await until('two certificates', height, (h) => h >= 2, 2 * MINUTE);
});

test.afterAll(async () => {
  await anna?.close().catch(() => {});
  await ben?.close().catch(() => {});
  await host?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

test('pause stops computing but keeps up; resume goes on; the GPU share is kept', async () => {
  await anna.page.getByRole('button', { name: 'Pause' }).click();
  // The step that was under way may still end.
  await until(
    'anna to settle',
    () => anna.state(),
    (s) => s.activity === 'paused',
    MINUTE,
  );
  const ownSteps = async () => (await anna.state()).totals.innerSteps;
  let steps = await ownSteps();
  await until(
    'no further step',
    async () => {
      const before = steps;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      steps = await ownSteps();
      return steps - before;
    },
    (more) => more === 0,
    MINUTE,
  );
  await grown(2);
  expect(await ownSteps()).toBe(steps);
  const certified = await height();
  await until(
    'anna following while paused',
    () => anna.state(),
    (s) => s.height >= certified,
    MINUTE,
  );

  await anna.page.getByRole('button', { name: 'Resume' }).click();
  await until('anna computing again', ownSteps, (s) => s > steps, MINUTE);

  const slider = anna.page.getByRole('slider');
  await slider.fill('40');
  expect((await anna.state()).settings.gpuShare).toBeCloseTo(0.4);
  expect(await anna.page.evaluate(() => localStorage.getItem('tabswarm.settings'))).toContain(
    '"gpuShare":0.4',
  );
  await slider.fill('100');
  expect([...anna.errors, ...ben.errors]).toEqual([]);
});

test('the host is killed in mid-round and comes back with every certified round and credit', async () => {
  const before = await api<Ledger>('/api/ledger');
  const { run } = await api<Status>('/api/status');
  await host.stop('SIGKILL');
  const state = await until(
    'anna noticing',
    () => anna.state(),
    (s) => s.problems.some((p) => p.code === 'host-unreachable'),
    MINUTE,
  );
  expect(state.problems.map((p) => [p.code, p.recovering])).toEqual([['host-unreachable', true]]);
  await expect(anna.page.getByTestId('problem-host-unreachable')).toBeVisible();

  host = await startHost(ARGS, { dataDir, port });
  const status = await api<Status>('/api/status');
  expect(status.run).toBe(run);
  expect(status.height).toBeGreaterThanOrEqual(before.height);
  const after = await api<Ledger>('/api/ledger');
  for (const account of before.accounts) {
    const same = after.accounts.find((a) => a.contributor === account.contributor);
    expect(same?.credits).toBeGreaterThanOrEqual(account.credits);
  }

  await grown(2);
  const head = await api<Status>('/api/status');
  for (const tab of [anna, ben]) {
    const state = await until(
      `${tab.name} back`,
      () => tab.state(),
      (s) => s.height >= head.height,
      MINUTE,
    );
    expect(state.rounds.find((r) => r.height === head.height)?.root).toBe(head.root);
    expect(state.host).toBe('connected');
    expect(state.problems).toEqual([]);
    // Chromium itself logs each refused WebSocket dial while the host is down; nothing else may be there.
    expect(tab.errors.filter((e) => !/ERR_CONNECTION_REFUSED|WebSocket connection/.test(e))).toEqual([]);
    tab.errors.length = 0;
  }
});

test('the graphics process crashes: the device is rebuilt and the work goes on', async ({ browser }) => {
  const accepted = (await anna.state()).totals.accepted;
  const crash = await browser.newPage();
  await crash.goto('chrome://gpucrash').catch(() => {});
  await until(
    'anna accepted again',
    () => anna.state(),
    (s) => s.totals.accepted > accepted + 1 && !s.problems.some((p) => p.code === 'device-lost'),
    2 * MINUTE,
  );
  await crash.close();
  expect((await anna.state()).problems).toEqual([]);
});

test('a damaged shard from the host is refused by its hash and fetched from another tab', async ({
  browser,
}) => {
  const { checkpoint } = await api<{ checkpoint: { size: number } }>('/api/head');
  const cleo = await openTab(browser, host.url, 'cleo');
  let damaged = 0;
  await cleo.page.route('**/api/blob/*', async (route) => {
    const response = await route.fetch();
    const body = await response.body();
    if (body.byteLength !== checkpoint.size) {
      damaged++;
      body[body.byteLength >> 1] = body[body.byteLength >> 1] ^ 1;
    }
    await route.fulfill({ response, body });
  });
  await start(cleo);
  const state = await until(
    'cleo accepted',
    () => cleo.state(),
    (s) => s.totals.accepted >= 1,
    2 * MINUTE,
  );
  expect(damaged).toBeGreaterThan(0);
  expect(state.problems.map((p) => p.code)).toEqual(['corrupt-data']);
  expect(cleo.errors).toEqual([]);
  await cleo.page.getByRole('button', { name: 'Stop', exact: true }).click();
  await until(
    'cleo stopped',
    () => cleo.state(),
    (s) => s.intent === 'idle',
    MINUTE,
  );
  await expect.poll(() => cleo.page.workers().length).toBe(0);
  await cleo.close();
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
  const seen = await height();
  await page.waitForFunction((h) => globalThis.tabswarm.state().height > h, seen, { timeout: MINUTE });
  expect(await page.evaluate(() => globalThis.tabswarm.state().totals.innerSteps)).toBe(0);
  expect(page.workers()).toHaveLength(0);
  await context.close();
});

test('a page that is not secure says what the organizer must do', async ({ browser }) => {
  const page = await browser.newPage();
  await page.goto(`http://insecure.test:${port}/`);
  await expect(page.getByTestId('problem-insecure-page')).toContainText('https');
  await page.close();
});

test('another protocol version asks for a reload; a damaged manifest is refused', async ({ browser }) => {
  const change = async (edit: (answer: { protocol: number; manifest: string }) => void) => {
    const page = await browser.newPage();
    await page.route('**/api/run', async (route) => {
      const response = await route.fetch();
      const json = (await response.json()) as { protocol: number; manifest: string };
      edit(json);
      await route.fulfill({ response, json });
    });
    await page.goto(host.url);
    return page;
  };
  const newer = await change((answer) => {
    answer.protocol = 99;
  });
  await expect(newer.getByTestId('problem-protocol-version')).toContainText(/reload/i);
  await newer.close();
  const foreign = await change((answer) => {
    const bytes = Buffer.from(answer.manifest, 'base64');
    bytes[bytes.length >> 1] = bytes[bytes.length >> 1] ^ 1;
    answer.manifest = bytes.toString('base64');
  });
  await expect(foreign.getByTestId('problem-bad-manifest')).toBeVisible();
  await foreign.close();
});

test('the host says what is wrong: port taken, and a checkpoint can be verified', async () => {
  const other = mkdtempSync(join(tmpdir(), 'tabswarm-port-'));
  await expect(startHost(ARGS, { dataDir: other, port })).rejects.toThrow(/port/i);
  rmSync(other, { recursive: true, force: true });
  const printed = JSON.parse(await cli('status', '--url', host.url, '--json')) as Status;
  expect(printed.height).toBeGreaterThan(0);

  const { checkpoint } = await api<{ checkpoint: { hash: string } }>('/api/head');
  const file = join(dataDir, 'checkpoint.bin');
  const bytes = Buffer.from(await (await fetch(`${host.url}/api/blob/${checkpoint.hash}`)).arrayBuffer());
  writeFileSync(file, bytes);
  expect(await cli('verify', file)).toMatch(/root/i);
  bytes[bytes.length - 5] = bytes[bytes.length - 5] ^ 1;
  writeFileSync(file, bytes);
  await expect(cli('verify', file)).rejects.toThrow(/ended with 1:[^]*changed or damaged/);
});
