/** Commands that ask a host: each way not to get an answer is told as what it is. */
import { createServer } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createTcp, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { cert, expired, key } from '../host/testing/localhost-tls.ts';
import { cli } from './testing.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function status(url: string): Promise<string> {
  const { code, err, out } = await cli('status', '--url', url);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  return err;
}

test('a certificate of one’s own, and one that has expired', async () => {
  const own = await portOf(createHttps({ cert, key }));
  expect(await status(`https://localhost:${own}`)).toMatch(
    /certificate is not trusted here.*NODE_EXTRA_CA_CERTS/,
  );
  const old = await portOf(createHttps({ cert: expired, key }));
  expect(await status(`https://localhost:${old}`)).toMatch(/certificate (has expired|is not trusted)/);
});

test('http asked of a TLS port, and https of a plain one', async () => {
  const tls = await portOf(createHttps({ cert, key }));
  expect(await status(`http://localhost:${tls}`)).toContain('Is it https:// instead?');
  const http = await portOf(createServer((_, response) => response.end()));
  expect(await status(`https://localhost:${http}`)).toContain('Is it http:// instead?');
  const silent = await portOf(createTcp((socket) => socket.destroy()));
  expect(await status(`http://localhost:${silent}`)).toContain('does not speak HTTP');
});

test('nothing there, and another server', async () => {
  const gone = createTcp();
  const port = await portOf(gone);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  expect(await status(`http://127.0.0.1:${port}`)).toContain('No host answers');
  const other = await portOf(createServer((_, response) => response.end('<html>')));
  expect(await status(`http://localhost:${other}`)).toContain('is no Tabswarm host');
});

test('an address copied with its fragment or query is the host’s', async () => {
  const asked: string[] = [];
  const port = await portOf(
    createServer(({ url = '' }, response) => {
      asked.push(url);
      response.statusCode = 503;
      response.end();
    }),
  );
  for (const end of ['', '/', '/#validate', '/?a=b#c']) {
    expect(await status(`http://localhost:${port}${end}`)).toContain('still preparing');
    const { err } = await cli('verify', import.meta.filename, '--url', `http://localhost:${port}${end}`);
    expect(err).toContain('still preparing');
  }
  expect(new Set(asked)).toEqual(new Set(['/api/status', '/api/run']));
});
