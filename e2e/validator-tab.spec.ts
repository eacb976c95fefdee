/**
 * A validator in a browser tab: a host without a seat, a tab with the key file, a contributor. The host stores the links
 * that the tab hands over and the contributor applies them; after a reload the tab continues the same chain. What a seat
 * does when something goes wrong is played in src/app/validation.test.ts and src/peer/handed-chain.test.ts.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type BrowserContext, expect, type Page, test } from '@playwright/test';
import { toHex } from '../src/protocol/bytes.ts';
import { checkCertificate, genesisHead } from '../src/chain/certificate.ts';
import { fetchRun } from '../src/peer/fetch-run.ts';
import { HostClient } from '../src/peer/host-client.ts';
import { open } from '../src/protocol/envelope.ts';
import { systemClock } from '../src/protocol/timer.ts';
import { axeFaults } from './support/axe.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

interface HeadAnswer {
  readonly height: number;
  readonly root: string;
  readonly validator: 'host' | 'tab' | 'none';
}

let host: RunningHost;
let context: BrowserContext;
let page: Page;
let anna: Tab;
const faults: string[] = [];

const api = async <T>(path: string): Promise<T> => (await (await fetch(`${host.url}${path}`)).json()) as T;
const head = () => api<HeadAnswer>('/api/head');

test.beforeAll(async ({ browser }) => {
  mkdirSync('artifacts/screenshots', { recursive: true });
  host = await startHost([
    '--preset',
    'tiny',
    '--round-seconds',
    '10',
    '--validator',
    'tab',
    '--corpus',
    'LICENSE',
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
  await anna?.close().catch(() => {});
  await context?.close();
  await host?.stop();
});

async function startValidating(): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(join(host.dataDir, 'validator.key'));
  await page.getByLabel('Replay contributors').selectOption('off');
  await page.getByRole('button', { name: 'Start validating' }).click();
  await expect(page.getByTestId('validate-notice')).toHaveAttribute('data-stage', 'running');
}

test('a tab holds the seat: certifies, is reloaded, and continues one chain', async ({ browser }) => {
  await test.step('while nobody validates, volunteers are told', async () => {
    anna = await openTab(browser, host.url, 'anna');
    await expect(anna.page.getByTestId('problem-no-validator')).toBeVisible();
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

  await test.step('with the right one it validates; a second tab of this browser is told', async () => {
    await startValidating();
    const machine = page.getByTestId('validate-machine');
    console.log(`validator: ${await machine.textContent()}`);
    expect(await machine.getAttribute('data-value')).not.toBe('');
    const second = await context.newPage();
    await second.goto(`${host.url}/#validate`);
    await second.locator('input[type=file]').setInputFiles(join(host.dataDir, 'validator.key'));
    await second.getByRole('button', { name: 'Start validating' }).click();
    await expect(second.getByTestId('validate-other-tab')).toBeVisible();
    await second.close();
  });

  await test.step('a contributor is admitted and accepted, and the host stores both links', async () => {
    await anna.page.getByRole('button', { name: 'Start', exact: true }).click();
    await until(
      'anna accepted',
      () => anna.state(),
      (s) => s.totals.accepted >= 1,
    );
    await until('two links', head, ({ height }) => height >= 2);
    expect((await head()).validator).toBe('tab');
    await expect(anna.page.getByTestId('problem-no-validator')).toHaveCount(0);
    await page.screenshot({ path: 'artifacts/screenshots/validate-1280.png', fullPage: true });
    expect(await axeFaults(page)).toEqual([]);
  });

  await test.step('reloaded, the tab goes on where it was', async () => {
    const before = (await head()).height;
    await page.reload();
    await startValidating();
    await until('another link', head, ({ height }) => height > before);
  });

  await test.step('host, contributor and validator have one chain, signed by the tab', async () => {
    const [{ height, root }, state] = await until(
      'anna at the host’s height',
      async () => [await head(), await anna.state()] as const,
      ([h, s]) => s.height === h.height,
    );
    expect(state.root).toBe(root);
    await expect(page.locator(`[data-testid=certificate-row][data-height="${height}"]`)).toHaveAttribute(
      'data-root',
      root,
    );
    const client = new HostClient(host.url, systemClock());
    const { run } = await fetchRun(client);
    const key = await page.getByTestId('validate-key').getAttribute('data-value');
    expect(run.manifest.validators.map((validator) => toHex(validator.key))).toEqual([key]);
    let last = genesisHead(run);
    for (const { certificate } of await client.links(1)) {
      const opened = await open(certificate);
      if (!opened.ok || opened.message.kind !== 'certificate') throw new Error('no certificate');
      expect(opened.message.signatures.map(({ validator }) => toHex(validator))).toEqual([key]);
      const checked = await checkCertificate(opened.message, run, last);
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
  expect([...faults, ...anna.errors]).toEqual([]);
});
