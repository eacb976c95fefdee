/** A host with one port for page and WebSocket, and tabs in contexts of their own, for swarm.spec.ts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Browser, Page } from '@playwright/test';
import { build } from 'vite';
import { createHostSwarm, type HostSwarm } from '../../src/swarm/host-node.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.map': 'application/json',
};

/** Builds the test page into a temporary folder; `remove` deletes it. */
export async function buildPage(): Promise<{ dir: string; remove: () => void }> {
  const dir = mkdtempSync(join(tmpdir(), 'tabswarm-swarm-'));
  await build({
    configFile: false,
    root: import.meta.dirname,
    logLevel: 'error',
    build: { outDir: dir, emptyOutDir: true, target: 'es2023', minify: false },
  });
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

async function answer(dir: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? '/', 'http://host').pathname;
  try {
    const file = await readFile(join(dir, path === '/' ? 'index.html' : path));
    response.setHeader('content-type', TYPES[extname(path)] ?? 'text/html');
    response.end(file);
  } catch {
    response.statusCode = 404;
    response.end();
  }
}

export interface TestHost {
  readonly swarm: HostSwarm;
  readonly port: number;
  stop(): Promise<void>;
}

export async function startHost(dir: string, port = 0): Promise<TestHost> {
  const server: Server = createServer((request, response) => void answer(dir, request, response));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const swarm = await createHostSwarm({ privateKeySeed: new Uint8Array(32).fill(5), topic: 'e2e', server });
  return {
    swarm,
    port: (server.address() as AddressInfo).port,
    async stop() {
      await swarm.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface TestTab {
  readonly page: Page;
  readonly id: string;
  readonly errors: string[];
}

export async function openTab(browser: Browser, host: TestHost): Promise<TestTab> {
  const origin = `http://127.0.0.1:${host.port}`;
  const context = await browser.newContext();
  // With this permission Chromium lists its loopback interface as an ICE candidate; nothing opens a camera.
  await context.grantPermissions(['camera', 'microphone'], { origin });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  await page.goto(`${origin}/?host=${host.swarm.peerId}`);
  await page.waitForFunction(() => window.tab !== undefined);
  return { page, id: await page.evaluate(() => window.tab.swarm.peerId), errors };
}

/** Peers that a tab is linked to by this path, sorted. */
export function linked(tab: TestTab, path: string): Promise<string[]> {
  return tab.page.evaluate(
    (wanted) =>
      window.tab.swarm
        .links()
        .filter((link) => link.path === wanted)
        .map((link) => link.peer)
        .toSorted(),
    path,
  );
}
