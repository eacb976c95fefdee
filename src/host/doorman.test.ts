/** Who gets in at the host's port when it is full, who waits, and who is cut off: on real sockets, without a host. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TrustedProxies } from '../swarm/address-share.ts';
import type { OwnAddress } from './asked-address.ts';
import { type DoorLimits, doorLimits, STALL_MS } from './door-limits.ts';
import { Doorman } from './doorman.ts';
import type { HostEvent } from './events.ts';

const LIMITS: DoorLimits = {
  ...doorLimits(20_000),
  sockets: 6,
  socketShare: 4,
  upgrades: 4,
  upgradeShare: 3,
  answers: 4,
  answerShare: 2,
  waiting: 3,
  waitingShare: 2,
  pipelined: 3,
  bytes: 3000,
  bytesShare: 2000,
};
let server: Server;
let door: Doorman;
let port = 0;
let time = 0;
let events: HostEvent[] = [];
let asked: { request: IncomingMessage; response: ServerResponse }[] = [];
let upgraded: string[] = [];
let sockets: Socket[] = [];
let own: OwnAddress;

beforeEach(async () => {
  [time, events, asked, upgraded] = [0, [], [], []];
  own = {
    publicUrl: new URL('https://example.org/app/'),
    tls: false,
    trusted: new TrustedProxies(['127.0.0.9']),
  };
  server = createServer({ keepAliveTimeout: 60_000 });
  door = new Doorman({
    server,
    own,
    limits: LIMITS,
    handle: (request, response) => void asked.push({ request, response }),
    report: (event) => void events.push(event),
    now: () => time,
  });
  door.on('upgrade', (request, socket) => {
    upgraded.push(request.headers.origin ?? 'none');
    socket.resume().on('end', () => socket.destroy());
    socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  door.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

class Client {
  readonly socket: Socket;
  got = '';

  constructor(from: string) {
    this.socket = connect({ port, host: '127.0.0.1', localAddress: from });
    sockets.push(this.socket);
    this.socket.on('error', () => {});
    this.socket.on('data', (data) => {
      this.got += data.toString('latin1');
    });
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }
}

const get = (path = '/', more = ''): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`;
const webSocket = (more = ''): string => get('/', `connection: upgrade\r\nupgrade: websocket\r\n${more}`);
/** Waits for something that sockets bring about. */
const until = (what: () => boolean): Promise<void> =>
  vi.waitFor(() => expect(what()).toBe(true), { interval: 2, timeout: 4000 });
async function client(from: string, text = ''): Promise<Client> {
  const one = new Client(from).send(text);
  await once(one.socket, 'connect');
  return one;
}
const closed = (one: Client): Promise<unknown> => until(() => one.socket.closed);
const finish = (i: number): void => void asked[i]?.response.end(`answer ${i}`);

test('an address at its share loses its own oldest idle connection, never one in use', async () => {
  const busy = await client('127.0.0.2', get());
  await until(() => asked.length === 1);
  const idle = await client('127.0.0.2');
  const others = [await client('127.0.0.2'), await client('127.0.0.2')];
  await until(() => door.figures.sockets === 4);
  const late = await client('127.0.0.2', get('/late'));
  await closed(idle);
  await until(() => asked.length === 2);
  expect(asked[1]?.request.url).toBe('/late');
  finish(0);
  await until(() => busy.got.includes('answer 0'));
  expect([busy, ...others, late].map(({ socket }) => socket.destroyed)).toEqual([false, false, false, false]);
});

