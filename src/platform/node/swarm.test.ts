/** Node peers as whole nodes on loopback: direct WebRTC links through the host's relay, and the fallback without WebRTC. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { bytesEqual } from '../../protocol/bytes.ts';
import { hostMultiaddr } from '../../swarm/addresses.ts';
import { createHostSwarm } from '../../swarm/host-node.ts';
import { RELAY_DATA_LIMIT } from '../../swarm/limits.ts';
import type { IceOptions } from '../../swarm/ice.ts';
import type { PeerNode } from '../../swarm/peer-node.ts';
import { testBlob, until } from '../../swarm/testing.ts';
import { createNodeSwarm, type WebRtcLoader } from './swarm.ts';

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

async function startHost() {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const swarm = await createHostSwarm({ privateKeySeed: new Uint8Array(32).fill(9), topic: 't', server });
  swarm.onMessage(() => 'accept'); // a node that nobody asks passes nothing on
  stops.push(async () => {
    await swarm.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return {
    swarm,
    relay: hostMultiaddr(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, swarm.peerId),
  };
}

/** A peer whose WebRTC is bound to the loopback, since a test machine may have no other interface. */
async function startPeer(relay: string, load?: WebRtcLoader, ice: IceOptions = {}) {
  const node = await createNodeSwarm({ relays: [relay], topic: 't', bindAddress: '127.0.0.1', ...ice }, load);
  stops.push(() => node.swarm.stop());
  await until(
    () => node.swarm.hostState === 'connected',
    (again) => node.swarm.on('change', again),
  );
  return node;
}

const linkedTo = (swarm: PeerNode, peer: string): Promise<void> =>
  until(
    () => swarm.links().some((link) => link.peer === peer && link.path === 'direct'),
    (again) => swarm.on('change', again),
  );

/** Publishes a message until it arrives (gossipsub needs a moment to form its mesh); resolves to its author. */
async function passOn(from: PeerNode, message: number, to: PeerNode): Promise<string> {
  const author = new Promise<string>((resolve) =>
    to.onMessage((received, by) => {
      if (received[0] === message) resolve(by);
      return 'accept';
    }),
  );
  const timer = setInterval(() => void from.publish(new Uint8Array([message])), 100);
  return author.finally(() => clearInterval(timer));
}

it('two Node peers link directly and exchange blobs and messages past the host', async () => {
  const host = await startHost();
  const [{ swarm: a, direct }, { swarm: b }] = [await startPeer(host.relay), await startPeer(host.relay)];
  expect(direct).toEqual({ available: true });
  await Promise.all([linkedTo(a, b.peerId), linkedTo(b, a.peerId)]);
  expect(host.swarm.relayedBytes()).toBeGreaterThan(0);
  expect(host.swarm.relayedBytes()).toBeLessThan(RELAY_DATA_LIMIT);

  const size = 1_000_000;
  const { hash, bytes } = await testBlob(size);
  a.serve(hash, bytes);
  expect(bytesEqual(await b.fetch(hash, { size, allowHost: false }), bytes)).toBe(true);
  expect(a.traffic().bytesOut.direct).toBeGreaterThan(size);
  expect(host.swarm.blobTraffic().bytesOut.host).toBe(0);

  expect(await passOn(a, 7, b)).toBe(a.peerId);
});

it('without WebRTC everything goes over the host’s WebSocket, and the reason is told', async () => {
  const host = await startHost();
  const missing: WebRtcLoader = () => Promise.reject(new Error('no binary for this platform'));
  const [{ swarm: a, direct }, { swarm: b }] = [
    await startPeer(host.relay, missing),
    await startPeer(host.relay),
  ];
  expect(direct).toEqual({
    available: false,
    why: 'webrtc-not-loaded',
    cause: 'no binary for this platform',
  });

  const size = 300_000;
  const { hash, bytes } = await testBlob(size, 3);
  a.serve(hash, bytes);
  expect(bytesEqual(await host.swarm.fetch(hash, { size, prefer: [a.peerId] }), bytes)).toBe(true);
  host.swarm.serve(hash, bytes);
  expect(bytesEqual(await b.fetch(hash, { size }), bytes)).toBe(true);

  // The host names the peer that can be linked to, and only that one.
  expect(host.swarm.reservations).toBeLessThanOrEqual(1);
  expect(await passOn(b, 8, a)).toBe(b.peerId);
  expect(a.links().map((link) => link.path)).toEqual(['host']);
});

it('bad ICE servers are left out and told; links are direct all the same', async () => {
  const host = await startHost();
  const told: string[][] = [];
  const iceServers = [
    { urls: 'turn:127.0.0.1:3478' },
    { urls: 'stun:127.0.0.1:3478?transport=udp' },
    { urls: 'stun:127.0.0.1:99999' },
    { urls: 'http://127.0.0.1' },
    { urls: [] },
    'stun:127.0.0.1',
  ];
  const ice: IceOptions = {
    iceServers,
    onIceSkipped: (skipped) => told.push(skipped.map(({ rule }) => rule)),
  };
  const [{ swarm: a }, { swarm: b }] = [
    await startPeer(host.relay, undefined, ice),
    await startPeer(host.relay, undefined, ice),
  ];
  await Promise.all([linkedTo(a, b.peerId), linkedTo(b, a.peerId)]);
  const rules = ['credentials', 'stun-query', 'port', 'scheme', 'no-urls', 'form'];
  expect(told).toEqual([rules, rules]);
});
