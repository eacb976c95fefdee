/** The swarm in memory: who hears whom, who gets which bytes from where, and what attackers and faults can do to it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sha256 } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { createIdentity } from '../protocol/identity.ts';
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import { testHash } from '../protocol/testing.ts';
import { pause } from '../protocol/timer.ts';
import * as limits from '../swarm/limits.ts';
import { BlobUnavailableError, type GossipVerdict, type Swarm } from '../swarm/types.ts';
import { MemoryNetwork, type MemoryPeerOptions } from './memory-network.ts';
import { VIRTUAL_START, VirtualClock } from './virtual-clock.ts';

let clock: VirtualClock;
let network: MemoryNetwork;
/** What was heard: `to<from: text at ms`. */
let log: string[];
beforeEach(() => {
  clock = new VirtualClock();
  network = new MemoryNetwork(clock);
  log = [];
});
afterEach(() => clock.dispose());

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const bytesOf = (words: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(words);
const ms = (): number => clock.now() - VIRTUAL_START;

/** A peer that notes what it hears. */
function join(name: string, options: MemoryPeerOptions & { verdict?: GossipVerdict } = {}): Swarm {
  const swarm = network.join(name, options);
  swarm.onMessage((message, from) => {
    log.push(`${name}<${from}: ${text(message)} at ${ms()}`);
    return options.verdict ?? 'accept';
  });
  return swarm;
}

const settle = (forMs = 0): Promise<void> => clock.run(clock.now() + forMs);

/** Resolves to the bytes as text, or to the error's name, once the clock has run for it. */
async function fetched(fetching: Promise<Uint8Array>): Promise<string> {
  let outcome: string | null = null;
  void fetching.then(
    (bytes) => {
      outcome = text(bytes);
    },
    (error: unknown) => {
      outcome = error instanceof Error ? error.name : String(error);
    },
  );
  await clock.run(() => outcome !== null);
  return outcome ?? '';
}

describe('gossip', () => {
  test('all others hear a message, later and in order; the author does not, and may reuse its bytes', async () => {
    const [a, b] = ['a', 'b', 'c'].map((name) => join(name));
    const message = bytesOf('one');
    expect(await a.publish(message)).toBe(2);
    message.fill(0);
    await b.publish(bytesOf('two'));
    expect(log).toEqual([]);
    await settle();
    expect(log).toEqual(['b<a: one at 0', 'c<a: one at 0', 'a<b: two at 0', 'c<b: two at 0']);
    expect(network.published.map(({ from, bytes }) => `${from}: ${text(bytes)}`)).toEqual([
      'a: one',
      'b: two',
    ]);
  });

  test('takes the latency', async () => {
    network = new MemoryNetwork(clock, { latencyMs: 40 });
    const a = join('a');
    join('b');
    await a.publish(bytesOf('one'));
    await settle(100);
    expect(log).toEqual(['b<a: one at 40']);
  });

  test('verdicts are recorded; a handler that throws ignores', async () => {
    const a = join('a');
    join('b', { verdict: 'reject' });
    network.join('without a handler');
    network.join('c').onMessage(async () => {
      await pause(clock, 10);
      throw new Error('a bug');
    });
    expect(await a.publish(bytesOf('one'))).toBe(3);
    await settle(20);
    expect(network.verdicts).toEqual([
      { from: 'a', to: 'b', at: VIRTUAL_START, verdict: 'reject' },
      { from: 'a', to: 'c', at: VIRTUAL_START + 10, verdict: 'ignore', error: new Error('a bug') },
    ]);
  });

  test('what is too long is refused, and a peer that has stopped is not heard and hears nothing', async () => {
    const [a, b] = ['a', 'b'].map((name) => join(name));
    await expect(a.publish(new Uint8Array(MAX_GOSSIP_BYTES + 1))).rejects.toThrow(RangeError);
    await a.publish(bytesOf('one'));
    await b.stop();
    expect(await b.publish(bytesOf('two'))).toBe(0);
    expect(await a.publish(bytesOf('three'))).toBe(0);
    await settle();
    expect([log, network.peers()]).toEqual([[], ['a']]);
    expect(() => join('a')).toThrow('in the network already');
    join('b');
    await a.publish(bytesOf('four'));
    await settle();
    expect(log).toEqual(['b<a: four at 0']);
  });

  test('routes lose, delay, multiply and change messages, one after the other', async () => {
    const a = join('a');
    for (const name of ['b', 'c', 'd']) join(name);
    const remove = network.addRoute((_from, to, bytes, at) => {
      if (to === 'b') return [];
      return to === 'c'
        ? [{ at: at + 30, bytes }]
        : [
            { at: at - 30, bytes },
            { at: at + 5, bytes: bytesOf('uno') },
          ];
    });
    network.addRoute((from, _to, bytes, at) => [{ at, bytes: bytesOf(`${from} says ${text(bytes)}`) }]);
    await a.publish(bytesOf('one'));
    await settle(50);
    expect(log).toEqual(['d<a: a says one at 0', 'd<a: a says uno at 5', 'c<a: a says one at 30']);
    remove();
    await a.publish(bytesOf('two'));
    await settle(50);
    expect(log.slice(3)).toEqual(['b<a: a says two at 50', 'c<a: a says two at 50', 'd<a: a says two at 50']);
  });

  test('messages can be looked at by kind, whoever signed them', async () => {
    const identity = await createIdentity(new Uint8Array(32).fill(1));
    const a = join('a');
    const run = testHash('run');
    const sealed = await seal(identity, { kind: 'join', run, certificate: run, nonce: 7 });
    sealed[40] ^= 1; // in the signature
    for (const bytes of [bytesOf('no message'), new Uint8Array(), sealed]) await a.publish(bytes);
    expect(network.messages('join')).toEqual([
      { from: 'a', at: VIRTUAL_START, message: { kind: 'join', run, certificate: run, nonce: 7 } },
    ]);
    expect(network.messages('commit')).toEqual([]);
  });
});

describe('links', () => {
  test('by role, with bytes, and with traffic by path', async () => {
    network = new MemoryNetwork(clock, { latencyMs: 20 });
    const [host, a] = [join('host', { role: 'host' }), join('a')];
    await settle(1000);
    join('b');
    await a.publish(bytesOf('one'));
    const link = { rttMs: 40, bytesIn: 0, bytesOut: 3 };
    expect(a.links()).toEqual([
      { ...link, peer: 'host', path: 'host', openedAt: VIRTUAL_START },
      { ...link, peer: 'b', path: 'direct', openedAt: VIRTUAL_START + 1000 },
    ]);
    expect(host.links().map(({ peer, path }) => `${peer} ${path}`)).toEqual(['a host', 'b host']);
    expect(host.traffic().bytesIn).toEqual({ direct: 0, relayed: 0, host: 3 });
    expect(a.traffic().bytesOut).toEqual({ direct: 3, relayed: 0, host: 3 });
  });

  test('a host is lost and comes back; meanwhile others pass its messages on, and only if they accept them', async () => {
    const host = join('host', { role: 'host' });
    const [a] = ['a', 'b'].map((name) => join(name));
    await settle(limits.CHANGE_INTERVAL);
    const states: string[] = [];
    const off = a.on('change', () => states.push(`${a.hostState} at ${ms()}`));
    network.setHostState('unreachable', ['a']);
    network.setHostState('connecting', ['a']);
    expect([host.hostState, a.links().map(({ peer }) => peer)]).toEqual(['connected', ['b']]);
    expect(await host.publish(bytesOf('one'))).toBe(1);
    await settle(1000);
    network.setHostState('connected');
    await host.publish(bytesOf('two'));
    await settle(1000);
    await host.stop();
    await settle(1000);
    off();
    join('host', { role: 'host' });
    await settle(1000);
    expect(a.hostState).toBe('connected');
    expect(states).toEqual(['connecting at 200', 'connected at 1200', 'unreachable at 2200']);
    expect(log).toEqual([
      'b<host: one at 100',
      'a<host: one at 100',
      'a<host: two at 1100',
      'b<host: two at 1100',
    ]);
  });

  test('nobody passes on what it rejects, and nothing crosses a partition until it heals', async () => {
    const a = join('a');
    for (const name of ['b', 'c', 'd']) join(name, { verdict: 'reject' });
    a.ban('b', 'a test');
    network.partition(['c']);
    expect(await a.publish(bytesOf('one'))).toBe(1);
    await settle(10);
    network.heal();
    await a.publish(bytesOf('two'));
    await settle(10);
    expect(log).toEqual(['d<a: one at 0', 'c<a: two at 10', 'd<a: two at 10']);
    await settle(limits.BAN_DURATION);
    expect(a.links()).toHaveLength(3);
  });
});

describe('blobs', () => {
  const BLOB = bytesOf('a submission');
  const size = BLOB.byteLength;
  let hash: Uint8Array;
  let a: Swarm;
  /** Sources in the order they were asked. */
  let asked: string[];
  const source = (name: string, options: MemoryPeerOptions = {}): Swarm =>
    network.join(name, {
      ...options,
      answer: (...question) => {
        asked.push(name);
        return options.answer?.(...question);
      },
    });
  beforeEach(async () => {
    hash = await sha256(BLOB);
    a = network.join('a');
    asked = [];
  });

  test('come from whoever serves them: preferred peers first, the host last and only if it may be asked', async () => {
    source('host', { role: 'host' }).serve(hash, BLOB);
    source('b');
    source('c').serve(hash, BLOB);
    expect(await fetched(a.fetch(hash, { size, prefer: ['host', 'c', 'nobody'] }))).toBe('a submission');
    expect(asked).toEqual(['c']);
    network.partition(['c']);
    expect(await fetched(a.fetch(hash, { size }))).toBe('a submission');
    expect(asked).toEqual(['c', 'b', 'host']);
    expect(await fetched(a.fetch(hash, { size, allowHost: false }))).toBe('BlobUnavailableError');
    expect(a.traffic().bytesIn).toEqual({ direct: size, relayed: 0, host: size });
  });

  test('are copies, are served until forgotten, and are had from oneself', async () => {
    const b = source('b');
    b.serve(hash, BLOB);
    b.serve(hash, bytesOf('another'));
    const first = a.fetch(hash, { size });
    await fetched(first);
    (await first).fill(0);
    expect(await fetched(a.fetch(hash, { size }))).toBe('a submission');
    b.forget(hash);
    expect(await fetched(a.fetch(hash, { size }))).toBe('BlobUnavailableError');
    a.serve(hash, BLOB);
    expect(text(await a.fetch(hash, { size }))).toBe('a submission');
    expect(() => a.serve(hash.slice(1), BLOB)).toThrow(RangeError);
    expect(() => a.serve(hash, new Uint8Array())).toThrow(RangeError);
  });

  test('of another size than was asked for are not taken, and no size is not asked for', async () => {
    source('b').serve(hash, BLOB);
    expect(await fetched(a.fetch(hash, { size: size - 1 }))).toBe('BlobUnavailableError');
    await expect(a.fetch(hash, { size: 0 })).rejects.toThrow(BlobUnavailableError);
    expect(asked).toEqual(['b']);
  });

  test('a liar costs one question each time and is banned for the third', async () => {
    const lies = [bytesOf('no submission'), bytesOf('a submussion'), new Uint8Array(size)];
    source('liar', { answer: () => lies[asked.filter((name) => name === 'liar').length - 1] });
    source('b').serve(hash, BLOB);
    for (let i = 0; i < 4; i++) expect(await fetched(a.fetch(hash, { size }))).toBe('a submission');
    expect(asked).toEqual(['liar', 'b', 'liar', 'b', 'liar', 'b', 'b']);
    expect(a.links().map(({ peer }) => peer)).toEqual(['b']);
  });

  test('a peer that stalls gets a competitor, and its last chance when there is none', async () => {
    const never = new Promise<never>(() => {});
    source('staller', { answer: () => never });
    const b = source('b');
    b.serve(hash, BLOB);
    expect(await fetched(a.fetch(hash, { size }))).toBe('a submission');
    expect([asked, ms()]).toEqual([['staller', 'b'], limits.HEDGE_DELAY]);
    await b.stop();
    expect(await fetched(a.fetch(hash, { size }))).toBe('BlobUnavailableError');
    expect(ms()).toBe(limits.HEDGE_DELAY + limits.FIRST_PIECE_TIMEOUT);
    await settle(limits.FIRST_PIECE_TIMEOUT);
    expect(clock.pending()).toEqual([]);
  });

  test('take two latencies, and end with the signal', async () => {
    network = new MemoryNetwork(clock, { latencyMs: 100 });
    a = network.join('a');
    source('b').serve(hash, BLOB);
    expect(await fetched(a.fetch(hash, { size }))).toBe('a submission');
    expect(ms()).toBe(200);
    const controller = new AbortController();
    clock.at(clock.now() + 50, () => controller.abort(new RangeError('enough')));
    expect(await fetched(a.fetch(hash, { size, signal: controller.signal }))).toBe('RangeError');
    expect(ms()).toBe(250);
    await expect(a.fetch(hash, { size, signal: controller.signal })).rejects.toThrow('enough');
  });

  test('a host is never banned', async () => {
    source('host', { role: 'host', answer: () => new Uint8Array(size) });
    for (let i = 0; i < 4; i++) expect(await fetched(a.fetch(hash, { size }))).toBe('BlobUnavailableError');
    a.ban('host', 'a test');
    expect(a.links().map(({ peer }) => peer)).toEqual(['host']);
  });
});
