/** What a stranger's floods cost a real host in a process of its own: memory, and whether anybody else is answered. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { temporaryFolder } from './testing/fixtures.ts';

/** Above idle, whatever a stranger does; and after all of it, since a heap that grew keeps its pages. */
const MOST_GROWTH = 64 << 20;
const MOST_LEFT = 160 << 20;
const folder = temporaryFolder();
let child: ChildProcess;
let port = 0;
let checkpoint = '';
/** RSS before the first flood. */
let idle = 0;
let sockets: Socket[] = [];

beforeAll(async () => {
  const register = join(import.meta.dirname, '../../scripts/register.mjs');
  child = fork(join(import.meta.dirname, 'testing/flood-child.ts'), [folder.dir], {
    execArgv: ['--import', register],
    execPath: join(import.meta.dirname, '../../node_modules/node/bin/node'),
  });
  const [told] = (await once(child, 'message')) as [{ port: number; checkpoint: string }];
  ({ port, checkpoint } = told);
  // What a visited host holds: code, heap and pools in use.
  for (let i = 0; i < 20; i++)
    await Promise.all(
      Array.from({ length: 50 }, (_, j) =>
        ask(`127.0.4.${j + 1}`, j % 2 ? '/api/run' : `/api/blob/${checkpoint}`),
      ),
    );
  idle = await rss();
});
afterAll(() => {
  child.kill('SIGKILL');
  folder.remove();
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
});

async function rss(): Promise<number> {
  child.send('rss');
  const [told] = (await once(child, 'message')) as [{ rss: number }];
  return told.rss;
}

/** A connection that reads nothing, from one of this machine's own addresses. */
function open(from: string, text: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    sockets.push(socket);
    socket.pause();
    socket.on('error', () => resolve(socket));
    socket.on('close', () => resolve(socket));
    socket.on('connect', () => socket.write(text, () => resolve(socket)));
  });
}

/** Status line of an answer; empty when the connection was ended without one. */
function ask(from: string, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from });
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString('latin1');
    });
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(answer.split('\r\n')[0] ?? ''));
    socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
  });
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
const many = (count: number, from: (i: number) => string, text: string): Promise<Socket[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => open(from(i), text)));

/** Each flood: connections, their addresses, what each sends and reads nothing of. */
const FLOODS: readonly (readonly [string, number, (i: number) => string, () => string])[] = [
  [
    'downloads pipelined by one address',
    60,
    () => '127.0.0.2',
    () => get(`/api/blob/${checkpoint}`).repeat(100),
  ],
  ['one download on each of many connections', 600, () => '127.0.0.2', () => get(`/api/blob/${checkpoint}`)],
  [
    'downloads of many addresses',
    1200,
    (i) => `127.0.1.${1 + (i % 40)}`,
    () => get(`/api/blob/${checkpoint}`).repeat(8),
  ],
  [
    'answers in JSON of many addresses',
    1200,
    (i) => `127.0.2.${1 + (i % 40)}`,
    () => get('/api/run').repeat(8),
  ],
  [
    'small requests in one packet',
    200,
    () => '127.0.0.2',
    () => 'GET /x HTTP/1.1\r\nhost:a\r\n\r\n'.repeat(2000),
  ],
  ['idle connections of one address', 2000, () => '127.0.0.2', () => ''],
  ['idle connections of many addresses', 4500, (i) => `127.0.3.${1 + (i % 200)}`, () => ''],
  [
    'half a request of many addresses',
    2000,
    (i) => `127.0.3.${1 + (i % 200)}`,
    () => `GET / HTTP/1.1\r\nx: ${'y'.repeat(12_000)}`,
  ],
];

test.each(FLOODS)('%s', async (_name, count, from, text) => {
  const before = await rss();
  await many(count, from, text());
  // Others are answered meanwhile, and so is whoever shares the address.
  for (const address of ['127.0.0.9', from(0)])
    expect(await ask(address, '/api/time')).toMatch(/^(HTTP\/1\.1 (200|429|503) |$)/);
  expect(await ask('127.0.0.9', '/api/time')).toBe('HTTP/1.1 200 OK');
  const after = await rss();
  expect(after - before).toBeLessThan(MOST_GROWTH);
  expect(after - idle).toBeLessThan(MOST_LEFT);
});
