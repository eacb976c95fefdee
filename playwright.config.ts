/** End-to-end tests: a real host, headless Chromium tabs on SwiftShader. One worker: two cores do the training. */
import { defineConfig } from '@playwright/test';
import { CHROMIUM_ARGS, chromiumPath } from './scripts/browsers.ts';

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'artifacts/e2e',
  workers: 1,
  fullyParallel: false,
  retries: 0,
  // Limits end what hangs, and measure nothing: with both cores busy, a step of a software GPU takes many times as long.
  timeout: 30 * 60_000,
  expect: { timeout: 5 * 60_000 },
  reporter: [['list'], ['json', { outputFile: 'artifacts/reports/e2e.json' }]],
  use: {
    launchOptions: { executablePath: chromiumPath() ?? undefined, args: CHROMIUM_ARGS },
    // The full browser: the headless shell has no WebGPU.
    channel: undefined,
    trace: 'off',
    // pwa.spec.ts alone has service workers: they hide requests from tests that tamper with them.
    serviceWorkers: 'block',
  },
});
