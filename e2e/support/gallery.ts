/** Serves the gallery (src/ui/gallery) from the sources: every state of the page, without a swarm. */
import { createServer } from 'vite';

export interface Gallery {
  readonly url: string;
  close(): Promise<void>;
}

export async function openGallery(): Promise<Gallery> {
  const server = await createServer({
    configFile: 'vite.config.ts',
    server: { port: 0, host: '127.0.0.1', watch: null, hmr: false },
    logLevel: 'error',
  });
  await server.listen();
  const address = server.httpServer?.address();
  if (typeof address !== 'object' || address === null) throw new Error('the gallery server has no port');
  return {
    url: `http://127.0.0.1:${address.port}/src/ui/gallery/`,
    close: () => server.close(),
  };
}
