/**
 * A validator in a browser tab: a host without a seat, a tab with the key, two contributors. Certificates that the tab signs are
 * stored by the host and applied by the contributors; a reload of the tab continues the same chain.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { fromHex } from '../src/protocol/bytes.ts';
import { checkCertificate, genesisHead } from '../src/protocol/certificate.ts';
import { open, openManifest } from '../src/protocol/envelope.ts';
import { axeFaults } from './support/axe.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

/** Long enough for two tabs' software GPUs on two shared cores to do some of the tiny model's steps. */
const ROUND_SECONDS = 8;

interface HeadAnswer {
  readonly height: number;
  readonly root: string;
  readonly validator: 'host' | 'tab' | 'none';
}

let host: RunningHost;
let context: BrowserContext;
let page: Page;
const tabs: Tab[] = [];
const faults: string[] = [];

const api = async <T>(path: string): Promise<T> => (await (await fetch(`${host.url}${path}`)).json()) as T;
const head = () => api<HeadAnswer>('/api/head');
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

test.beforeAll(async ({ browser }) => {
  mkdirSync('artifacts/screenshots', { recursive: true });
  host = await startHost([
    '--preset',
    'tiny',
    '--round-seconds',
    String(ROUND_SECONDS),
    '--validator',
    'tab',
    '--audits',
    '1',
  ]);
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  await context.grantPermissions(['camera', 'microphone'], { origin: host.url });
  page = await context.newPage();
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  // A tab that validates asks before it is reloaded.
  page.on('dialog', (dialog) => void dialog.accept());
});

test.afterAll(async () => {
  for (const tab of tabs) await tab.close().catch(() => {});
  await context?.close();
  await host?.stop();
});

async function startValidating(): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(join(host.dataDir, 'validator.key'));
  await page.getByLabel('Replay contributors').selectOption('software');
  await page.getByRole('button', { name: 'Start validating' }).click();
  await expect(page.getByTestId('validate-notice')).toHaveAttribute('data-stage', 'running', {
    timeout: 60_000,
  });
}

test('a tab holds the seat: certifies, is reloaded, audits, and continues one chain', async ({ browser }) => {
  test.setTimeout(240_000);

  await test.step('while nobody validates, volunteers are told', async () => {
    for (const name of ['anna', 'ben']) tabs.push(await openTab(browser, host.url, name));
    for (const tab of tabs) await expect(tab.page.getByTestId('problem-no-validator')).toBeVisible();
  });

  await test.step('wrong keys are refused in words', async () => {
    await page.goto(`${host.url}/#validate`);
    await page.getByLabel('Or paste what it holds').fill('my key');
    await page.getByRole('button', { name: 'Start validating' }).click();
    await expect(page.getByTestId('validate-no-key')).toBeVisible();
    await page.locator('input[type=file]').setInputFiles(join(host.dataDir, 'organizer.key'));
    await page.getByRole('button', { name: 'Start validating' }).click();
    await expect(page.getByTestId('validate-no-seat')).toBeVisible();
    expect((await head()).validator).toBe('none');
  });

  await test.step('with the right one it validates', async () => {
    await startValidating();
    const machine = page.getByTestId('validate-machine');
    console.log(`validator: ${await machine.textContent()}`);
    expect(await machine.getAttribute('data-value')).not.toBe('');
  });

  await test.step('two contributors are accepted, and compute the root that the tab signed', async () => {
    for (const tab of tabs) await tab.page.getByRole('button', { name: /^start/i }).click();
    for (const tab of tabs) {
      const { adapter } = await until(
        `${tab.name} accepted`,
        () => tab.state(),
        (s) => s.totals.accepted >= 1,
        120_000,
      );
      console.log(`${tab.name}: adapter ${adapter?.description}, software ${adapter?.software}`);
    }
    expect((await head()).validator).toBe('tab');
    for (const tab of tabs)
      await expect(tab.page.getByTestId('problem-no-validator')).toHaveCount(0, { timeout: 20_000 });
    await page.screenshot({ path: 'artifacts/screenshots/validate-1280.png', fullPage: true });
    expect(await axeFaults(page)).toEqual([]);
  });

  let before = 0;
  await test.step('reloaded, the tab goes on where it was', async () => {
    before = (await head()).height;
    await page.reload();
    // The same browser, twice at once: the second tab is told.
    await startValidating();
    const second = await context.newPage();
    await second.goto(`${host.url}/#validate`);
    await second.locator('input[type=file]').setInputFiles(join(host.dataDir, 'validator.key'));
    await second.getByRole('button', { name: 'Start validating' }).click();
    await expect(second.getByTestId('validate-other-tab')).toBeVisible();
    await second.close();
    // Replayed in a worker of the tab, on the same software GPU as the contributors' work.
    const passed = page.getByTestId('certificate-row').filter({ hasText: 'passed' });
    await expect(passed.first()).toBeVisible({ timeout: 90_000 });
    expect(await page.getByTestId('certificate-row').filter({ hasText: 'failed' }).count()).toBe(0);
    await until('more certificates', head, (h) => h.height >= before + 2, 60_000);
  });

  await test.step('host, contributors and validator have one chain, signed by the tab', async () => {
    const { height, root } = await head();
    for (const tab of tabs) {
      const { problems, rounds } = await until(
        `${tab.name} at height ${height}`,
        () => tab.state(),
        (s) => s.height >= height,
        60_000,
      );
      expect(problems.filter(({ code }) => code === 'out-of-sync')).toEqual([]);
      expect(rounds.find((r) => r.height === height)?.root).toBe(root);
    }
    await expect(page.locator(`[data-testid=certificate-row][data-height="${height}"]`)).toHaveAttribute(
      'data-root',
      root,
    );
    const run = await api<{ manifest: string }>('/api/run');
    const opened = await openManifest(bytesOf(run.manifest));
    if (!opened.ok) throw new Error(opened.detail);
    const key = await page.getByTestId('validate-key').getAttribute('data-value');
    expect(opened.manifest.validators.map((v) => Buffer.from(v.key).toString('hex'))).toEqual([key]);
    const { certificates } = await api<{ certificates: string[] }>('/api/certificates?from=1');
    let last = genesisHead(opened.manifest, opened.runId);
    for (const text of certificates) {
      const message = await open(bytesOf(text));
      if (!message.ok || message.message.kind !== 'certificate') throw new Error('no certificate');
      expect(message.message.signatures.map((s) => Buffer.from(s.validator))).toEqual([
        Buffer.from(fromHex(key ?? '')),
      ]);
      const checked = await checkCertificate(message.message, opened.manifest, opened.runId, last);
      if (!checked.ok) throw new Error(checked.detail);
      last = checked.certificate.head;
    }
    expect(last.height).toBeGreaterThanOrEqual(height);
  });

  await test.step('on a phone, in the dark', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(
      await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
    ).toBe(0);
    await page.screenshot({ path: 'artifacts/screenshots/validate-390-dark.png', fullPage: true });
    expect(await axeFaults(page)).toEqual([]);
  });
  expect([...faults, ...tabs.flatMap((tab) => tab.errors)]).toEqual([]);
});