test('a full port takes from whoever holds most, and lets a newcomer in', async () => {
  const rich = await Promise.all(Array.from({ length: 4 }, () => client('127.0.0.2', webSocket())));
  await until(() => upgraded.length === 3); // the fourth is refused
  await until(() => rich.some(({ socket }) => socket.closed));
  await client('127.0.0.3', webSocket());
  await until(() => upgraded.length === 4);
  await client('127.0.0.3');
  await client('127.0.0.4');
  await until(() => door.figures.sockets === 6);
  const newcomer = await client('127.0.0.5', get());
  await until(() => asked.length === 1);
  finish(0);
  await until(() => newcomer.got.includes('answer 0'));
  await until(() => rich.filter(({ socket }) => socket.closed).length === 1 || door.figures.sockets <= 6);
  // WebSockets too: the fifth takes the place of one of those who have three.
  await client('127.0.0.6', webSocket());
  await until(() => upgraded.length === 5);
  expect(door.figures.upgrades).toBeLessThanOrEqual(4);
});

test('requests of one connection are answered in turn; more than a few are not waited for', async () => {
  const one = await client('127.0.0.2', get('/a') + get('/b') + get('/c'));
  await until(() => asked.length === 1);
  expect(door.figures).toMatchObject({ answers: 1, waiting: 0 });
  finish(0);
  await until(() => asked.length === 2);
  finish(1);
  await until(() => asked.length === 3);
  finish(2);
  await until(() => one.got.includes('answer 2'));
  expect(one.got).toMatch(/answer 0[^]*answer 1[^]*answer 2/);
  const many = await client('127.0.0.2', get().repeat(50));
  await closed(many);
  expect(door.figures.refused.get('pipelined')).toBe(1);
  expect(asked.length).toBeLessThanOrEqual(4);
  await until(() => door.figures.answers === 0);
});

test('an address at its share of answers waits, then is turned away; others are answered', async () => {
  const four = await Promise.all(Array.from({ length: 4 }, () => client('127.0.0.2', get())));
  await until(() => door.figures.waiting === 2);
  expect(asked).toHaveLength(2);
  await client('127.0.0.3', get('/other'));
  await until(() => asked.length === 3);
  finish(0);
  await until(() => asked.length === 4);
  expect(door.figures).toMatchObject({ answers: 3, waiting: 1 });
  time = STALL_MS;
  door.look();
  await until(() => four.some(({ got }) => got.startsWith('HTTP/1.1 503')));
  expect(door.figures.waiting).toBe(0);
});

test('when all answers are taken, whoever has most loses the oldest to a newcomer', async () => {
  const two = [await client('127.0.0.2', get()), await client('127.0.0.2', get())];
  await until(() => asked.length === 2);
  await client('127.0.0.3', get());
  await client('127.0.0.4', get());
  await until(() => asked.length === 4);
  await client('127.0.0.5', get('/new'));
  await until(() => asked.length === 5);
  expect(asked[4]?.request.url).toBe('/new');
  await until(() => two.some(({ socket }) => socket.closed));
  expect(door.figures.answers).toBe(4);
});

test('an answer of which nothing leaves for half a minute is ended; one that is made slowly is not', async () => {
  const stalled = await client('127.0.0.2', get());
  stalled.socket.pause();
  const slow = await client('127.0.0.3', get());
  await until(() => asked.length === 2);
  asked[0]?.response.write(Buffer.alloc(32 << 20));
  await new Promise((resolve) => setTimeout(resolve, 50));
  door.look();
  time = STALL_MS - 1;
  door.look();
  expect(door.figures.answers).toBe(2);
  time = STALL_MS + 1;
  door.look();
  await until(() => door.figures.answers === 1);
  expect(events).toContainEqual({ is: 'share-used-up', of: 'stalled', share: '127.0.0.2' });
  expect(slow.socket.destroyed).toBe(false);
});

