/** Bytes by hash: a corrupt source is noted and another asked; what nobody has says who was asked. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sha256, toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { MemoryNetwork } from '../sim/memory-network.ts';
import { memoryCache } from '../sim/platform.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import type { Swarm } from '../swarm/types.ts';
import { type BlobCache, BlobError, BlobShelf, type BlobSources, fetchBlob, fetchKept } from './blobs.ts';
import { type Host, HostError } from './host.ts';

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255);
const damaged = bytes.map((byte, i) => (i === 500 ? byte ^ 1 : byte));
const ref = { hash: await sha256(bytes), size: bytes.byteLength };
const name = toHex(ref.hash);

let clock: VirtualClock;
let network: MemoryNetwork;
let me: Swarm;
let cache: BlobCache;
let corrupt: string[];
/** What the host was asked for. */
let asked: string[];

beforeEach(() => {
  clock = new VirtualClock();
  network = new MemoryNetwork(clock);
  me = network.join('me');
  cache = memoryCache();
  corrupt = [];
  asked = [];
});
afterEach(() => clock.dispose());

const away = (): never => {
  throw new HostError('unreachable', true, { url: 'http://host' });
};

function sources(answer: () => Uint8Array<ArrayBuffer>, change: Partial<BlobSources> = {}): BlobSources {
  const blob = async ({ hash }: BlobRef): Promise<Uint8Array<ArrayBuffer>> => {
    asked.push(toHex(hash));
    return answer();
  };
  // Nothing else of a host is used here.
  const host = { blob } as Partial<Host> as Host;
  return {
    host,
    cache,
    swarm: me,
    onCorrupt: (source, hash) => void corrupt.push(`${source} ${hash}`),
    ...change,
  };
}

async function play<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  promise.then(end, end);
  await clock.run(() => over);
  return promise;
}

describe('a blob', () => {
  test('is had from the host, and nobody else is asked', async () => {
    expect(
      await fetchBlob(
        ref,
        sources(() => bytes.slice()),
      ),
    ).toEqual(bytes);
    expect(asked).toEqual([name]);
    expect(corrupt).toEqual([]);
  });

  test.each([
    ['other bytes', damaged],
    ['fewer bytes', bytes.slice(1)],
    ['no bytes', new Uint8Array()],
  ])('of which the host sends %s: noted, and had from another peer', async (_, wrong) => {
    network.join('ben').serve(ref.hash, bytes);
    expect(
      await play(
        fetchBlob(
          ref,
          sources(() => wrong.slice()),
        ),
      ),
    ).toEqual(bytes);
    expect(corrupt).toEqual([`host ${name}`]);
  });

  test('is had from another peer while the host is away, which is no fault of the bytes', async () => {
    network.join('ben').serve(ref.hash, bytes);
    expect(await play(fetchBlob(ref, sources(away)))).toEqual(bytes);
    expect(corrupt).toEqual([]);
  });

  test('that nobody has is an error that names every source', async () => {
    const failure: unknown = await play(fetchBlob(ref, sources(away)).catch((e: unknown) => e));
    expect(failure).toBeInstanceOf(BlobError);
    const { facts } = failure as BlobError;
    expect(facts.hash).toBe(name);
    expect(facts.reasons).toMatch(/unreachable: http:\/\/host; .+/);
    const alone = await fetchBlob(
      ref,
      sources(() => damaged.slice(), { swarm: null }),
    ).catch(String);
    expect(alone).toMatch(new RegExp(`BlobError.*${name.slice(0, 12)}.*other bytes$`));
  });

  test('whose fetch is broken off says so and asks nobody further', async () => {
    const abort = new AbortController();
    network.join('ben').serve(ref.hash, bytes);
    const s = sources(() => {
      abort.abort(new DOMException('gone', 'AbortError'));
      return away();
    });
    await expect(fetchBlob(ref, s, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
    // The same while it asks the swarm.
    const second = new AbortController();
    const swarm = {
      ...me,
      fetch: () => {
        second.abort(new DOMException('gone', 'AbortError'));
        return Promise.reject(new Error('broken off'));
      },
    };
    const fetching = fetchBlob(ref, sources(away, { swarm }), second.signal);
    await expect(fetching).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a blob worth keeping', () => {
  test('is kept after the first time, and the host asked no more', async () => {
    expect(
      await fetchKept(
        ref,
        sources(() => bytes.slice()),
      ),
    ).toEqual(bytes);
    expect(await fetchKept(ref, sources(away))).toEqual(bytes);
    expect(asked).toHaveLength(1);
  });

  test('that was damaged on this machine is noted, thrown away and fetched again', async () => {
    await cache.put(name, damaged);
    expect(
      await fetchKept(
        ref,
        sources(() => bytes.slice()),
      ),
    ).toEqual(bytes);
    expect(corrupt).toEqual([`cache ${name}`]);
    expect(await cache.get(name)).toEqual(bytes);
  });

  test('is thrown away even when nothing better can be had', async () => {
    await cache.put(name, damaged);
    await expect(fetchKept(ref, sources(away, { swarm: null }))).rejects.toThrow(BlobError);
    expect(await cache.get(name)).toBeNull();
  });
});

describe('the shelf', () => {
  test('serves on what was fetched or kept, once, up to a number', async () => {
    const shelf = new BlobShelf(me);
    await fetchBlob(
      ref,
      sources(() => bytes.slice(), { shelf }),
    );
    const ben = network.join('ben');
    expect(await play(ben.fetch(ref.hash, { size: ref.size }))).toEqual(bytes);
    shelf.serve(ref, bytes);
    const others = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const small = Uint8Array.of(i, 1, 2);
        return { hash: await sha256(small), size: 3, bytes: small };
      }),
    );
    for (const other of others.slice(0, 11)) shelf.serve(other, other.bytes);
    expect(await play(ben.fetch(ref.hash, { size: ref.size }))).toEqual(bytes);
    shelf.serve(others[11], others[11].bytes);
    await expect(play(ben.fetch(ref.hash, { size: ref.size }))).rejects.toThrow();
    for (const { hash, size } of others) expect(await play(ben.fetch(hash, { size }))).toHaveLength(size);
  });

  test('serves what was kept on this machine too', async () => {
    await cache.put(name, bytes);
    const shelf = new BlobShelf(me);
    await fetchKept(ref, sources(away, { shelf }));
    expect(await play(network.join('ben').fetch(ref.hash, { size: ref.size }))).toEqual(bytes);
  });

  test('does not keep in memory what is too large for that', () => {
    const served: number[] = [];
    const shelf = new BlobShelf({
      ...me,
      serve: (_hash, b) => void served.push(b.byteLength),
      forget: () => {},
    });
    shelf.serve({ hash: ref.hash, size: (64 << 20) + 1 }, bytes);
    expect(served).toEqual([]);
    shelf.serve({ hash: ref.hash, size: 64 << 20 }, bytes);
    expect(served).toEqual([1000]);
  });
});
