/**
 * Truth and pictures, on the gallery: credits say how they came about, the swarm can be seen and read, names are only
 * names, and a contribution certificate that was made in the page checks out on the verify page, and only unbent.
 */
import { readFile } from 'node:fs/promises';
import { AxeBuilder } from '@axe-core/playwright';
import { expect, type Page, test } from '@playwright/test';
import { galleryChain } from '../src/ui/gallery/fake-contribution.ts';
import { type Gallery, openGallery } from './support/gallery.ts';

let gallery: Gallery;

test.beforeAll(async () => {
  gallery = await openGallery();
});

test.afterAll(async () => {
  await gallery.close();
});

const LOOKS = [
  { scheme: 'light', width: 1280, height: 900 },
  { scheme: 'dark', width: 390, height: 844 },
  { scheme: 'dark', width: 1280, height: 900 },
  { scheme: 'light', width: 390, height: 844 },
] as const;

/** Pictures of the page in both schemes and widths; overflow and axe on the way. */
async function look(page: Page, name: string): Promise<void> {
  for (const { scheme, width, height } of LOOKS) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height });
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, `${name} at ${width} px`).toBe(0);
    if (LOOKS.findIndex((l) => l.scheme === scheme) === LOOKS.findIndex((l) => l.width === width)) {
      const { violations } = await new AxeBuilder({ page }).analyze();
      expect(
        violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.target.join(' ')).join(', ')}`),
      ).toEqual([]);
    }
    await page.screenshot({ path: `artifacts/ui/${name}-${scheme}-${width}.png`, fullPage: true });
  }
}

/** What a host of the gallery's run would answer. */
async function serveChain(page: Page): Promise<void> {
  const chain = await galleryChain();
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  await page.route('**/api/run', (route) =>
    route.fulfill({ json: { protocol: 2, manifest: base64(chain.manifestBytes), relays: [], time: 0 } }),
  );
  await page.route('**/api/certificates?*', (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('from'));
    const certificates = chain.sealed.slice(from - 1).map(base64);
    return route.fulfill({ json: { height: chain.sealed.length, certificates } });
  });
}

test('a certificate made in the page checks out on the verify page; a changed byte does not', async ({
  page,
}) => {
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
  await look(page, 'verify-genuine');
});
