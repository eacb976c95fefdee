/** A volunteer's tab in a browser context of its own, watched for console errors. */
import type { Browser, BrowserContext, Page } from '@playwright/test';
import type { AppState } from '../../src/app/state.ts';

export interface Tab {
  readonly name: string;
  readonly page: Page;
  readonly context: BrowserContext;
  /** Console errors and uncaught exceptions so far. */
  readonly errors: string[];
  state(): Promise<AppState>;
  close(): Promise<void>;
}

declare global {
  // Set by the session; read-only.
  var tabswarm: { state(): AppState };
}

export async function openTab(
  browser: Browser,
  url: string,
  name: string,
  options: { width?: number; colorScheme?: 'dark' | 'light'; path?: string } = {},
): Promise<Tab> {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: 900 },
    colorScheme: options.colorScheme ?? 'light',
  });
  // Chromium lists its loopback interface for WebRTC only to pages with media permission. No camera is opened.
  await context.grantPermissions(['camera', 'microphone'], { origin: new URL(url).origin });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(`${name}: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${name}: console: ${message.text()}`);
  });
  await page.goto(`${url}${options.path ?? '/'}`);
  await page.waitForFunction(() => globalThis.tabswarm !== undefined);
  return {
    name,
    page,
    context,
    errors,
    state: () => page.evaluate(() => globalThis.tabswarm.state()),
    close: () => context.close(),
  };
}

/** Polls until `condition` holds; on time-out fails with what it last saw. */
export async function until<T>(
  what: string,
  read: () => Promise<T>,
  condition: (value: T) => boolean,
  timeoutMs: number,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (condition(value)) return value;
    if (Date.now() > end)
      throw new Error(
        `timed out after ${timeoutMs} ms waiting for ${what}; last: ${JSON.stringify(value)?.slice(0, 2000)}`,
      );
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
