/** Host and tabs as whole nodes in one process, over WebSockets: WebRTC needs a browser (e2e/swarm.spec.ts). */
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { TopicValidatorResult } from '@libp2p/gossipsub';
import { afterEach, describe, expect, it } from 'vitest';
import { bytesEqual } from '../protocol/bytes.ts';
import { hostMultiaddr } from './addresses.ts';
import type { SeenMessages } from './gossip.ts';
import { createHostSwarm, type HostSwarm } from './host-node.ts';
import { AUTHOR_RATE, MAX_REJECTED } from './limits.ts';
import type { PeerNode } from './peer-node.ts';
import type { PeerSwarm } from './peer-swarm.ts';
import { createTabSwarm } from './tab-node.ts';
import { testBlob, until } from './testing.ts';
import type { Swarm } from './types.ts';

const SEED = new Uint8Array(32).fill(7);
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function listen(port: number): Promise<{ server: Server; port: number; close: () => Promise<void> }> {
  const server = createServer((_request, response) => response.end('page'));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, port: (server.address() as AddressInfo).port, close };
}

async function startHost(port = 0) {
  const http = await listen(port);
  const swarm = await createHostSwarm({ privateKeySeed: SEED, topic: 't', server: http.server });
  const stop = async (): Promise<void> => {
    await swarm.stop();
    await http.close();
  };
  stops.push(stop);
  return { swarm, port: http.port, stop };
}

/** A tab that seeks no direct links, connected to the host. */
async function startTab(port: number, host: HostSwarm, topic = 't'): Promise<PeerNode> {
  const relays = [hostMultiaddr(`http://127.0.0.1:${port}`, host.peerId)];
  const tab = await createTabSwarm({ relays, topic, maxLinks: 0 });
  stops.push(() => tab.stop());
  await until(
    () => tab.hostState === 'connected',
    (again) => tab.on('change', again),
  );
  return tab;
}

const linked = (swarm: Swarm, count: number): Promise<void> =>
  until(
    () => swarm.links().length === count,
    (again) => swarm.on('change', again),
  );

/** Twice the time in which an author may publish one more message: asking again at that pace is never too often. */
const PACE_MS = 2000 / AUTHOR_RATE;

const pace = () => new Promise((resolve) => setTimeout(resolve, PACE_MS));

/** Publishes until the topic has formed: gossipsub needs a moment after the connection. */
async function publishTo(count: number, swarm: Swarm, message: Uint8Array): Promise<void> {
  while ((await swarm.publish(message)) < count) await pace();
}

/** Publishes until `heard`: while its mesh forms, gossipsub may forward a message to some only. */
async function publishUntil(heard: () => boolean, swarm: Swarm, message: Uint8Array): Promise<void> {
  while (!heard()) {
    await swarm.publish(message);
    await pace();
  }
}

