/**
 * Builds and serves the gallery (src/ui/gallery): every state of the page, without a swarm. Built and not served from the
 * sources, because a hundred visits would each fetch a few hundred modules.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import react from '@vitejs/plugin-react';
import { build, preview } from 'vite';

const root = resolve(import.meta.dirname, '../..');
const PAGE = 'src/ui/gallery/index.html';

export interface Gallery {
  readonly url: string;
  close(): Promise<void>;
}

export async function openGallery(): Promise<Gallery> {
  const outDir = mkdtempSync(join(tmpdir(), 'tabswarm-gallery-'));
  const shared = { root, configFile: false, logLevel: 'error' } as const;
  await build({
    ...shared,
    plugins: [react()],
    worker: { format: 'es' },
    build: { outDir, target: 'es2023', minify: false, rolldownOptions: { input: join(root, PAGE) } },
  });
  const server = await preview({
    ...shared,
    build: { outDir },
    preview: { port: 0, host: '127.0.0.1' },
  });
  const address = server.httpServer.address();
  if (typeof address !== 'object' || address === null) throw new Error('the gallery server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/${PAGE}`,
    close: async () => {
      await server.close();
      rmSync(outDir, { recursive: true, force: true });
    },
  };
}
