/** The page in windows that change their size, in forced colours, and with entries that are no numbers. */
import { expect, type Page, test } from '@playwright/test';
import { type Gallery, openGallery } from './support/gallery.ts';

let server: Gallery;

test.beforeAll(async () => {
  server = await openGallery();
});

test.afterAll(async () => {
  await server.close();
});

const sideways = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test('charts shrink and grow with the window, down to 320 pixels', async ({ page }) => {
  await page.goto(`${server.url}?state=training`);
  await expect(page.getByTestId('usage').locator('canvas').first()).toBeVisible();
  for (const [width, height] of [
    [1280, 900],
    [640, 400],
    [1280, 900],
    [390, 844],
    [844, 390],
    [320, 640],
  ] as const) {
    await page.setViewportSize({ width, height });
    await expect.poll(() => sideways(page), `${width} px`).toBe(0);
    // Each chart is as wide as its place, no wider and no narrower.
    await expect
      .poll(() =>
        page
          .locator('.canvas')
          .evaluateAll((places) =>
            places.every(
              (place) => Math.abs(place.clientWidth - (place.querySelector('.uplot')?.clientWidth ?? 0)) <= 1,
            ),
          ),
      )
      .toBe(true);
  }
});

test('forced colours still show which choice is made, and how much', async ({ page }) => {
  await page.emulateMedia({ forcedColors: 'active' });
  await page.goto(`${server.url}?state=first-visit`);
  const ground = (name: string) =>
    page
      .getByRole('radio', { name })
      .evaluate((radio) => getComputedStyle(radio.nextElementSibling as Element).backgroundColor);
  expect(await ground('Balanced')).not.toBe(await ground('Eco'));
  await page.screenshot({ path: 'artifacts/ui/forced-colours-first-visit.png', fullPage: true });
  await page.goto(`${server.url}?state=training`);
  const light = page.locator('.status-light').first();
  const colours = await light.evaluate((dot) => [
    getComputedStyle(dot).backgroundColor,
    getComputedStyle(dot.closest('.panel') as Element).backgroundColor,
  ]);
  expect(colours[0]).not.toBe(colours[1]);
  const people = await page.evaluate(() =>
    [...document.querySelectorAll('.segments input')].map(
      (input) => getComputedStyle(input.nextElementSibling as Element).backgroundColor,
    ),
  );
  expect(new Set(people).size).toBe(2);
  await page.screenshot({ path: 'artifacts/ui/forced-colours-training.png', fullPage: true });
});

test('a limit that cannot be read stays as it was, and the page says so', async ({ page }) => {
  await page.goto(`${server.url}?state=first-visit`);
  await page.getByRole('button', { name: 'Rules and limits' }).click();
  const dialog = page.getByRole('dialog', { name: 'Rules and limits' });
  const month = dialog.getByRole('spinbutton', { name: 'Monthly limit' });
  await month.fill('5');
  await month.blur();
  for (const typed of ['1e', '--', '5e']) {
    await month.focus();
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(typed);
    await month.blur();
    await expect(month).toHaveValue('5');
    await expect(dialog.getByText('This is no number, so the setting stays as it was.')).toBeVisible();
  }
  await month.fill('');
  await month.blur();
  await expect(month).toHaveValue('');
  await expect(dialog.getByText('This is no number')).toHaveCount(0);
});
