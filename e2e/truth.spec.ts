/**
 * Truth and pictures, on the gallery: credits say how they came about, the swarm can be seen and read, names are only
 * names, and a contribution certificate that was made in the page checks out on the verify page, and only unbent.
 */
import { readFile } from 'node:fs/promises';
import { expect, type Page, test } from '@playwright/test';
import { PROTOCOL_VERSION } from '../src/protocol/limits.ts';
import { galleryChain } from '../src/ui/gallery/fake-contribution.ts';
import { axeFaults } from './support/axe.ts';
import { type Gallery, openGallery } from './support/gallery.ts';

let gallery: Gallery;

test.beforeAll(async () => {
  gallery = await openGallery();
});

test.afterAll(async () => {
  await gallery.close();
});

/** Each scheme and each width. */
const PAIR = [
  { scheme: 'light', width: 1280, height: 900 },
  { scheme: 'dark', width: 390, height: 844 },
] as const;
/** Each scheme at each width. */
const LOOKS = [
  ...PAIR,
  { scheme: 'dark', width: 1280, height: 900 },
  { scheme: 'light', width: 390, height: 844 },
] as const;

/** Pictures of the page; overflow and axe on the way. */
async function look(page: Page, name: string, looks: typeof PAIR | typeof LOOKS = PAIR): Promise<void> {
  for (const [i, { scheme, width, height }] of looks.entries()) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, `${name} at ${width} px`).toBe(0);
    if (i < PAIR.length) {
      expect(await axeFaults(page)).toEqual([]);
    }
    await page.screenshot({ path: `artifacts/ui/${name}-${scheme}-${width}.png`, fullPage: true });
  }
}

/** What a host of the gallery's run would answer. */
async function serveChain(page: Page): Promise<void> {
  const chain = await galleryChain();
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  await page.route('**/api/run', (route) =>
    route.fulfill({
      json: {
        protocol: PROTOCOL_VERSION,
        manifest: base64(chain.run.manifestBytes),
        peer: 'QmHost',
        time: 0,
      },
    }),
  );
  await page.route('**/api/certificates?*', (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('from'));
    const links = chain.sealed
      .slice(from - 1)
      .map((certificate) => ({ certificate: base64(certificate), opinions: [] }));
    return route.fulfill({ json: { height: chain.sealed.length, links } });
  });
}

test('a certificate made in the page checks out on the verify page; a changed byte does not', async ({
  page,
  context,
}) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto(`${gallery.url}?state=training`);
  const panel = page.getByTestId('certificate');
  await panel.getByRole('button', { name: 'Make my certificate' }).click();
  await expect(panel.getByTestId('certificate-picture')).toBeVisible();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    panel.getByRole('link', { name: 'Save the picture' }).click(),
  ]);
  const file = await readFile(await download.path());
  await download.saveAs('artifacts/ui/certificate.png');

  await panel.getByRole('button', { name: 'Copy the link' }).click();
  await expect(panel.getByText('Link copied.')).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());

  const verify = async (bytes: Buffer) => {
    await page
      .getByLabel(/choose the file/)
      .setInputFiles({ name: 'certificate.png', mimeType: 'image/png', buffer: bytes });
  };
  // No host behind this page: the proof inside the file must do.
  await page.goto(`${gallery.url}?state=verify#verify`);
  await verify(file);
  const verdict = page.getByTestId('verdict');
  await expect(verdict).toHaveAttribute('data-verdict', 'all');
  await expect(page.getByTestId('verified-figures')).toContainText('Tea Kettle');

  const bent = Buffer.from(file);
  bent[file.length - 40] ^= 1;
  await verify(bent);
  await expect(page.getByTestId('verify-outcome')).toContainText('is damaged');
  // The picture's own bytes are bound too: one in the middle of the image data.
  const painted = Buffer.from(file);
  painted[2000] ^= 1;
  await verify(painted);
  await expect(verdict).toHaveAttribute('data-verdict', 'no');
  await look(page, 'verify-bent');

  // With the run's host the figures are recomputed from the whole chain.
  await serveChain(page);
  await verify(file);
  await expect(verdict).toHaveAttribute('data-verdict', 'all');
  await expect(page.getByText('24 certificates were checked')).toBeVisible();
  await look(page, 'verify-genuine', LOOKS);

  // The link carries the claim alone: the host proves its figures, and without a host it is only signed.
  await page.goto('about:blank');
  await page.goto(`${gallery.url}?state=verify${new URL(link).hash}`);
  await expect(verdict).toHaveAttribute('data-verdict', 'all');
  await page.unrouteAll();
  await page.getByLabel('Or a verify link').fill(link);
  await page.getByRole('button', { name: 'Check', exact: true }).click();
  await expect(verdict).toHaveAttribute('data-verdict', 'none');
  await look(page, 'verify-link');
  // Dropped anywhere on the page, a picture is as good as chosen.
  await page.evaluate(
    (bytes) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([new Uint8Array(bytes)], 'dropped.png', { type: 'image/png' }));
      document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    },
    [...file],
  );
  await expect(verdict).toHaveAttribute('data-verdict', 'all');
  await page.getByLabel('Or a verify link').fill('https://example.org/');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('verify-outcome')).toContainText('This is no verify link.');
});

