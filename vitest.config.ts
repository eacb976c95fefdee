/** Unit tests run in Node 24, with the same WGSL imports as the app. Browser tests: vitest.browser.config.ts. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'attack/**/*.test.ts'],
    exclude: ['**/*.browser.test.ts', 'node_modules/**'],
    // Two cores and software GPUs: more workers only slow each other down.
    maxWorkers: 2,
    // Ends a test that hangs, and measures nothing. With both cores kept busy by other work, the CPU driver compiles one
    // engine's kernels for a minute, and a file's first test does that and then trains.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 300_000 } },
    teardownTimeout: 60_000,
  },
});
