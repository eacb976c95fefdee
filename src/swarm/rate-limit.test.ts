/** The volunteer's limit by a clock of its own, and on real blob streams. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BlobExchange } from './blobs.ts';
import { PIECE_BYTES } from './limits.ts';
import { Meter } from './meter.ts';
import { RateLimit } from './rate-limit.ts';
import { createTestNode, EndlessPatience, testBlob } from './testing.ts';

const never = new AbortController().signal;

describe('RateLimit', () => {
  afterEach(() => vi.useRealTimers());

  it('does not wait without a limit', async () => {
    const limit = new RateLimit();
    expect(await limit.take('in', 1e12, never)).toBe(0);
    expect(limit.limited('in')).toBe(false);
  });

  it('lets through a second’s worth, then the rate, in order of asking; the other way is free', async () => {
    vi.useFakeTimers();
    const limit = new RateLimit(() => performance.now());
    limit.set({ in: 1000, out: null });
    const order: string[] = [];
    const take = (name: string, bytes: number) =>
      limit.take('in', bytes, never).then((waited) => order.push(`${name} ${Math.round(waited)}`));
    void take('first', 1000);
    void take('big', 3000);
    void take('small', 10);
    expect(await limit.take('out', 1e9, never)).toBe(0);
    await vi.advanceTimersByTimeAsync(2999);
    expect(order).toEqual(['first 0']);
    await vi.advanceTimersByTimeAsync(20);
    expect(order).toEqual(['first 0', 'big 3000', 'small 3010']);
  });

  it('gives back what did not flow, and ends a wait when aborted', async () => {
    vi.useFakeTimers();
    const limit = new RateLimit(() => performance.now());
    limit.set({ in: 1000, out: 1000 });
    await limit.take('in', 1000, never);
    const abort = new AbortController();
    const waiting = limit.take('in', 60_000, abort.signal);
    abort.abort();
    expect(await waiting).toBeLessThan(1000);
    limit.spend('in', -60_000);
    expect(limit.delay('in', 500)).toBe(500);
  });

  it('makes bulk wait for gossip, and not for long, however much gossip a neighbour sends', () => {
    let now = 0;
    const limit = new RateLimit(() => now);
    limit.set({ in: 1000, out: null });
    limit.spendOnGossip('in', 1500);
    expect(limit.delay('in', 500)).toBe(1000);
    limit.spendOnGossip('in', 50_000_000);
    expect(limit.delay('in', 500)).toBe(2500);
    // What was reserved for bulk is owed in full.
    limit.spend('in', 9000);
    limit.spendOnGossip('in', 50_000_000);
    expect(limit.delay('in', 0)).toBe(11_000);
    now += 11_000;
    limit.spendOnGossip('in', 100);
    expect(limit.delay('in', 0)).toBe(100);
    limit.spendOnGossip('out', 1e9);
    expect(limit.delay('out', 1e9)).toBe(0);
  });

  it('never lets more through than the rate and one burst, whoever asks when', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 10_000 }),
        fc.array(fc.record({ bytes: fc.nat(50_000), pause: fc.nat(5000) }), { maxLength: 30 }),
        (rate, asks) => {
          let now = 0;
          const limit = new RateLimit(() => now);
          limit.set({ in: null, out: rate });
          let passed = 0;
          for (const { bytes, pause } of asks) {
            now += pause;
            now += limit.delay('out', bytes); // one after the other
            limit.spend('out', bytes);
            passed += bytes;
            expect(passed).toBeLessThanOrEqual(rate + (now / 1000) * rate + 1);
          }
        },
      ),
    );
  });
});

it('a limited tab still gets the whole blob, from one source, however slow', async () => {
  const nodes = await Promise.all([createTestNode(), createTestNode(), createTestNode()]);
  try {
    const { hash, bytes } = await testBlob(6 * PIECE_BYTES);
    for (const node of nodes.slice(1)) {
      const other = new BlobExchange({ node, meter: new Meter(), onAbuse: () => {} });
      await other.start();
      other.serve(hash, bytes);
      await nodes[0].dial(node.getMultiaddrs());
    }
    // From here on only the test lets time pass: the nodes take as long as they take, and the limit does not see it.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const limit = new RateLimit();
    limit.set({ in: 4 * PIECE_BYTES, out: null });
    limit.spend('in', 4 * PIECE_BYTES); // so that the first piece waits too, for a quarter of a second
    const meter = new Meter(limit);
    const me = new BlobExchange({
      node: nodes[0],
      meter,
      limit,
      onAbuse: () => {},
      patience: Object.assign(new EndlessPatience(), { hedgeDelay: 200 }),
    });
    const sources = nodes.slice(1).map((node) => node.peerId.toString());
    const got: Uint8Array[] = [];
    const fetching = me.fetch(hash, [() => sources], { size: bytes.byteLength }).then((whole) => {
      got.push(whole);
    });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    await vi.advanceTimersByTimeAsync(250);
    while (meter.peer(sources[0]).in === 0) await turn();
    while (got.length === 0) {
      await vi.advanceTimersByTimeAsync(250);
      await turn();
    }
    await fetching;
    expect(got).toEqual([new Uint8Array(bytes)]);
    // No second source was asked while the first waited for our own limit.
    expect(meter.peer(sources[1])).toMatchObject({ in: 0, out: 0 });
  } finally {
    vi.useRealTimers();
    for (const node of nodes) await node.stop();
  }
});