test('credits say how they came about, and an estimate says that it is one', async ({ page }) => {
  await page.goto(`${gallery.url}?state=training`);
  const accepted = page.locator('[data-testid=round-row][data-round="42"]');
  await accepted.getByRole('button', { name: 'How the credits of round 42 came about' }).click();
  const derivation = page.getByTestId('derivation');
  for (const part of ['1 of 5 by weight', '181 of 1,000', '18.1 %', 'Pending'])
    await expect(derivation).toContainText(part);
  await expect(page.locator('[data-testid=round-row][data-round="40"]')).toContainText(
    'no credit was issued to anyone',
  );
  await expect(page.getByTestId('credit-estimate')).toContainText('estimate');
  await expect(page.getByTestId('credit-summary')).toContainText('Added up from 42 certificates');
  await expect(page.getByTestId('round-share')).toHaveText('18.1 %');
  await look(page, 'truth-training', LOOKS);
});

test('the swarm can be seen and read: many, a few, nobody; directly, relayed', async ({ page }) => {
  await page.goto(`${gallery.url}?state=many-peers`);
  const graph = page.getByTestId('swarm-graph');
  await expect(graph.getByRole('img')).toHaveAccessibleName(/this tab, 68 others and \d+ links/);
  await graph.getByText('Show the links as a table').click();
  await expect(graph.getByRole('row').nth(1)).toContainText('this tab');
  await graph.getByText('Show the links as a table').click();
  await page.emulateMedia({ colorScheme: 'light' });
  await graph.screenshot({ path: 'artifacts/ui/graph-many.png' });

  await page.goto(`${gallery.url}?state=all-relayed`);
  await expect(page.getByTestId('path-advice')).toHaveAttribute('data-verdict', 'none-direct');
  await expect(page.getByTestId('path-advice').getByRole('listitem')).toHaveCount(5);
  await look(page, 'truth-relayed');

  await page.goto(`${gallery.url}?state=empty`);
  await expect(page.getByTestId('path-advice')).toHaveAttribute('data-verdict', 'alone');
  await expect(page.getByTestId('swarm-graph')).toContainText('This tab and the host, so far');
  await look(page, 'truth-alone');
});

test('names are only names: cleaned, escaped, beside the key', async ({ page }) => {
  await page.goto(`${gallery.url}?state=training`);
  const board = page.getByTestId('leaderboard');
  await board.getByText('Your name here').click();
  await board.getByLabel('Name').fill('\u202E<b>Eve</b>\u200B');
  await board.getByLabel('Team', { exact: true }).fill('moss club');
  await board.getByRole('button', { name: 'Show this' }).click();
  await expect(board.getByLabel('Name')).toHaveValue('<b>Eve</b>');
  await expect(board).toContainText('Saved.');
  await board.getByRole('radio', { name: 'Teams' }).focus();
  await page.keyboard.press('Space');
  await expect(board.getByRole('row').nth(1)).toContainText('Moss Club');
  await expect(board.getByRole('row').nth(1)).toHaveClass('me');
});

test('power is only what the volunteer has measured', async ({ page }) => {
  await page.goto(`${gallery.url}?state=training`);
  const usage = page.getByTestId('usage');
  await expect(usage.getByRole('img', { name: /bandwidth over time/ })).toBeVisible();
  await expect(usage.getByTestId('energy')).toHaveCount(0);
  await usage.getByLabel('Measured power').fill('60');
  await expect(usage.getByTestId('energy')).toContainText('By your figure about 13.0 Wh in 13 min');
  await page.reload();
  await expect(usage.getByLabel('Measured power')).toHaveValue('60');
});

test('with reduced motion the graph stands still; without, it moves', async ({ page }) => {
  const frames = async () =>
    await page.getByTestId('swarm-graph').evaluate(async (section) => {
      const canvas = section.querySelector('canvas');
      if (canvas === null) throw new Error('no canvas');
      canvas.scrollIntoView();
      const seen = new Set<string>();
      for (let i = 0; i < 6; i++) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        seen.add(canvas.toDataURL());
      }
      return seen.size;
    });
  await page.goto(`${gallery.url}?state=training`);
  await expect(page.getByTestId('swarm-graph')).toBeVisible();
  await expect.poll(frames).toBeGreaterThan(1);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.reload();
  await expect(page.getByTestId('swarm-graph')).toBeVisible();
  await page.getByTestId('swarm-graph').scrollIntoViewIfNeeded();
  // It is drawn anew until the page has its fonts and its size; then it stays as it is.
  await expect.poll(frames).toBe(1);
  expect(await frames()).toBe(1);
});
