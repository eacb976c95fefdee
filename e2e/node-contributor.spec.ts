/** A swarm without a browser (`npm run demo`), and one of a tab and a contributor without a browser. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { type RunningContributor, startCommand, startContributor } from './support/contributor.ts';
import { type RunningHost, startHost } from './support/host.ts';
import { openTab, type Tab, until } from './support/tab.ts';

/** Long enough for two software GPUs on two shared cores to do a few inner steps each. */
const ROUND_SECONDS = 12;

let folder: string;
test.beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tabswarm-e2e-'));
});
test.afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the demo certifies rounds of two contributors until Ctrl-C, and leaves nothing behind', async () => {
  const demo = startCommand(['--import', './scripts/register.mjs', 'scripts/demo.ts'], {
    XDG_CACHE_HOME: folder,
  });
  const certified = () =>
    demo.lines().filter((line) => /^round \d+ · height \d+ · 2 contributors · held-out loss \d/.test(line));
  try {
    await until(
      'certified rounds of both',
      async () => ({ count: certified().length, output: demo.output() }),
      ({ count }) => count >= 1,
    );
  } finally {
    // Also when it fails: contributors end with it.
    expect(await demo.interrupt()).toBe(0);
  }
  expect(demo.output()).toMatch(/Held-out loss \d+\.\d+ at the start/);
  const data = /A run in (\S+),/.exec(demo.output())?.[1] ?? '';
  expect(data).not.toBe('');
  expect(existsSync(data)).toBe(false);
});

test('a tab and a contributor without a browser train one model over a direct link', async ({ browser }) => {
  const host: RunningHost = await startHost(['--preset', 'tiny', '--round-seconds', String(ROUND_SECONDS)]);
  let nora: RunningContributor | null = null;
  let tab: Tab | null = null;
  try {
    const node = startContributor(host.url, 'nora', folder);
    nora = node;
    const page = await openTab(browser, host.url, 'anna');
    tab = page;
    await until(
      'the run description',
      () => page.state(),
      (s) => s.run !== null,
    );
    await page.page.getByRole('button', { name: /^start/i }).click();

    await test.step('they are linked directly', async () => {
      await until(
        'a direct link',
        async () => ({ peers: (await page.state()).peers, node: node.output() }),
        ({ peers }) => peers.some(({ name, path }) => name === 'nora' && path === 'direct'),
      );
      expect(node.output()).toContain('direct ones to other contributors');
    });

    await test.step('rounds are certified with the work of both, and both have the same state', async () => {
      const both = async () => {
        const { rounds } = await page.state();
        return rounds.flatMap(({ round, own, root }) => {
          const report = node.reports().find((r) => r.round === round && r.outcome === 'accepted');
          return own?.outcome === 'accepted' && report !== undefined ? [{ root, node: report.root }] : [];
        });
      };
      const roots = await until('rounds of both', both, (list) => list.length >= 2);
      for (const { root, node: other } of roots) expect(other).toBe(root);
      expect(new Set(roots.map(({ root }) => root)).size).toBe(roots.length);
    });

    expect(await node.interrupt()).toBe(0);
    expect(node.output()).toMatch(/Finishing round \d+/);
    expect(page.errors).toEqual([]);
  } finally {
    await nora?.interrupt();
    await tab?.close();
    await host.stop();
  }
});
