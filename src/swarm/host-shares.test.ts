/** What strangers hold of a real host, over real WebSockets: shares by address, and all of it ends with the connection. */
import { createServer } from 'node:http';
import { type AddressInfo, connect as connectSocket } from 'node:net';
import type { CircuitRelayService, RelayReservation } from '@libp2p/circuit-relay-v2';
import type { Connection, MultiaddrConnection, PeerId } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import type { Libp2p } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';
import { hostMultiaddr } from './addresses.ts';
import { TrustedProxies } from './address-share.ts';
import { createHostSwarm, type HostSwarm } from './host-node.ts';
import * as limits from './limits.ts';
import { Reservations } from './reservations.ts';
import { Visitors } from './visitors.ts';
import { createStrangerNode } from './testing.ts';

const SEED = new Uint8Array(32).fill(7);
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** `forwarded`: what a proxy wrote on each WebSocket, in the order in which they come. */
async function startHost(
  trusted?: TrustedProxies,
  forwarded: string[] = [],
): Promise<{ swarm: HostSwarm; port: number }> {
  const server = createServer();
  server.on('upgrade', (request) => {
    const header = forwarded.shift();
    if (header !== undefined) request.headers['x-forwarded-for'] = header;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const swarm = await createHostSwarm({ privateKeySeed: SEED, topic: 't', server, trusted });
  stops.push(() => swarm.stop());
  return { swarm, port: (server.address() as AddressInfo).port };
}

/** A key that nobody knows, with nothing but what a connection takes. */
async function stranger(): Promise<Libp2p> {
  const node = await createStrangerNode({ dialTimeout: 30_000, addressDialTimeout: 30_000 });
  stops.push(() => node.stop());
  return node;
}

const dial = async (node: Libp2p, swarm: HostSwarm, port: number, force = false): Promise<Connection> =>
  await node.dial(multiaddr(hostMultiaddr(`http://127.0.0.1:${port}`, swarm.peerId)), { force });

/** The status of a relay's answer to RESERVE (circuit relay v2: 100 is OK, 200 refused, 401 denied). */
async function reserve(connection: Connection): Promise<number> {
  const stream = await connection.newStream('/libp2p/circuit/relay/0.2.0/hop');
  const lp = lpStream(stream);
  await lp.write(new Uint8Array([0x08, 0])); // type: RESERVE
  const answer = (await lp.read()).subarray();
  await stream.close();
  const [tag, low, high] = [answer.at(-3), answer.at(-2) ?? 0, answer.at(-1) ?? 0];
  return tag === 0x28 && low >= 0x80 ? (low & 0x7f) | (high << 7) : high; // field 5, the last one, a varint
}

const soon = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
};

describe('a reservation', () => {
  it('ends with the last connection of its peer, and so does what libp2p remembers', async () => {
    const { swarm, port } = await startHost();
    for (let i = 0; i < 5; i++) {
      const node = await stranger();
      expect(await reserve(await dial(node, swarm, port))).toBe(100);
      expect(swarm.reservations).toBe(1);
      await node.stop();
      await soon(() => swarm.reservations === 0);
    }
    await soon(() => swarm.links().length === 0);
    expect(await swarm.figures()).toMatchObject({ connections: 0, handshakes: 0, rememberedPeers: 0 });
  });

  it('stays while another connection of its peer is open', async () => {
    const { swarm, port } = await startHost();
    const node = await stranger();
    const first = await dial(node, swarm, port);
    await reserve(first);
    const second = await dial(node, swarm, port, true);
    await soon(() => swarm.reservations === 1);
    await first.close();
    expect(await reserve(second)).toBe(100);
    expect(swarm.reservations).toBe(1);
  });

  it('can be had by the 1001st key, when a thousand came and went', async () => {
    const { visitors, reservations, held, visit } = books();
    for (let i = 0; i < 1001; i++) {
      const { id, close } = await visit('192.0.2.1');
      expect(reservations.refuses(id)).toBe(false);
      held(id);
      expect(reservations.held).toBe(1);
      close();
      expect(reservations.held).toBe(0);
    }
    expect(visitors.figures.connections).toBe(0);
  });

  it('is refused beyond an address’s share, and to a peer that has gone', async () => {
    const { reservations, held, visit } = books();
    const { perAddress } = limits.RESERVATION_PLACES;
    for (let i = 0; i < perAddress; i++) {
      const { id } = await visit('192.0.2.1');
      expect(reservations.refuses(id)).toBe(false);
      held(id);
    }
    // The share of connections is as large; a member's own does not count.
    const other = await visit('198.51.100.1');
    expect(reservations.refuses(other.id)).toBe(false);
    other.close();
    expect(reservations.refuses(other.id)).toBe(true);
    expect(reservations.largest).toBe(perAddress);
  });
});

/** The books of a host without a network: keys visit, and the relay's own book is a map. */
function books() {
  const visitors = new Visitors({ subscribers: () => [] });
  const reservations = new Reservations(visitors);
  const map = new Map<string, RelayReservation>();
  const book = {
    get size() {
      return map.size;
    },
    get: (id: PeerId) => map.get(id.toString()),
    delete: (id: PeerId) => map.delete(id.toString()),
    keys: () => [],
  };
  reservations.attach({ reservations: book } as unknown as CircuitRelayService);
  let count = 0;
  const visit = async (address: string) => {
    const name = `key ${count++}`;
    const id = { toString: () => name } as PeerId;
    let closed: () => void = () => {};
    const transport = { writeBufferLength: 0 } as MultiaddrConnection;
    visitors.enter(
      {
        bufferedAmount: 0,
        on: (event, listener) => event === 'close' && (closed = listener),
        close: () => {},
        terminate: () => {},
      },
      address,
      () => void visitors.upgrade(transport, () => Promise.resolve()),
    );
    await Promise.resolve();
    expect(visitors.refuses(name, transport)).toBe(false);
    return { id, close: () => closed() };
  };
  const held = (id: PeerId): void =>
    void map.set(id.toString(), { signal: { clear: () => {} } } as RelayReservation);
  return { visitors, reservations, visit, held };
}

describe('a connection', () => {
  it('counts on the address that a trusted proxy names, and on the socket’s where nobody is trusted', async () => {
    const headers = ['203.0.113.9, 192.0.2.1', '192.0.2.2', '192.0.2.2'];
    const largest = async (trusted?: TrustedProxies): Promise<number> => {
      const { swarm, port } = await startHost(trusted, [...headers]);
      for (let i = 0; i < 3; i++) await dial(await stranger(), swarm, port);
      await soon(() => swarm.links().length === 3);
      return (await swarm.figures()).largestAddress;
    };
    expect(await largest()).toBe(2);
    expect(await largest(new TrustedProxies([]))).toBe(3);
  });

  it('of one key is there twice at most', async () => {
    const { swarm, port } = await startHost();
    const node = await stranger();
    for (let i = 0; i < 5; i++) await dial(node, swarm, port, true);
    expect((await swarm.figures()).connections).toBe(limits.CONNECTIONS_PER_PEER);
  });

  it('cannot come by the port that libp2p has for itself', async () => {
    const { swarm } = await startHost();
    const own = swarm.multiaddrs.map((address) => Number(/\/tcp\/(\d+)/.exec(address)?.[1]));
    expect(own.length).toBeGreaterThan(0);
    for (const port of own) {
      await new Promise<void>((resolve) => {
        const socket = connectSocket(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
        socket.on('error', () => {});
        socket.on('data', () => expect.unreachable('it answered'));
        socket.on('close', () => resolve());
      });
    }
  });

  it('is told when its address opens too many at once', async () => {
    const { port } = await startHost();
    const upgrade = (): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectSocket(port, '127.0.0.1', () =>
          socket.write(
            'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
              'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
          ),
        );
        socket.on('error', () => resolve(''));
        socket.on('close', () => resolve(''));
        socket.once('data', (data) => {
          resolve(data.toString().split('\r\n')[0] ?? '');
          socket.destroy();
        });
      });
    const answers: string[] = [];
    // Some more are let in while these are asked.
    while (!answers.some((answer) => answer.includes('429')) && answers.length < 100 * limits.ARRIVAL_BURST)
      answers.push(...(await Promise.all(Array.from({ length: 50 }, upgrade))));
    expect(answers.filter((answer) => answer.includes('101')).length).toBeGreaterThanOrEqual(
      limits.HANDSHAKE_PLACES.perAddress,
    );
    expect(answers.some((answer) => answer.includes('429'))).toBe(true);
  });
});