test('bytes of answers that nobody reads are bounded for an address and in all', async () => {
  for (const from of ['127.0.0.2', '127.0.0.2', '127.0.0.3']) await client(from, get());
  await until(() => asked.length === 3);
  const [first, second, other] = asked.map(({ request }) => request);
  expect(door.hold(first, 1500)).toBe(true);
  expect(door.hold(second, 1500)).toBe(false);
  expect(door.hold(other, 1500)).toBe(true);
  expect(door.figures.bytes).toBe(3000);
  expect(door.hold(other, 1)).toBe(false);
  finish(0);
  await until(() => door.figures.bytes === 1500);
  expect(door.hold(second, 1500)).toBe(true);
  // What is larger than any share has room alone.
  finish(1);
  finish(2);
  await until(() => door.figures.bytes === 0);
  await client('127.0.0.4', get());
  await until(() => asked.length === 4);
  expect(door.hold(asked[3]?.request, 50_000)).toBe(true);
});

test('clients of a trusted proxy have their own shares, whoever’s connection it is', async () => {
  const ask = (address: string): string => get('/', `x-forwarded-for: 9.9.9.9, ${address}\r\n`);
  const through = await client('127.0.0.9', ask('203.0.113.1'));
  await until(() => asked.length === 1);
  for (const address of ['203.0.113.1', '203.0.113.1', '203.0.113.2'])
    await client('127.0.0.9', ask(address));
  await until(() => asked.length === 3);
  expect(door.figures).toMatchObject({ answers: 3, waiting: 1 });
  // The proxy is not held to one address's share of sockets.
  await client('127.0.0.9', ask('203.0.113.3'));
  await until(() => asked.length === 4);
  expect(through.socket.destroyed).toBe(false);
});

test.each([
  ['no origin', '', true],
  ['the address that was asked for', 'http://localhost', true],
  ['the same over TLS in front', 'https://localhost', true],
  ['the public address', 'https://example.org', true],
  ['another page', 'https://evil.example', false],
  ['another port', 'http://localhost:81', false],
  ['a sandboxed page', 'null', false],
  ['an extension', 'chrome-extension://abcdef', false],
  ['nonsense', '%%%', false],
])('a WebSocket from %s', async (_, origin, allowed) => {
  const one = await client('127.0.0.2', webSocket(origin === '' ? '' : `origin: ${origin}\r\n`));
  await until(() => one.got !== '');
  expect(one.got.slice(0, 12)).toBe(allowed ? 'HTTP/1.1 101' : 'HTTP/1.1 403');
  expect(upgraded).toHaveLength(allowed ? 1 : 0);
  expect(events.map(({ is }) => is)).toEqual(allowed ? [] : ['origin-refused']);
});

test('a trusted proxy that speaks HTTPS, and a host that was not told so: one line, and nobody else’s word', async () => {
  own = { ...own, publicUrl: null };
  const https = get('/', 'x-forwarded-proto: https\r\n');
  const other = createServer();
  const said: HostEvent[] = [];
  const handle = (_: IncomingMessage, response: ServerResponse): void => void response.end('ok');
  const second = new Doorman({
    server: other,
    own,
    limits: LIMITS,
    handle,
    report: (event) => void said.push(event),
  });
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  ({ port } = other.address() as AddressInfo);
  const stranger = await client('127.0.0.2', https);
  await until(() => stranger.got.endsWith('ok'));
  expect(said).toEqual([]);
  for (let i = 0; i < 2; i++) {
    const proxied = await client('127.0.0.9', https);
    await until(() => proxied.got.endsWith('ok'));
  }
  expect(said).toEqual([{ is: 'https-without-public-url' }]);
  second.stop();
  other.closeAllConnections();
  other.close();
});

test('whatever the descriptors, there is room for some of everything, and never for more than fits', () => {
  for (let descriptors = 0; descriptors < 5000; descriptors += 7) {
    const limits = doorLimits(descriptors);
    for (const limit of Object.values(limits)) expect(limit).toBeGreaterThan(0);
    if (descriptors > 80) expect(limits.sockets + limits.answers).toBeLessThan(descriptors - 40);
    expect(limits.upgrades).toBeLessThanOrEqual(limits.sockets);
  }
  expect(doorLimits(Number.POSITIVE_INFINITY)).toEqual(doorLimits(20_000));
});
