/** A short part of `npm run soak -- ui`, so that a leak in the page shows in every test run; the command plays eight hours. */
import { expect, test } from '@playwright/test';
import { runUiSoak } from '../scripts/soak/ui.ts';

test('fifty rounds, visits and crowds later the page holds no more than before', async () => {
  const { before, after, ok } = await runUiSoak({ rounds: 50, parts: 1 });
  expect(ok, JSON.stringify({ before, after })).toBe(true);
});
