/** An older Node starts the project's own as a child: the child ends with it, also when no signal could be passed on. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const BIN = join(import.meta.dirname, '../../bin/tabswarm.mjs');

test('a command whose starter is gone ends', async () => {
  // Never answers, so the command would wait for its own limit.
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const child = fork(BIN, ['status', '--url', `http://127.0.0.1:${port}`], { silent: true });
  await once(server, 'request');
  child.disconnect();
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGTERM');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
