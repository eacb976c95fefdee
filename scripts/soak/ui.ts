/**
 * Eight hours of the page in minutes: as many rounds as eight hours of 30-second rounds have, drawn by the production
 * build in a headless Chromium. With every bounded list full and after a warm-up, neither the heap (after a garbage
 * collection) nor DOM nodes nor event listeners may grow.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { type CDPSession, chromium } from 'playwright';
import { build, preview } from 'vite';
import { CHROMIUM_ARGS, chromiumPath } from '../browsers.ts';

/** 8 h of 30 s. */
const ROUNDS = 960;
/** Until everything was drawn in every state. */
const WARM_UP = 50;
/** Growth that is measurement noise: feedback of the engine, layout that is kept for what was shown last. */
const MOST_GROWTH = 0.05;
/** A handful of nodes may come and go with what happens to be shown. */
const MOST_NODES = 50;

/** Compiled code would count as heap and grow for as long as the engine finds something to optimise. */
export const COUNTED_ARGS = ['--js-flags=--no-opt --no-maglev --no-sparkplug --no-flush-bytecode'];

/** Between two collections. */
const SETTLE_MS = 500;
/** Collections in a row that must free nothing, and the most that are made. */
const SETTLED_PASSES = 3;
const MOST_PASSES = 30;

export interface PageCounts {
  /** JavaScript heap in use after a collection, bytes. */
  readonly heap: number;
  readonly nodes: number;
  readonly listeners: number;
}

export interface UiSoak {
  readonly rounds: number;
  readonly before: PageCounts;
  readonly after: PageCounts;
  /** Share by which the heap ended above where it was after the warm-up. */
  readonly growth: number;
  readonly ok: boolean;
}

/**
 * What a page holds on to: the least that is left once collecting frees nothing more. React takes down what was removed
 * in tasks of its own, and finalisers and weak references of one collection free more in the next; on a busy machine
 * that takes many passes.
 */
export async function countPage(cdp: CDPSession): Promise<PageCounts> {
  await cdp.send('HeapProfiler.enable');
  let least: PageCounts | null = null;
  for (let pass = 0, unchanged = 0; pass < MOST_PASSES && unchanged < SETTLED_PASSES; pass++) {
    await cdp.send('HeapProfiler.collectGarbage');
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const { usedSize } = await cdp.send('Runtime.getHeapUsage');
    const { nodes, jsEventListeners } = await cdp.send('Memory.getDOMCounters');
    const now = { heap: usedSize, nodes, listeners: jsEventListeners };
    const fell: boolean = least === null || now.nodes < least.nodes || now.heap < 0.998 * least.heap;
    unchanged = fell ? 0 : unchanged + 1;
    if (fell) least = now;
  }
  if (least === null) throw new Error('the page was never counted');
  return least;
}

interface UiSoakOptions {
  readonly rounds?: number | undefined;
  /** Counts in so many equal parts, the last at the end. */
  readonly parts?: number;
  readonly onCount?: (round: number, counts: PageCounts) => void;
}

export async function runUiSoak(options: UiSoakOptions = {}): Promise<UiSoak> {
  const { rounds = ROUNDS, parts = 10, onCount } = options;
  const outDir = mkdtempSync(join(tmpdir(), 'tabswarm-soak-'));
  const input = join(import.meta.dirname, 'ui-page.html');
  await build({
    configFile: false,
    logLevel: 'error',
    plugins: [react()],
    build: { outDir, target: 'es2023', rolldownOptions: { input, checks: { pluginTimings: false } } },
    worker: { format: 'es' },
  });
  const server = await preview({
    configFile: false,
    logLevel: 'error',
    build: { outDir },
    preview: { host: '127.0.0.1', port: 0 },
  });
  const browser = await chromium.launch({
    executablePath: chromiumPath() ?? undefined,
    args: [...CHROMIUM_ARGS, ...COUNTED_ARGS],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const failure = new Promise<never>((_, reject) => {
      page.on('pageerror', reject);
      page.on('crash', () => reject(new Error('the page crashed')));
    });
    failure.catch(() => {});
    const play = (count: number) => Promise.race([page.evaluate<void>(`globalThis.soak(${count})`), failure]);
    const base = server.resolvedUrls?.local[0];
    if (base === undefined) throw new Error('the preview server has no address');
    await page.goto(`${base}scripts/soak/ui-page.html`);
    await page.waitForFunction('globalThis.soak !== undefined');
    const cdp = await page.context().newCDPSession(page);
    await play(WARM_UP);
    const before = await countPage(cdp);
    onCount?.(0, before);
    let after = before;
    for (let i = 1; i <= parts; i++) {
      const done = Math.round((rounds * i) / parts);
      await play(done - Math.round((rounds * (i - 1)) / parts));
      after = await countPage(cdp);
      onCount?.(done, after);
    }
    const growth = after.heap / before.heap - 1;
    const ok =
      growth <= MOST_GROWTH &&
      after.nodes - before.nodes <= MOST_NODES &&
      after.listeners - before.listeners <= MOST_NODES;
    return { rounds, before, after, growth, ok };
  } finally {
    await browser.close();
    await server.close();
    rmSync(outDir, { recursive: true, force: true });
  }
}

export async function soakUi(options: { json: boolean; steps?: number | undefined }): Promise<boolean> {
  const print = (name: string, value: number, unit: string, extra: object = {}) =>
    console.log(options.json ? JSON.stringify({ name, value, unit, ...extra }) : `${name} ${value} ${unit}`);
  const soak = await runUiSoak({
    rounds: options.steps,
    onCount: (round, { heap, nodes, listeners }) =>
      print('soak.ui.heap', Math.round(heap / 1024), 'KiB', { round, nodes, listeners }),
  });
  const { rounds, before, after } = soak;
  print('soak.ui.heap_growth', Math.round(soak.growth * 1000) / 1000, 'share', { rounds });
  print('soak.ui.node_growth', after.nodes - before.nodes, 'nodes', { rounds });
  print('soak.ui.listener_growth', after.listeners - before.listeners, 'listeners', { rounds });
  return soak.ok;
}
