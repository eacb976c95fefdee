/**
 * Control, bullet by bullet. Looks, words, keyboard and accessibility in the gallery, where every reason to wait can be
 * had at once. Then one real host and one real tab, whose battery, idle detector and wake lock are moved by hand: what a
 * rule does over rounds is played in src/app/session.test.ts.
 */
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, expect, type Page, test } from '@playwright/test';
import type { AppState } from '../src/app/state.ts';
import { controlScenarios } from '../src/ui/gallery/control-scenarios.ts';
import { fakeBrowser } from './support/fake-browser.ts';
import { type Gallery, openGallery } from './support/gallery.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { until } from './support/tab.ts';

const PICTURED = ['wait-several', 'finishing', 'finished'];
const DIALOGS = ['rules', 'rules-nothing-told'];

test.describe('in the gallery', () => {
  let server: Gallery;
  let gallery: string;

  test.beforeAll(async () => {
    server = await openGallery();
    gallery = server.url;
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
          // The pages behind are checked in every state by ui-gallery.spec.ts.
          const check = async (state: string) => {
            const overflow = await page
              .locator('.rules-groups')
              .evaluate((groups) => groups.scrollWidth - groups.clientWidth);
            if (overflow > 0) faults.push(`${state}: ${overflow} px wider than the dialog`);
            const { violations } = await new AxeBuilder({ page }).include('dialog').analyze();
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
      'wait-month': /used 2.25 GB of 2.25 GB this month.*The next month begins (on|tomorrow|at) /,
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

  test('the round can be finished, and that taken back', async ({ page }) => {
    await page.goto(`${gallery}?state=training`);
    await page.getByRole('button', { name: 'Finish round, then stop' }).click();
    await expect(page.getByTestId('finishing')).toBeVisible();
    await page.getByRole('button', { name: 'Keep going after all' }).click();
    await expect(page.getByTestId('finishing')).toHaveCount(0);
    await page.goto(`${gallery}?state=finished`);
    await expect(page.getByTestId('finished')).toContainText('was handed in and judged');
  });

  test('the rules are set from the keyboard, and a number counts when its field is left', async ({
    page,
  }) => {
    await page.goto(`${gallery}?state=first-visit`);
    await page.getByRole('radio', { name: 'Balanced' }).focus();
    await page.keyboard.press('ArrowLeft');
    await expect(page.getByRole('radio', { name: 'Eco' })).toBeChecked();
    await expect(page.getByRole('slider', { name: 'GPU share' })).toHaveValue('40');
    const open = page.getByRole('button', { name: 'Rules and limits' });
    await open.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Rules and limits' });
    await dialog.getByRole('radio', { name: 'At any time' }).focus();
    await page.keyboard.press('ArrowDown');
    const monday = dialog.getByRole('checkbox', { name: 'Monday' });
    await monday.focus();
    await page.keyboard.press('Space');
    await expect(monday).not.toBeChecked();
    await expect(dialog.getByTestId('schedule-now')).toContainText(/Open now|Closed now/);
    const month = dialog.getByRole('spinbutton', { name: 'Monthly limit' });
    await month.focus();
    await page.keyboard.type('2.5');
    await page.keyboard.press('Escape');
    await expect(dialog).toHaveCount(0);
    await expect(open).toBeFocused();
    const brief = page.getByTestId('rules-brief');
    await expect(brief).toContainText('trains Tu–Su 22:00–07:00');
    await expect(brief).toContainText('2.50 GB this month');
    await expect(page.getByText('Your own mix')).toHaveCount(0);
    await page.getByRole('slider', { name: 'GPU share' }).press('End');
    await expect(page.getByText('Your own mix')).toBeVisible();
  });
});

test.describe('in a real run', () => {
  let host: RunningHost;

  test.beforeAll(async () => {
    host = await startHost(['--preset', 'tiny', '--round-seconds', '10', '--corpus', 'LICENSE']);
  });
  test.afterAll(async () => {
    await host?.stop();
  });

  const state = (page: Page): Promise<AppState> => page.evaluate(() => globalThis.tabswarm.state());
  const reaches = (page: Page, what: string, condition: (s: AppState) => boolean) =>
    until(what, () => state(page), condition);
  /** While a round's work is handed in, the page says that instead. */
  const says = (page: Page, words: string | RegExp) =>
    expect(page.getByTestId('status')).toContainText(words);
  const start = (page: Page) => page.getByRole('button', { name: 'Start', exact: true }).click();

  async function open(
    browser: Browser,
    path = '/',
    prepare: (page: Page) => Promise<unknown> = async () => {},
  ) {
    const context = await browser.newContext();
    // Chromium lists its loopback interface for WebRTC only to pages with media permission. No camera is opened.
    await context.grantPermissions(['camera', 'microphone'], { origin: host.url });
    await context.addInitScript(fakeBrowser);
    const page = await context.newPage();
    await prepare(page);
    await page.goto(`${host.url}${path}`);
    await page.waitForFunction(() => (globalThis.tabswarm?.state().run ?? null) !== null);
    return page;
  }

  async function rules(page: Page, set: (dialog: ReturnType<Page['getByRole']>) => Promise<void>) {
    await page.getByRole('button', { name: 'Rules and limits' }).click();
    await set(page.getByRole('dialog'));
    await page.getByRole('dialog').getByRole('button', { name: 'Done' }).click();
    await expect(page.getByRole('dialog')).toHaveCount(0);
  }

  test('no host page, no parameter and no script can start it', async ({ browser }) => {
    const page = await open(browser, '/?start=1&autostart=true&intent=running#start');
    await page.evaluate(() => {
      const button = [...document.querySelectorAll('button')].find((b) => b.textContent === 'Start');
      button?.click();
      button?.dispatchEvent(new PointerEvent('click', { bubbles: true }));
      button?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    });
    // All that a script can reach reads and does nothing.
    expect(await page.evaluate(() => Object.keys(globalThis.tabswarm))).toEqual(['state']);
    const before = await state(page);
    expect([before.intent, before.peerId, before.control.battery, page.workers().length]).toEqual([
      'idle',
      null,
      null,
      0,
    ]);

    // In a foreign page: the header keeps it out, and where a proxy has dropped the header, the page itself refuses.
    const frame = async (strip: boolean) => {
      const foreign = await page.context().newPage();
      await foreign.route('http://embedder.test/', (route) =>
        route.fulfill({ contentType: 'text/html', body: `<iframe src="${host.url}/"></iframe>` }),
      );
      if (strip) {
        await foreign.route(`${host.url}/`, async (route) => {
          const response = await route.fetch();
          const headers = response.headers();
          for (const name of Object.keys(headers))
            if (/^(content-security|cross-origin)/.test(name)) delete headers[name];
          await route.fulfill({ response, headers });
        });
      }
      await foreign.goto('http://embedder.test/');
      return foreign.frameLocator('iframe');
    };
    await expect((await frame(false)).getByRole('button', { name: 'Start' })).toHaveCount(0);
    const inside = await frame(true);
    await expect(inside.getByTestId('problem-framed')).toBeVisible();
    await expect(inside.getByRole('link', { name: 'Open in a tab of its own' })).toBeVisible();
    await expect(inside.getByRole('button', { name: 'Start' })).toBeDisabled();
    await expect(inside.getByRole('button', { name: 'Just watch' })).toBeDisabled();
    await page.context().close();
  });

  test('a missing graphics card is told before Start', async ({ browser }) => {
    const page = await open(browser, '/', (p) =>
      p.addInitScript(() => {
        Object.defineProperty(GPU.prototype, 'requestAdapter', { value: async () => null });
      }),
    );
    // It is asked for again for a minute; that Start is off after it is tested on a virtual clock (session-faults.test.ts).
    await expect(page.getByTestId('problem-no-adapter')).toBeVisible();
    await expect(page.getByRole('button', { name: 'Just watch' })).toBeEnabled();
    await page.context().close();
  });

  test('rules hold, say so, and let go', async ({ browser }) => {
    const page = await open(browser);
    const training = (what: string) =>
      reaches(page, what, (s) => s.control.holds.length === 0 && s.activity === 'training');

    await test.step('outside the hours a tab stays off the network, until told otherwise', async () => {
      const hour = (new Date().getHours() + 3) % 24;
      const two = (n: number) => String(n).padStart(2, '0');
      await rules(page, async (dialog) => {
        await dialog.getByRole('radio', { name: 'Only at these hours' }).click();
        await dialog.getByLabel('From', { exact: true }).fill(`${two(hour)}:00`);
        await dialog.getByLabel('To', { exact: true }).fill(`${two((hour + 1) % 24)}:00`);
      });
      await start(page);
      await says(page, `${two(hour)}:00`);
      await says(page, 'off the network');
      expect((await state(page)).peerId).toBeNull();
      expect(page.workers()).toHaveLength(0);
      await page.getByRole('button', { name: 'Train anyway' }).click();
      await training('training outside the hours');
      await rules(page, (dialog) => dialog.getByRole('radio', { name: 'At any time' }).click());
    });

    await test.step('battery: pauses below one threshold, resumes from the other', async () => {
      await page.evaluate(() => fakes.charge(0.39, false));
      await says(page, 'The battery is at 39 %; training goes on from 60 %.');
      await page.evaluate(() => fakes.charge(0.59, true));
      await says(page, '59 %');
      await page.evaluate(() => fakes.charge(0.6, true));
      await training('training with a charged battery');
    });

    await test.step('when I am active: the browser asks, then tells', async () => {
      await rules(page, async (dialog) => {
        await dialog.getByRole('radio', { name: 'Pause', exact: true }).first().click();
        await expect(dialog.getByTestId('presence-now')).toContainText(
          'Only what you do on this page counts',
        );
        await dialog.getByRole('button', { name: 'Notice other windows too' }).click();
        await expect(dialog.getByText('in any window')).toBeVisible();
      });
      await says(page, 'after 3 min without input');
      await page.evaluate(() => fakes.idle('idle'));
      await training('training while nobody is there');
      await rules(page, (dialog) => dialog.getByRole('radio', { name: 'Slow down' }).click());
      await page.evaluate(() => fakes.idle('active'));
      await says(page, 'Slowed to 30 %');
      await rules(page, (dialog) => dialog.getByRole('radio', { name: 'Go on as always' }).click());
    });

    await test.step('presets, and the screen kept awake', async () => {
      expect(await page.evaluate(() => fakes.locks())).toBe(0);
      await page.getByRole('radio', { name: 'Full' }).check({ force: true });
      await expect.poll(() => page.evaluate(() => fakes.locks())).toBe(1);
      expect((await state(page)).control.share).toBe(1);
      await page.evaluate(() => fakes.charge(0.8, false));
      await expect.poll(() => page.evaluate(() => fakes.locks())).toBe(0);
      await page.evaluate(() => fakes.charge(0.8, true));
      await expect.poll(() => page.evaluate(() => fakes.locks())).toBe(1);
    });

    await test.step('the monthly limit counts over tabs and holds', async () => {
      await reaches(page, 'the month', (s) => (s.control.month?.down ?? 0) > 0);
      // A tab that has done nothing knows what the other one has used. It reads that once, when it is opened; the first one
      // shows its bytes up to a tick before it keeps them.
      const other = await page.context().newPage();
      const known = async () => {
        await other.goto(host.url);
        await other.waitForFunction(() => (globalThis.tabswarm?.state().run ?? null) !== null);
        return state(other);
      };
      await until('the month in another tab', known, (s) => (s.control.month?.down ?? 0) > 0);
      await other.close();
      await rules(page, (dialog) =>
        dialog.getByRole('spinbutton', { name: 'Monthly limit' }).fill('0.000001'),
      );
      await says(page, /used [\d.]+ [kM]B of 1.00 kB this month, and going on needs about [\d.]+ [kM]B/);
      await rules(page, (dialog) => dialog.getByRole('spinbutton', { name: 'Monthly limit' }).fill(''));
    });

    await test.step('pause, go on, and finish the round: then nothing runs any more', async () => {
      await training('training without a monthly limit');
      await page.getByRole('button', { name: 'Pause' }).click();
      await reaches(page, 'paused', (s) => s.activity === 'paused');
      await page.getByRole('button', { name: 'Resume' }).click();
      await training('training again');
      await page.getByRole('button', { name: 'Finish round, then stop' }).click();
      await reaches(page, 'stopped', (s) => s.intent === 'idle');
      // The browser tells of an ended worker a moment later.
      await expect.poll(() => page.workers().length).toBe(0);
      expect(await page.evaluate(() => fakes.locks())).toBe(0);
    });
    await page.context().close();
  });
});
