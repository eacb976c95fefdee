/** Builds the page and its workers. The host serves dist/app as static files. */
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { shellPlugin } from './scripts/shell-plugin.ts';

export default defineConfig({
  // The page works below any path: a proxy may serve it at https://example.org/app/.
  base: './',
  plugins: [react(), shellPlugin()],
  build: {
    outDir: 'dist/app',
    target: 'es2023',
    sourcemap: true,
    chunkSizeWarningLimit: 900,
    // On a slow machine the bundler reports where its time went; a stranger takes that for a problem.
    rolldownOptions: { checks: { bundlerTimings: false } },
  },
  worker: { format: 'es', rolldownOptions: { checks: { pluginTimings: false } } },
  server: { host: '127.0.0.1' },
});
