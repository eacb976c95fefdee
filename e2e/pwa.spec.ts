/**
 * The page as an app: installable, opens without its host and says so, keeps nothing but its own shell, and tells a tab
 * of a new version without ever mixing two. Needs no GPU and no round.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page, test } from '@playwright/test';
import { StaticFiles } from '../src/host/static-files.ts';
import type { Shell } from '../src/ui/shell/service-worker.ts';
import { writeShell } from '../scripts/shell-plugin.ts';
import { type RunningHost, startHost } from './support/host.ts';

const SHOTS = 'artifacts/screenshots';

// The rest of the tests go without a service worker (playwright.config.ts).
test.use({ serviceWorkers: 'allow' });

/** Waits until the page has a service worker that is done installing. */
const controlled = (page: Page) =>
  page.waitForFunction(() => navigator.serviceWorker.controller?.state === 'activated');

/** Paths in every cache of the page. */
const cached = (page: Page): Promise<Record<string, string[]>> =>
  page.evaluate(async () => {
    const all: Record<string, string[]> = {};
    for (const name of await caches.keys()) {
      const requests = await (await caches.open(name)).keys();
      all[name] = requests.map((request) => new URL(request.url).pathname);
    }
    return all;
  });

test.describe('with a host', () => {
  let host: RunningHost;
  test.beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    host = await startHost(['--preset', 'tiny']);
  });
  test.afterAll(() => host?.stop());

  test('is installable, keeps only its shell, asks for notifications only when told to, opens without the host', async ({
    page,
  }) => {
    await page.goto(host.url);
    await controlled(page);

    const cdp = await page.context().newCDPSession(page);
    const { errors } = await cdp.send('Page.getAppManifest');
    expect(errors).toEqual([]);
    const { installabilityErrors } = await cdp.send('Page.getInstallabilityErrors');
    // A context of Playwright's counts as incognito, where nothing can be installed.
    expect(installabilityErrors.map((e) => e.errorId).filter((id) => id !== 'in-incognito')).toEqual([]);

    await page.getByRole('button', { name: 'Just watch' }).click();
    const notify = page.getByTestId('device').getByRole('checkbox', { name: 'Notify me' });
    await expect(notify).not.toBeChecked();
    expect(await page.evaluate(() => Notification.permission)).not.toBe('granted');
    await page.context().grantPermissions(['notifications'], { origin: host.url });
    await notify.check();
    await expect(notify).toBeChecked();
    await page.reload();
    await page.getByRole('button', { name: 'Just watch' }).click();
    await expect(notify).toBeChecked();
    await page.getByTestId('device').screenshot({ path: `${SHOTS}/device-1280.png` });

    const caches = await cached(page);
    for (const [name, paths] of Object.entries(caches)) {
      if (name.startsWith('tabswarm-blobs')) continue; // the session's own, by hash
      expect(name).toMatch(/^tabswarm-shell-/);
      expect(paths).toContain('/');
      for (const path of paths)
        expect(path).toMatch(/^\/(assets\/[^/]+\.(js|css)|[^/]*\.(svg|png|webmanifest))?$/);
      expect(paths.filter((path) => path.includes('ort'))).toEqual([]);
    }

    await host.stop();
    await page.reload();
    await expect(page.getByRole('heading', { name: /organizer’s server cannot be reached/ })).toBeVisible();
    await expect(page.getByRole('button', { name: 'Start' })).toBeDisabled();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    await page.screenshot({ path: `${SHOTS}/offline-1280.png` });
  });
});

test.describe('a new version', () => {
  let server: Server;
  let files: StaticFiles;
  let url: string;
  const folders: string[] = [];

  test.beforeAll(async () => {
    files = new StaticFiles('dist/app');
    server = createServer((request, response) => {
      void files.get(new URL(request.url ?? '/', 'http://x').pathname, false, null).then((answer) => {
        response.writeHead(answer?.status ?? 404, answer?.headers);
        response.end(answer?.body);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  test.afterAll(() => {
    server.close();
    server.closeAllConnections();
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  /** The same page as another build would be: its entry under another name, everything else pointing to that. */
  function rebuild(): string {
    const folder = mkdtempSync(join(tmpdir(), 'tabswarm-build-'));
    folders.push(folder);
    cpSync('dist/app', folder, { recursive: true, filter: (path) => !/\.(map|wasm)$/.test(path) });
    const old = /assets\/(index-[^"]+\.js)/.exec(readFileSync(join(folder, 'index.html'), 'utf8'))?.[1];
    if (old === undefined) throw new Error('index.html names no entry');
    const assets = join(folder, 'assets');
    renameSync(join(assets, old), join(assets, 'index-another.js'));
    for (const file of [
      join(folder, 'index.html'),
      ...readdirSync(assets).map((name) => join(assets, name)),
    ]) {
      if (!/\.(html|js)$/.test(file)) continue;
      writeFileSync(file, readFileSync(file, 'utf8').replaceAll(old, 'index-another.js'));
    }
    const worker = join(folder, 'sw.js');
    const shell = writeShell(
      folder,
      readFileSync(worker, 'utf8').replace(/%7B%22version[^`"']*/, '__TABSWARM_SHELL__'),
    );
    expect(shell.files).toContain('assets/index-another.js');
    return folder;
  }

  const shellOfPage = async (page: Page): Promise<Shell['files']> => {
    const caches = await cached(page);
    return Object.keys(caches).filter((name) => name.startsWith('tabswarm-shell-'));
  };
  const entry = (page: Page) =>
    page.evaluate(() => document.querySelector<HTMLScriptElement>('script[type=module][src]')?.src);

  test('is announced to a tab on the old one, which keeps its own files; a reload brings it', async ({
    page,
  }) => {
    await page.goto(url);
    await controlled(page);
    await expect(page.getByTestId('update')).toHaveCount(0);
    const before = await entry(page);
    // What opens a session (src/platform/browser/page.ts), which no page loads at first, is kept as well.
    const chunks = (await cached(page))[(await shellOfPage(page))[0]].filter((path) =>
      path.startsWith('/assets/page-'),
    );
    expect(chunks).toHaveLength(1);

    files = new StaticFiles(rebuild());
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
    const banner = page.getByTestId('update');
    await expect(banner).toBeVisible();
    // Both builds are kept, so this tab still finds what it has not loaded yet, though the server has it no more.
    expect(await shellOfPage(page)).toHaveLength(2);
    const own = before?.replace(url, '/') ?? '';
    expect(await page.evaluate(async (path) => (await fetch(path)).status, own)).toBe(200);
    expect((await fetch(new URL(own, url))).status).toBe(404);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 900 });
        await page.screenshot({ path: `${SHOTS}/update-${colorScheme}-${width}.png` });
      }
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(violations.map((v) => v.id)).toEqual([]);
    }

    await Promise.all([
      page.waitForEvent('load'),
      banner.getByRole('button', { name: 'Reload the page' }).click(),
    ]);
    expect(await entry(page)).toContain('index-another.js');
    await controlled(page);
    await expect(page.getByTestId('update')).toHaveCount(0);
  });
});
