/** Tests that need a real browser: WebGPU in Chromium, workers. Headless Chromium on SwiftShader. */
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { CHROMIUM_ARGS, chromiumPath } from './scripts/browsers.ts';

export default defineConfig({
  // Found in the middle of a run, a dependency makes Vite reload the page and lose the test.
  optimizeDeps: {
    include: [
      'comlink',
      'idb',
      'valibot',
      '@ipld/dag-cbor',
      '@noble/curves/ed25519.js',
      '@noble/hashes/sha2.js',
      'onnxruntime-web',
      'onnxruntime-web/wasm',
      'onnxruntime-web/webgpu',
    ],
  },
  test: {
    include: ['src/**/*.browser.test.ts', 'src/**/*.browser.test.tsx'],
    // Ends a test that hangs, and measures nothing: see vitest.config.ts.
    testTimeout: 600_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 300_000 } },
    fileParallelism: false,
    browser: {
      enabled: true,
      connectTimeout: 600_000,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: { executablePath: chromiumPath() ?? undefined, args: CHROMIUM_ARGS },
      }),
      instances: [{ browser: 'chromium' }],
    },
  },
});
