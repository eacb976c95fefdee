/**
 * Troubles that are told as what they are, as far as only a real browser and a real host show them: blocked site data, an adapter at
 * the second asking, a full disk, a refused WebSocket, another run at the address. What the page says, and that it goes on.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type BrowserContext, chromium, expect, test } from '@playwright/test';
import { CHROMIUM_ARGS, chromiumPath } from '../scripts/browsers.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { startProxy } from './support/proxy.ts';
import { openTab, type Tab, until } from './support/tab.ts';

test.describe.configure({ mode: 'serial' });

const ARGS = ['--preset', 'tiny', '--round-seconds', '10', '--corpus', 'LICENSE'];

let dir: string;
let fullDisk: string;
let host: RunningHost;
let blocked: BrowserContext;
/** Works in a browser that keeps nothing. */
let anna: Tab;

const codes = async (tab: Tab): Promise<string[]> => (await tab.state()).problems.map(({ code }) => code);

test.beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tabswarm-troubles-'));
  fullDisk = join(dir, 'the-disk-is-full');
  host = await startHost(ARGS, {
    dataDir: join(dir, 'run'),
    env: {
      NODE_OPTIONS: `--import ${resolve(import.meta.dirname, 'support/full-disk.mjs')}`,
      TABSWARM_E2E_FULL_DISK: fullDisk,
    },
  });
  // What "block all site data" in the browser's settings writes.
  const profile = join(dir, 'profile');
  mkdirSync(join(profile, 'Default'), { recursive: true });
  const preferences = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(join(profile, 'Default/Preferences'), JSON.stringify(preferences));
  blocked = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath() ?? undefined,
    args: CHROMIUM_ARGS,
  });
});

test.afterAll(async () => {
  await blocked?.close().catch(() => {});
  await host?.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('an adapter that is offered at the second asking is enough', async ({ browser }) => {
  const context = await browser.newContext();
  await context.addInitScript(() => {
    const real = Reflect.get(GPU.prototype, 'requestAdapter');
    let asked = 0;
    GPU.prototype.requestAdapter = async function (options) {
      return ++asked === 1 ? null : real.call(this, options);
    };
  });
  const tab = await openTab(context, host.url, 'late');
  await expect(tab.page.getByTestId('problem-no-adapter')).toBeVisible();
  await expect(tab.page.getByTestId('problem-no-adapter')).toBeHidden();
  await expect(tab.page.getByRole('button', { name: 'Start', exact: true })).toBeEnabled();
  await tab.close();
});

test('with site data blocked the page says before Start that the key ends with the tab, and trains', async () => {
  anna = await openTab(blocked, host.url, 'anna');
  const { page } = anna;
  await expect(page.getByTestId('problem-key-not-kept')).toContainText('blocks all site data');
  await expect(page.getByTestId('problem-key-not-kept')).not.toContainText('goes on by itself');
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const { identity } = await until(
    'anna accepted',
    () => anna.state(),
    ({ totals }) => totals.accepted > 0,
  );
  expect(await codes(anna)).toEqual(['key-not-kept']);
  expect(identity).not.toBe('');
  expect(anna.errors.filter((error) => !error.includes('console:'))).toEqual([]);
});

test('a full disk is the organizer’s trouble and nobody’s refusal, and rounds count again once it is freed', async () => {
  const { refused } = (await anna.state()).totals;
  writeFileSync(fullDisk, '');
  const banner = anna.page.getByTestId('problem-round-unjudged');
  await expect(banner).toContainText('disk of the validator’s machine is full');
  await expect(banner).toContainText('goes on by itself');
  const { accepted } = (await anna.state()).totals;
  rmSync(fullDisk);
  const { rounds, totals } = await until(
    'accepted again',
    () => anna.state(),
    (state) => state.totals.accepted > accepted,
  );
  expect(totals.refused).toBe(refused);
  expect(rounds.some(({ own }) => own?.outcome === 'lost')).toBe(true);
  await expect(banner).toBeHidden();
  expect(await codes(anna)).toEqual(['key-not-kept']);
});

test('a refused WebSocket is told as that, and the tab goes on when it is let through', async ({
  browser,
}) => {
  const proxy = await startProxy({ target: host.port });
  const tab = await openTab(browser, proxy.url, 'behind');
  await tab.page.getByRole('button', { name: 'Just watch' }).click();
  const banner = tab.page.getByTestId('problem-socket-refused');
  await expect(banner).toContainText(`ws://localhost:${new URL(proxy.url).port}`);
  await expect(banner).toContainText('goes on by itself');
  await expect(tab.page.getByTestId('status')).toContainText('No WebSocket can be opened');
  expect(await codes(tab)).toEqual(['socket-refused']);
  expect(proxy.refused).toBeGreaterThan(1);
  proxy.passSockets = true;
  await expect(banner).toBeHidden();
  await until(
    'connected',
    () => tab.state(),
    (state) => state.host === 'connected' && state.problems.length === 0,
  );
  await tab.close();
  proxy.stop();
});

test('another run at the same address ends the work for the old one, and says so', async () => {
  const { port } = host;
  await host.stop('SIGKILL');
  host = await startHost(ARGS, { dataDir: join(dir, 'another'), port });
  const banner = anna.page.getByTestId('problem-other-run');
  await expect(banner).toContainText('Another run is at this address now');
  await expect(banner.getByRole('button', { name: 'Reload the page' })).toBeVisible();
  await expect(banner).not.toContainText('goes on by itself');
  const state = await anna.state();
  expect(state.activity).toBe('failed');
  expect(state.problems.filter(({ recovering }) => recovering)).toEqual([]);
  await expect.poll(() => anna.page.workers().length).toBe(0);
});
