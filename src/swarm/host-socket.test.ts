/** A host below a path, over real WebSockets: dialled with the path, known without it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { hostMultiaddr } from './addresses.ts';
import { createHostSwarm } from './host-node.ts';
import { createTabSwarm } from './tab-node.ts';
import { until } from './testing.ts';

test.each(['127.0.0.1', 'localhost'])('a tab finds its host below a path of %s', async (name) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const paths: string[] = [];
  server.on('upgrade', ({ url }) => paths.push(url ?? ''));
  const host = await createHostSwarm({ privateKeySeed: new Uint8Array(32).fill(7), topic: 't', server });
  const relay = hostMultiaddr(`http://${name}:${port}/app/`, host.peerId);
  const tab = await createTabSwarm({ relays: [relay], topic: 't', maxLinks: 0 });
  try {
    await until(
      () => tab.hostState === 'connected',
      (again) => tab.on('change', again),
    );
    expect(paths).toEqual(['/app/swarm']);
    expect(JSON.stringify(tab.links())).not.toContain('http-path');
  } finally {
    await tab.stop();
    await host.stop();
    server.closeAllConnections();
    server.close();
  }
});