describe('host and tabs', () => {
  it('share one port with the page', async () => {
    const { swarm, port } = await startHost();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('page');
    const tab = await startTab(port, swarm);
    expect(tab.links().map(({ peer, path }) => ({ peer, path }))).toEqual([
      { peer: swarm.peerId, path: 'host' },
    ]);
    await linked(swarm, 1);
    expect(swarm.links()[0]).toMatchObject({ peer: tab.peerId, path: 'host' });
  });

  it('find each other by name, and by an address spelt in another way', async () => {
    const { swarm, port } = await startHost();
    for (const relay of [
      hostMultiaddr(`http://localhost:${port}`, swarm.peerId),
      `/ip6/0:0:0:0:0:ffff:127.0.0.1/tcp/${port}/ws/p2p/${swarm.peerId}`,
    ]) {
      const tab = await createTabSwarm({ relays: [relay], topic: 't', maxLinks: 0 });
      stops.push(() => tab.stop());
      await until(
        () => tab.hostState === 'connected',
        (again) => tab.on('change', again),
      );
    }
  });

  it('refuse relay addresses that are none', async () => {
    const start = (relay: string) => createTabSwarm({ relays: [relay], topic: 't' });
    await expect(start('/ip4/127.0.0.1/tcp/1/ws')).rejects.toThrow(/PEER-ID/);
    await expect(start('http://localhost')).rejects.toThrow();
  });

  it('keep the peer id over restarts, and refuse a seed that is none', async () => {
    const first = await startHost();
    const second = await startHost();
    expect(second.swarm.peerId).toBe(first.swarm.peerId);
    await expect(createHostSwarm({ privateKeySeed: new Uint8Array(31), topic: 't' })).rejects.toThrow(
      /32 bytes/,
    );
  });

  it('find what gossipsub has seen where gossip.ts looks for it', async () => {
    const { swarm, port } = await startHost();
    const tab = await startTab(port, swarm);
    const { pubsub } = (swarm as unknown as PeerSwarm).node.services;
    const inside = pubsub as unknown as SeenMessages;
    const known: boolean[] = [];
    pubsub.topicValidators.set('t', async (_peer, message) => {
      known.push(inside.seenCache.entries.has(inside.msgIdToStrFn(await inside.msgIdFn(message))));
      return TopicValidatorResult.Ignore;
    });
    await publishUntil(() => known.length > 0, tab, new Uint8Array([1]));
    expect(known).not.toContain(false);
  });

  it('gossip to each other through the host, with authors, not to themselves', async () => {
    const { swarm, port } = await startHost();
    const [a, b] = [await startTab(port, swarm), await startTab(port, swarm)];
    const heard: string[] = [];
    const listenTo = (name: string, s: Swarm): void =>
      s.onMessage((message, from) => {
        heard.push(`${name} heard ${message[0]} of ${from}`);
        return 'accept';
      });
    listenTo('host', swarm);
    listenTo('a', a);
    listenTo('b', b);
    await publishTo(2, swarm, new Uint8Array([1])); // both tabs are in the topic now
    await publishUntil(
      () => heard.includes(`host heard 2 of ${a.peerId}`) && heard.includes(`b heard 2 of ${a.peerId}`),
      a,
      new Uint8Array([2]),
    );
    expect(heard.filter((line) => line.startsWith('a heard 2') || line.startsWith('host heard 1'))).toEqual(
      [],
    );
    expect(a.traffic().bytesOut.host).toBeGreaterThan(0);
    expect(a.traffic().bytesOut.direct + a.traffic().bytesIn.direct).toBe(0);
  });

  it('exchange blobs over the WebSocket in both directions', async () => {
    const { swarm, port } = await startHost();
    const tab = await startTab(port, swarm);
    await linked(swarm, 1);
    const size = 1_000_000;
    const mine = await testBlob(size, 1);
    tab.serve(mine.hash, mine.bytes);
    expect(bytesEqual(await swarm.fetch(mine.hash, { size }), mine.bytes)).toBe(true);
    const yours = await testBlob(size, 2);
    swarm.serve(yours.hash, yours.bytes);
    await expect(tab.fetch(yours.hash, { size, allowHost: false, prefer: [swarm.peerId] })).rejects.toThrow(
      /no peer is connected/,
    );
    expect(bytesEqual(await tab.fetch(yours.hash, { size }), yours.bytes)).toBe(true);
    const { bytesIn, bytesOut } = swarm.blobTraffic();
    for (const bytes of [bytesIn.host, bytesOut.host]) {
      expect(bytes).toBeGreaterThan(size);
      expect(bytes).toBeLessThan(size + 1000);
    }
  });

  it('hand links to the host, and hear what became of each', async () => {
    const { swarm, port, stop } = await startHost();
    const tab = await startTab(port, swarm);
    const never = new AbortController().signal;
    const sealed = new Uint8Array(2000).fill(5);
    // The host has not opened its run yet.
    expect(await tab.handOver(sealed, never)).toEqual({ stored: false, retry: true, code: 'starting' });
    const taken: [Uint8Array, string][] = [];
    swarm.onHandover(async (bytes, from) => {
      taken.push([bytes, from]);
      return taken.length === 1 ? { stored: false, retry: true, code: 'gap', height: 7 } : { stored: true };
    });
    expect(await tab.handOver(sealed, never)).toEqual({
      stored: false,
      retry: true,
      code: 'gap',
      height: 7,
    });
    expect(await tab.handOver(sealed, never)).toEqual({ stored: true });
    expect(taken.map(([bytes, from]) => [bytes.byteLength, from])).toEqual([
      [2000, tab.peerId],
      [2000, tab.peerId],
    ]);
    // Too long for a link: the host does not even look at it.
    expect(await tab.handOver(new Uint8Array((1 << 20) + 1), never)).toMatchObject({
      stored: false,
      retry: true,
    });
    expect(taken).toHaveLength(2);
    await stop();
    await until(
      () => tab.hostState !== 'connected',
      (again) => tab.on('change', again),
    );
    expect(await tab.handOver(sealed, never)).toMatchObject({ stored: false, retry: true });
  });

  it('are not reachable for peers of another run', async () => {
    const { swarm, port } = await startHost();
    const tab = await startTab(port, swarm);
    await startTab(port, swarm, 'another');
    await publishTo(1, tab, new Uint8Array([1]));
    await publishTo(1, swarm, new Uint8Array([2]));
    expect(await swarm.publish(new Uint8Array([2]))).toBe(1);
  });
});

