/**
 * Control, bullet by bullet. Looks, words, keyboard and accessibility in the gallery, where every reason to wait can be
 * had at once; then one real host and one real tab, whose battery, line, idle detector and wake lock are moved by hand.
 */
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '@playwright/test';
import { createServer, type ViteDevServer } from 'vite';
import { controlScenarios } from '../src/ui/gallery/control-scenarios.ts';

const PICTURED = ['wait-schedule', 'wait-several', 'slowed', 'finishing', 'finished', 'watching'];
const DIALOGS = ['rules', 'rules-nothing-told'];

test.describe('in the gallery', () => {
  let server: ViteDevServer;
  let gallery: string;

  test.beforeAll(async () => {
    server = await createServer({
      configFile: 'vite.config.ts',
      server: { port: 0, host: '127.0.0.1', watch: null, hmr: false },
      logLevel: 'error',
    });
    await server.listen();
    const address = server.httpServer?.address();
    if (typeof address !== 'object' || address === null) throw new Error('the gallery server has no port');
    gallery = `http://127.0.0.1:${address.port}/src/ui/gallery/`;
  });

  test.afterAll(async () => {
    await server.close();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const width of [1280, 390] as const) {
      test.describe(`${colorScheme}, ${width} px`, () => {
        test.use({ colorScheme, viewport: { width, height: width === 390 ? 844 : 900 } });

        test('waits and rules fit, are accessible and log nothing', async ({ page }) => {
          const faults: string[] = [];
          page.on('console', (message) => {
            if (['error', 'warning'].includes(message.type())) faults.push(message.text());
          });
          page.on('pageerror', (error) => faults.push(String(error)));
          const check = async (state: string) => {
            const overflow = await page.evaluate(
              () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
            );
            if (overflow > 0) faults.push(`${state}: ${overflow} px wider than the screen`);
            const { violations } = await new AxeBuilder({ page }).analyze();
            for (const { id, nodes } of violations)
              faults.push(`${state}: ${id} at ${nodes.map((n) => n.target.join(' ')).join(', ')}`);
          };
          for (const state of [...PICTURED, ...DIALOGS]) {
            await page.goto(`${gallery}?state=${state}`);
            await expect(page.getByRole('banner')).toContainText('Tabswarm');
            const path = `artifacts/ui/control-${state}-${colorScheme}-${width}.png`;
            if (!DIALOGS.includes(state)) {
              await page.screenshot({ path });
              continue;
            }
            await page.getByRole('button', { name: 'Rules and limits' }).click();
            const dialog = page.getByRole('dialog', { name: 'Rules and limits' });
            await expect(dialog).toBeVisible();
            await check(state);
            await page.screenshot({ path });
            if (width === 1280) continue;
            // On a phone the dialog scrolls: its end is looked at too.
            await dialog.getByRole('spinbutton', { name: 'Monthly limit' }).scrollIntoViewIfNeeded();
            await page.screenshot({ path: path.replace('.png', '-end.png') });
          }
          expect(faults).toEqual([]);
        });
      });
    }
  }

  test('every wait says why, and until when', async ({ page }) => {
    const said: Record<string, RegExp> = {
      'wait-schedule': /Waiting for your hours.*opens (at|tomorrow at) 22:00\..*off the network/s,
      'wait-never': /schedule has no hours/,
      'wait-battery': /at 47 %; training goes on from 60 %/,
      'wait-mains': /on battery \(91 %\); training goes on when it is plugged in/,
      'wait-active': /goes on after 3 min without input/,
      'wait-active-page': /without further input training goes on (at|tomorrow at) \d\d:\d\d/,
      'wait-metered': /costs by the byte.*off the network/s,
      'wait-month': /used 2.25 GB of 2.25 GB this month; the next month begins (on|tomorrow|at) /,
      'wait-several': /schedule opens.*runs on battery/s,
    };
    expect(Object.keys(said)).toEqual(Object.keys(controlScenarios).filter((s) => s.startsWith('wait-')));
    for (const [state, words] of Object.entries(said)) {
      await page.goto(`${gallery}?state=${state}`);
      await expect(page.getByTestId('status')).toHaveText(words);
      await expect(page.getByRole('button', { name: 'Train anyway' })).toBeVisible();
    }
    await page.getByRole('button', { name: 'Train anyway' }).click();
    await expect(page.getByTestId('status')).toHaveAttribute('data-activity', 'training');
    await expect(page.getByRole('button', { name: 'Train anyway' })).toHaveCount(0);
  });
});
