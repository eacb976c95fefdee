/**
 * The whole session over and over: join the swarm, load the model, leave. Each time a libp2p node, a chat worker and the
 * dashboard come and go; what they leave behind would be a leak of a tab that is used for days. Needs `npm run build`.
 */
import { chromium, type Page } from 'playwright';
import { startHost } from '../../e2e/support/host.ts';
import type { AppState } from '../../src/app/state.ts';
import { CHROMIUM_ARGS, chromiumPath } from '../browsers.ts';
import { COUNTED_ARGS, countPage, type PageCounts } from './ui.ts';

const VISITS = 30;
const WARM_UP = 5;
/** Visits between two counts. */
const EVERY = 3;
/** Of the heap, from the first half of the visits to the second. */
const MOST_GROWTH = 0.05;
const MOST_LISTENERS = 20;

async function visit(page: Page): Promise<void> {
  const read = (): Promise<AppState> => page.evaluate(() => globalThis.tabswarm.state());
  const until = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
    for (const end = Date.now() + 120_000; !(await holds()); await page.waitForTimeout(100))
      if (Date.now() > end) throw new Error(`no ${what} within two minutes`);
  };
  await page.getByRole('button', { name: 'Just watch' }).click();
  await until('connection to the host', async () => (await read()).host === 'connected');
  const chat = page.getByTestId('chat');
  await chat.getByRole('button', { name: 'Load the model' }).click();
  await until('model', async () => (await chat.getAttribute('data-status')) === 'ready');
  await page.getByRole('button', { name: 'Stop watching' }).click();
  await until('end of all workers', async () => page.workers().length === 0);
}

export async function soakSession(options: { json: boolean; steps?: number | undefined }): Promise<boolean> {
  const visits = Math.max(2 * EVERY, options.steps ?? VISITS);
  const print = (name: string, value: number, unit: string, extra: object = {}) =>
    console.log(options.json ? JSON.stringify({ name, value, unit, ...extra }) : `${name} ${value} ${unit}`);
  const host = await startHost(['--preset', 'tiny']);
  const browser = await chromium.launch({
    executablePath: chromiumPath() ?? undefined,
    args: [...CHROMIUM_ARGS, ...COUNTED_ARGS],
  });
  try {
    const context = await browser.newContext({ serviceWorkers: 'block' });
    const page = await context.newPage();
    await page.goto(host.url);
    const cdp = await context.newCDPSession(page);
    for (let i = 0; i < WARM_UP; i++) await visit(page);
    const counts: PageCounts[] = [];
    for (let i = 1; i <= visits; i++) {
      await visit(page);
      if (i % EVERY !== 0) continue;
      const count = await countPage(cdp);
      counts.push(count);
      const { heap, nodes, listeners } = count;
      print('soak.session.heap', Math.round(heap / 1024), 'KiB', { visit: i, nodes, listeners });
    }
    // Requests keep their time-outs for a while after a visit, so the least of several counts is what stays.
    const half = counts.length >> 1;
    const least = (part: readonly PageCounts[], what: keyof PageCounts) =>
      Math.min(...part.map((c) => c[what]));
    const growth = least(counts.slice(-half), 'heap') / least(counts.slice(0, half), 'heap') - 1;
    const listeners = least(counts.slice(-half), 'listeners') - least(counts.slice(0, half), 'listeners');
    print('soak.session.heap_growth', Math.round(growth * 1000) / 1000, 'share', { visits });
    print('soak.session.listener_growth', listeners, 'listeners', { visits });
    return growth <= MOST_GROWTH && listeners <= MOST_LISTENERS;
  } finally {
    await browser.close();
    await host.stop();
  }
}