describe('a stranger on the port', () => {
  const UPGRADE = [
    'GET / HTTP/1.1',
    'Host: tabswarm',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    '\r\n',
  ].join('\r\n');

  /** Sends raw bytes after a WebSocket handshake; resolves when the host hangs up. */
  const send = (port: number, bytes: number[], upgrade = UPGRADE): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(upgrade));
      socket.once('data', () => socket.write(Buffer.from(bytes)));
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });

  it.each<[string, number[]]>([
    ['reserved bits', [0xff, 0xff, 0xff]],
    ['an unmasked frame', [0x81, 0x05, 1, 2, 3, 4, 5]],
    ['a frame of 4 GiB', [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4]],
    ['a frame of 2 MiB', [0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 2, 3, 4]],
    ['invalid UTF-8', [0x81, 0x82, 1, 2, 3, 4, 0xfe, 0xff]],
  ])('is hung up on after %s, and the host lives on', async (_name, bytes) => {
    const { swarm, port } = await startHost();
    await send(port, bytes);
    await startTab(port, swarm);
  });

  it('gets an HTTP error for an upgrade that is no WebSocket', async () => {
    const { swarm, port } = await startHost();
    await send(port, [], UPGRADE.replace('websocket', 'h2c'));
    await startTab(port, swarm);
  });
});

describe('ban', () => {
  it('hangs up on a tab and lets it not come back', async () => {
    const { swarm, port } = await startHost();
    const [bad, good] = [await startTab(port, swarm), await startTab(port, swarm)];
    await linked(swarm, 2);
    swarm.ban(bad.peerId, 'test');
    await until(
      () => bad.hostState === 'unreachable',
      (again) => bad.on('change', again),
    );
    expect(swarm.links().map((link) => link.peer)).toEqual([good.peerId]);
    expect(good.hostState).toBe('connected');
  });

  it('falls on a tab that publishes invalid messages, not on others', async () => {
    const { swarm, port } = await startHost();
    const [bad, good] = [await startTab(port, swarm), await startTab(port, swarm)];
    let accepted = 0;
    let rejected = 0;
    swarm.onMessage((message) => {
      if (message[0] === 1) accepted++;
      else rejected++;
      return message[0] === 1 ? 'accept' : 'reject';
    });
    await publishUntil(() => accepted > 0, bad, new Uint8Array([1]));
    // All at once: gossipsub itself soon stops to listen to a neighbour whose messages were rejected.
    await Promise.all(Array.from({ length: 2 * MAX_REJECTED }, () => bad.publish(new Uint8Array([2]))));
    await until(
      () => bad.hostState === 'unreachable',
      (again) => bad.on('change', again),
    );
    expect(rejected).toBeGreaterThan(MAX_REJECTED);
    expect(swarm.links().map((link) => link.peer)).toEqual([good.peerId]);
    accepted = 0;
    await publishUntil(() => accepted > 0, good, new Uint8Array([1]));
  });

  it('never applies to the host', async () => {
    const { swarm, port } = await startHost();
    const tab = await startTab(port, swarm);
    tab.ban(swarm.peerId, 'test');
    expect(tab.links()).toHaveLength(1);
  });
});

describe('a host that restarts', () => {
  it('is seen as gone, and tabs come back to it by themselves', async () => {
    const first = await startHost();
    const tab = await startTab(first.port, first.swarm);
    const states: string[] = [];
    tab.on('change', () => states.push(tab.hostState));
    await first.stop();
    await until(
      () => tab.hostState === 'unreachable',
      (again) => tab.on('change', again),
    );
    expect(tab.links()).toEqual([]);
    const second = await startHost(first.port);
    await until(
      () => tab.hostState === 'connected',
      (again) => tab.on('change', again),
    );
    expect(states).toContain('unreachable');
    await publishTo(1, tab, new Uint8Array([1]));
    await until(
      () => second.swarm.reservations === 1,
      (again) => {
        const timer = setInterval(again, 50);
        return () => clearInterval(timer);
      },
    );
  });
});
