/**
 * Accessibility faults of a page as lines to compare with none. Only violations are worked out, and within the page itself
 * (axe's legacy mode, which leaves out frames of other origins; there are none): a quarter of the time of the default.
 */
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from '@playwright/test';

export async function axeFaults(page: Page): Promise<string[]> {
  const axe = new AxeBuilder({ page }).options({ resultTypes: ['violations'] }).setLegacyMode(true);
  const { violations } = await axe.analyze();
  return violations.map(({ id, nodes }) => `${id} at ${nodes.map((n) => n.target.join(' ')).join(', ')}`);
}
