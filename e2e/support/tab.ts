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

/** A new visitor's tab, or one more tab of a visitor who is there already. */
export async function openTab(
  where: Browser | BrowserContext,
  url: string,
  name: string,
  options: { width?: number; colorScheme?: 'dark' | 'light'; path?: string } = {},
): Promise<Tab> {
  const context =
    'newContext' in where
      ? await where.newContext({
          viewport: { width: options.width ?? 1280, height: 900 },
          colorScheme: options.colorScheme ?? 'light',
        })
      : where;
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

/**
 * Ends a test that hangs, and measures nothing: a busy machine may take minutes for what a quiet one does in seconds.
 * Shorter than a test's own limit (playwright.config.ts), which would not say what was last seen.
 */
const PATIENCE_MS = 10 * 60_000;
const POLL_MS = 250;

/** Polls until `condition` holds; when it never does, fails with what it last saw. */
export async function until<T>(
  what: string,
  read: () => Promise<T>,
  condition: (value: T) => boolean,
): Promise<T> {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const asked = Date.now();
    const value = await read();
    if (condition(value)) return value;
    const now = Date.now();
    if (now > end)
      throw new Error(
        `${what}: not in ${PATIENCE_MS / 60_000} minutes; last: ${JSON.stringify(value)?.slice(0, 2000)}`,
      );
    // A tab that takes long to answer has work to do: being asked costs it a tenth of its time at most.
    await new Promise((resolve) => setTimeout(resolve, Math.max(POLL_MS, 9 * (now - asked))));
  }
}
