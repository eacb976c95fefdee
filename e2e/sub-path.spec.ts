/**
 * The host below a path of somebody's site, `http://site/app/`, behind a proxy that strips the path and behind one that
 * keeps it: page, service worker, API, WebSocket, blobs and links between tabs work as at the root.
 */
import { type AddressInfo, createServer as listen } from 'node:net';
import { once } from 'node:events';
import { type Browser, expect, test } from '@playwright/test';
import { type RunningHost, startHost } from './support/host.ts';
import { type Proxy, startProxy } from './support/proxy.ts';
import { openTab, type Tab } from './support/tab.ts';

test.use({ serviceWorkers: 'allow' });

/** A proxy that passes on what is below /app/, and nothing else. */
async function belowApp(port: number, keepsPath: boolean): Promise<Proxy> {
  const proxy = await startProxy({
    port,
    pathOf: (url) => (url.startsWith('/app/') ? (keepsPath ? url : url.slice('/app'.length)) : null),
  });
  proxy.passSockets = true;
  return proxy;
}

async function freePort(): Promise<number> {
  const probe = listen().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

const watch = async (browser: Browser, base: string, name: string): Promise<Tab> => {
  const tab = await openTab(browser, base, name);
  await tab.page.getByRole('button', { name: 'Just watch' }).click();
  return tab;
};

for (const keepsPath of [false, true]) {
  test(`a proxy that ${keepsPath ? 'keeps' : 'strips'} the path`, async ({ browser }) => {
    const port = await freePort();
    const base = `http://localhost:${port}/app`;
    const outside = await belowApp(port, keepsPath);
    // Only a proxy that keeps the path needs the host to know it.
    const host: RunningHost = await startHost([
      '--preset',
      'tiny',
      ...(keepsPath ? ['--public-url', `${base}/`] : []),
    ]);
    outside.target = host.port;
    const tabs: Tab[] = [];
    try {
      tabs.push(await watch(browser, base, 'A'), await watch(browser, base, 'B'));
      const [a, b] = tabs as [Tab, Tab];
      // API and WebSocket, through the proxy only; and a direct link, which needs the relay's address.
      for (const tab of tabs) {
        await expect.poll(async () => (await tab.state()).host).toBe('connected');
        await expect.poll(async () => (await tab.state()).run?.name).toContain('tiny');
      }
      await expect.poll(async () => (await a.state()).peers.some(({ path }) => path === 'direct')).toBe(true);

      // The page as an app: worker and manifest below the path, and nothing at the root.
      const scope = await a.page.evaluate(async () => (await navigator.serviceWorker.ready).scope);
      expect(scope).toBe(`${base}/`);
      const manifest = await a.page.evaluate(async () => {
        const { href } = document.querySelector('link[rel=manifest]') as HTMLLinkElement;
        const { start_url: start } = (await (await fetch(href)).json()) as { start_url: string };
        return { href, start: new URL(start, href).href };
      });
      expect(manifest).toEqual({ href: `${base}/manifest.webmanifest`, start: `${base}/` });
      expect(a.errors).toEqual([]);

      // A verify page knows its host.
      await b.page.goto('about:blank');
      await b.page.goto(`${base}/#verify`);

      await expect(b.page.getByRole('heading', { level: 1 })).toBeVisible();
      await expect(b.page.locator('a.brand')).toHaveAttribute('href', './');
      // Blobs by their hash.
      const head = (await (await fetch(`${base}/api/head`)).json()) as {
        checkpoint: { hash: string; size: number };
      };
      const blob = await fetch(`${base}/api/blob/${head.checkpoint.hash}`);
      expect((await blob.arrayBuffer()).byteLength).toBe(head.checkpoint.size);
      if (keepsPath) {
        const bare = await fetch(`http://127.0.0.1:${host.port}/app`, { redirect: 'manual' });
        expect([bare.status, bare.headers.get('location')]).toEqual([308, '/app/']);
        // What is printed for this machine works too.
        const own = await watch(browser, host.url, 'own');
        tabs.push(own);
        await expect.poll(async () => (await own.state()).host).toBe('connected');
      }
    } finally {
      for (const tab of tabs) await tab.close();
      await host.stop();
      outside.stop();
    }
  });
}
