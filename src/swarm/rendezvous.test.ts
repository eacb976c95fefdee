/** Finding other tabs: a fair sample, real peer ids only, and no answer to who asks too often. */
import { generateKeyPair } from '@libp2p/crypto/keys';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { Stream } from '@libp2p/interface';
import { lpStream } from '@libp2p/utils';
import type { Libp2p } from 'libp2p';
import { afterEach, describe, expect, it } from 'vitest';
import {
  MAX_RENDEZVOUS_BYTES,
  RENDEZVOUS_BURST,
  RENDEZVOUS_MEMBERS,
  RENDEZVOUS_PEERS,
  RENDEZVOUS_RATE,
  RENDEZVOUS_SHARE_BURST,
} from './limits.ts';
import type { Rank } from './places.ts';
import {
  askRendezvous,
  choosePeers,
  parseRendezvous,
  type Reachable,
  RENDEZVOUS_PROTOCOL,
  rendezvousHandler,
  sample,
} from './rendezvous.ts';
import { createTestNode } from './testing.ts';

const nodes: Libp2p[] = [];
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop();
});

async function pair(): Promise<{ host: Libp2p; tab: Libp2p; ask: () => Promise<string[] | null> }> {
  const host = await createTestNode();
  const tab = await createTestNode();
  nodes.push(host, tab);
  const connection = await tab.dial(host.getMultiaddrs());
  return { host, tab, ask: () => askRendezvous(connection) };
}

const newId = async (): Promise<string> => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString();
const ids = (count: number): Promise<string[]> => Promise.all(Array.from({ length: count }, newId));
const strangers = (peers: readonly string[]): Reachable[] =>
  peers.map((peer) => ({ peer, share: 'A', rank: 'stranger' }));
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

describe('sample', () => {
  it('takes distinct elements and leaves the input alone', () => {
    const from = Array.from({ length: 20 }, (_, i) => i);
    const taken = sample(from, 5);
    expect(new Set(taken).size).toBe(5);
    expect(from).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(sample(from, 50).toSorted((a, b) => a - b)).toEqual(from);
  });

  it('follows the random numbers: Fisher-Yates from the end', () => {
    const draws = [0, 0.9, 0.5]; // 4 elements: swap 3 with 0, 2 with 2, 1 with 1
    expect(sample(['a', 'b', 'c', 'd'], 4, () => draws.shift() ?? 0)).toEqual(['d', 'b', 'c', 'a']);
  });
});

describe('choosePeers', () => {
  const some = (name: string, count: number, share: string, rank: Rank): Reachable[] =>
    Array.from({ length: count }, (_, i) => ({ peer: `${name}${i}`, share, rank }));
  const count = (chosen: readonly string[], name: string): number =>
    chosen.filter((peer) => peer.startsWith(name)).length;

  it('names members first, then one tab of each address in turn', () => {
    const flood = some('flood', 900, 'F', 'stranger');
    const room = [...some('a', 1, 'A', 'stranger'), ...some('b', 3, 'B', 'stranger')];
    const chosen = choosePeers([...flood, ...room, ...some('m', 20, 'F', 'member')]);
    expect(chosen).toHaveLength(RENDEZVOUS_PEERS);
    expect(chosen.slice(0, RENDEZVOUS_MEMBERS).every((peer) => peer.startsWith('m'))).toBe(true);
    expect(count(chosen, 'a')).toBe(1);
    expect(count(chosen, 'b') + count(chosen, 'm')).toBeGreaterThanOrEqual(RENDEZVOUS_MEMBERS + 1);
  });

  it('names idle keys only where there is nobody else', () => {
    const idle = some('idle', 900, 'F', 'idle');
    expect(count(choosePeers([...idle, ...some('tab', 5, 'F', 'stranger')]), 'tab')).toBe(5);
    expect(choosePeers(idle)).toHaveLength(RENDEZVOUS_PEERS);
    expect(choosePeers([])).toEqual([]);
  });

  it('is a fair draw among the tabs of one room', () => {
    const room = some('tab', 40, 'A', 'stranger');
    const seen = new Set(Array.from({ length: 60 }, () => choosePeers(room)).flat());
    expect(seen.size).toBe(40);
  });
});

