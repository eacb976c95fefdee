/**
 * The page in every state it can be in, driven by a pretended session: looks (screenshots at two widths, light and
 * dark), accessibility (axe), consent, and that it stays calm under fifty state changes a second.
 */
import { expect, test } from '@playwright/test';
import { scenarios } from '../src/ui/gallery/scenarios.ts';
import { validateScenarios } from '../src/ui/gallery/validate-scenarios.ts';
import { axeFaults } from './support/axe.ts';
import { type Gallery, openGallery } from './support/gallery.ts';

const WIDTHS = [1280, 390] as const;
const SCHEMES = ['light', 'dark'] as const;
/** States whose look differs; the others are checked for accessibility and overflow only. */
const PICTURED = new Set([
  'first-visit',
  'training',
  'paused',
  'watching',
  'refused',
  'empty',
  'many-peers',
  'long-names',
  'problem-no-webgpu',
  'problem-several',
  'validate-running',
]);

let server: Gallery;
let gallery: string;

test.beforeAll(async () => {
  server = await openGallery();
  gallery = server.url;
});

test.afterAll(async () => {
  await server.close();
});

for (const scheme of SCHEMES) {
  for (const width of WIDTHS) {
    test.describe(`${scheme}, ${width} px`, () => {
      test.use({ colorScheme: scheme, viewport: { width, height: width === 390 ? 844 : 900 } });

      test('every state is accessible, fits its width and logs nothing', async ({ page }) => {
        const logged: string[] = [];
        page.on('console', (message) => {
          if (message.type() === 'error' || message.type() === 'warning') logged.push(message.text());
        });
        page.on('pageerror', (error) => logged.push(String(error)));
        const faults: string[] = [];
        // Each state in both schemes and at both widths, with axe; the pictured ones are also seen in the other combinations.
        const every = (scheme === 'light') === (width === 1280);
        for (const state of [...Object.keys(scenarios), ...validateScenarios].filter(
          (name) => every || PICTURED.has(name),
        )) {
          await page.goto(`${gallery}?state=${state}`);
          await expect(page.getByRole('banner')).toContainText('Tabswarm');
          const overflow = await page.evaluate(
            () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
          );
          if (overflow !== 0) faults.push(`${state}: ${overflow} px wider than the screen`);
          if (every) for (const fault of await axeFaults(page)) faults.push(`${state}: ${fault}`);
          if (PICTURED.has(state))
            await page.screenshot({ path: `artifacts/ui/${state}-${scheme}-${width}.png`, fullPage: true });
        }
        expect(faults).toEqual([]);
        expect(logged).toEqual([]);
      });
    });
  }
}

test('only a person’s own click starts anything', async ({ page }) => {
  await page.goto(`${gallery}?state=first-visit`);
  const start = page.getByRole('button', { name: 'Start' });
  await start.evaluate((button: HTMLButtonElement) => {
    button.click();
    button.dispatchEvent(new MouseEvent('click', { bubbles: true }));
  });
  await expect(page.getByText('Nothing runs until you press Start.')).toBeVisible();
  await expect(page.getByTestId('status')).toHaveCount(0);
  await start.click();
  await expect(page.getByTestId('status')).toHaveAttribute('data-activity', 'training');
});

test('works from the keyboard alone: start, pause, resume, share, stop', async ({ page }) => {
  await page.goto(`${gallery}?state=first-visit`);
  const press = async (name: string) => {
    await page.getByRole('button', { name, exact: true }).focus();
    await page.keyboard.press('Enter');
  };
  await press('Start');
  const status = page.getByTestId('status');
  await expect(status).toHaveAttribute('data-intent', 'running');
  await press('Pause');
  await expect(status).toHaveAttribute('data-intent', 'paused');
  // The same button in the same place: a second Enter resumes.
  await page.keyboard.press('Enter');
  await expect(status).toHaveAttribute('data-intent', 'running');
  const slider = page.getByRole('slider', { name: 'GPU share' });
  await slider.focus();
  await page.keyboard.press('Home');
  await expect(slider).toHaveAttribute('aria-valuetext', '10 %');
  await press('Stop');
  await expect(page.getByRole('button', { name: 'Start', exact: true })).toBeVisible();
});

test('a refusal says why, in plain words', async ({ page }) => {
  await page.goto(`${gallery}?state=refused`);
  await expect(page.getByTestId('last-refusal')).toContainText('no numbers');
  const row = page.locator('[data-testid=round-row][data-round="1"]');
  await expect(row).toContainText('Step too big');
  await expect(row).toContainText('norm 41.20, median 0.9000, limit 10x');
});

test('a page of another version offers to reload', async ({ page }) => {
  await page.goto(`${gallery}?state=problem-protocol-version`);
  await expect(page.getByRole('button', { name: 'Start' })).toBeDisabled();
  await expect(page.getByRole('button', { name: 'Just watch' })).toBeDisabled();
  await Promise.all([
    page.waitForEvent('load'),
    page.getByRole('button', { name: 'Reload the page' }).click(),
  ]);
});

test('without WebGPU one can still watch', async ({ page }) => {
  await page.goto(`${gallery}?state=problem-no-webgpu`);
  await expect(page.getByRole('button', { name: 'Start' })).toBeDisabled();
  await page.getByRole('button', { name: 'Just watch' }).click();
  await expect(page.getByTestId('status')).toHaveAttribute('data-intent', 'watching');
});

test('fifty state changes a second redraw at most about four times', async ({ page }) => {
  await page.goto(`${gallery}?state=training&live`);
  const { seen, ms } = await page.evaluate(async () => {
    const cell = document.querySelector('[data-testid=bytes-in]');
    if (cell === null) throw new Error('no bandwidth total');
    let count = 0;
    const begun = performance.now();
    await new Promise<void>((done) => {
      const observer = new MutationObserver(() => {
        if (++count < 15) return;
        observer.disconnect();
        done();
      });
      observer.observe(cell, { attributes: true, attributeFilter: ['data-value'] });
    });
    return { seen: count, ms: performance.now() - begun };
  });
  // One a tick, and one each for a phase and an activity that may have changed meanwhile; on a busy machine fewer.
  expect(seen).toBeLessThanOrEqual(ms / 250 + 3);
});
