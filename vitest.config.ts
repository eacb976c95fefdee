/** Unit tests run in Node 24, with the same WGSL imports as the app. Browser tests: vitest.browser.config.ts. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'attack/**/*.test.ts'],
    exclude: ['**/*.browser.test.ts', 'node_modules/**'],
    // Two cores and software GPUs: more workers only slow each other down.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