describe('parseRendezvous', () => {
  it('takes real peer ids, each once', async () => {
    const [a, b] = (await ids(2)) as [string, string];
    expect(parseRendezvous(encode([a, b, a]))).toEqual([a, b]);
    expect(parseRendezvous(encode([]))).toEqual([]);
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['no JSON', new Uint8Array([0xff, 0xfe])],
    ['an object', encode({ length: 1 })],
    ['null', encode(null)],
    ['numbers', encode([1, 2])],
    ['an address instead of an id', encode(['/ip4/10.0.0.1/tcp/22/ws/p2p/12D3KooW'])],
    ['a path out of the multiaddr', encode([`12D3KooW${'a'.repeat(44)}/p2p-circuit`])],
    ['too many', encode(Array.from({ length: RENDEZVOUS_PEERS + 1 }, () => `12D3KooW${'a'.repeat(44)}`))],
  ])('refuses %s', (_name, bytes) => {
    expect(parseRendezvous(bytes)).toBeNull();
  });
});

describe('the protocol', () => {
  it('names at most 16 of the others, never the asker', async () => {
    const { host, tab, ask } = await pair();
    const known = [...(await ids(30)), tab.peerId.toString()];
    await host.handle(
      RENDEZVOUS_PROTOCOL,
      rendezvousHandler({ reachable: () => strangers(known), shareOf: () => 'A' }),
    );
    const answer = (await ask()) ?? [];
    expect(answer).toHaveLength(RENDEZVOUS_PEERS);
    expect(answer).not.toContain(tab.peerId.toString());
    expect(answer.every((id) => known.includes(id))).toBe(true);
  });

  it('answers who asks too often with nobody', async () => {
    const { host, ask } = await pair();
    const known = await ids(1);
    let now = 0;
    await host.handle(
      RENDEZVOUS_PROTOCOL,
      rendezvousHandler({ reachable: () => strangers(known), shareOf: () => 'A', now: () => now }),
    );
    for (let i = 0; i < RENDEZVOUS_BURST; i++) expect(await ask()).toEqual(known);
    expect(await ask()).toEqual([]);
    now += 1000;
    for (let i = 0; i < RENDEZVOUS_RATE; i++) expect(await ask()).toEqual(known);
    expect(await ask()).toEqual([]);
  });

  it('has a share of answers for all tabs of one address', async () => {
    const { host, tab, ask } = await pair();
    const known = await ids(1);
    await host.handle(
      RENDEZVOUS_PROTOCOL,
      rendezvousHandler({ reachable: () => strangers(known), shareOf: () => 'A', now: () => 0 }),
    );
    // Each connection has a budget of its own, and there are as many as it takes.
    for (let asked = 0; asked < RENDEZVOUS_SHARE_BURST; asked += RENDEZVOUS_BURST) {
      const connection = await tab.dial(host.getMultiaddrs(), { force: true });
      for (let i = 0; i < RENDEZVOUS_BURST; i++) expect(await askRendezvous(connection)).toEqual(known);
      await connection.close();
    }
    expect(await ask()).toEqual([]);
  });

  it.each<[string, (stream: Stream) => Promise<void>]>([
    ['is not spoken there', async (stream) => stream.abort(new Error('no'))],
    ['answers garbage', async (stream) => lpStream(stream).write(new Uint8Array(100))],
    ['answers too much', async (stream) => lpStream(stream).write(new Uint8Array(MAX_RENDEZVOUS_BYTES + 1))],
    ['closes without an answer', async (stream) => stream.close()],
  ])('gives null when the host %s', async (_name, behave) => {
    const { host, ask } = await pair();
    await host.handle(RENDEZVOUS_PROTOCOL, behave);
    expect(await ask()).toBeNull();
  });
});
