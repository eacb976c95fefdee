/** Work of recent rounds: secret until it is revealed, fetched once, served on, asked for again when it failed, let go in time. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sha256Sync } from '../protocol/bytes.ts';
import { MemoryNetwork } from '../sim/memory-network.ts';
import { VirtualClock } from '../sim/virtual-clock.ts';
import type { FetchOptions, Swarm } from '../swarm/types.ts';
import { RoundBlobs } from './round-blobs.ts';

const bytes = Uint8Array.from({ length: 500 }, (_, i) => i & 255);
const ref = { hash: sha256Sync(bytes), size: bytes.byteLength };
const never = new AbortController().signal;

let clock: VirtualClock;
let network: MemoryNetwork;
let me: Swarm;
let ben: Swarm;
/** How the swarm was asked. */
let asked: FetchOptions[];
let blobs: RoundBlobs;

beforeEach(() => {
  clock = new VirtualClock();
  network = new MemoryNetwork(clock);
  me = network.join('me');
  ben = network.join('ben');
  asked = [];
  const fetch = me.fetch.bind(me);
  me.fetch = (hash, options) => {
    asked.push(options);
    return fetch(hash, options);
  };
  blobs = new RoundBlobs(me);
});
afterEach(() => clock.dispose());

async function play<T>(promise: Promise<T>): Promise<T> {
  let over = false;
  const end = (): void => {
    over = true;
  };
  promise.then(end, end);
  await clock.run(() => over);
  return promise;
}
/** What another peer can have from here. */
const hadByOthers = (): Promise<Uint8Array | null> =>
  play(ben.fetch(ref.hash, { size: ref.size })).catch(() => null);

test('own work is secret until it is revealed', async () => {
  blobs.keep(ref.hash, bytes, 3);
  expect(await hadByOthers()).toBeNull();
  blobs.reveal(ref.hash);
  expect(await hadByOthers()).toEqual(bytes);
  expect(await blobs.get(ref, never)).toBe(bytes);
  expect(asked).toEqual([]);
  // Nothing of that hash: nothing happens.
  blobs.reveal(sha256Sync(Uint8Array.of(1)));
});

test('announced work is fetched once, from its holder first and not from the host, and served on', async () => {
  network.join('holder').serve(ref.hash, bytes);
  blobs.announce(ref, 'holder', 3);
  blobs.announce(ref, 'holder', 3);
  expect(await play(blobs.get(ref, never))).toEqual(bytes);
  expect(asked).toEqual([{ size: 500, allowHost: false, prefer: ['holder'] }]);
  expect(await play(blobs.get(ref, never))).toEqual(bytes);
  expect(asked).toHaveLength(1);
  const holder = network.find('holder');
  await holder?.stop();
  expect(await hadByOthers()).toEqual(bytes);
});

test('what could not be fetched ahead is asked for again when it is needed, of the host too', async () => {
  blobs.announce(ref, 'nobody', 3);
  const needed = blobs.get(ref, never);
  network.join('holder').serve(ref.hash, bytes);
  expect(await play(needed)).toEqual(bytes);
  expect(asked).toMatchObject([{ allowHost: false }, { allowHost: true, prefer: ['nobody'], signal: never }]);
});

test('work that nobody announced is fetched when it is needed', async () => {
  network.join('holder').serve(ref.hash, bytes);
  expect(await play(blobs.get(ref, never))).toEqual(bytes);
  expect(asked).toEqual([{ size: 500, allowHost: true, signal: never }]);
});

test('work that is nowhere is an error, and the next try is a new one', async () => {
  await expect(play(blobs.get(ref, never))).rejects.toMatchObject({ name: 'BlobUnavailableError' });
  network.join('holder').serve(ref.hash, bytes);
  expect(await play(blobs.get(ref, never))).toEqual(bytes);
});

test('whoever no longer needs it is told so after a failed fetch', async () => {
  blobs.announce(ref, 'nobody', 3);
  const abort = new AbortController();
  const needed = blobs.get(ref, abort.signal);
  abort.abort(new DOMException('gone', 'AbortError'));
  await expect(play(needed)).rejects.toMatchObject({ name: 'AbortError' });
  expect(asked).toHaveLength(1);
});

test('three rounds are kept; older ones leave the memory and are served no more', async () => {
  blobs.keep(ref.hash, bytes, 3);
  blobs.reveal(ref.hash);
  blobs.prune(5);
  expect(await hadByOthers()).toEqual(bytes);
  blobs.prune(6);
  expect(await hadByOthers()).toBeNull();
  await expect(play(blobs.get(ref, never))).rejects.toThrow();
  // Its announcer is forgotten too.
  blobs.announce(ref, 'holder', 7);
  blobs.prune(9);
  await play(blobs.get(ref, never)).catch(() => {});
  expect(asked.at(-1)?.prefer).toEqual(['holder']);
  blobs.prune(10);
  await play(blobs.get(ref, never)).catch(() => {});
  expect(asked.at(-1)?.prefer).toBeUndefined();
});

test('forgets what it is told to, whatever its round', async () => {
  blobs.keep(ref.hash, bytes, Number.MAX_SAFE_INTEGER);
  blobs.reveal(ref.hash);
  blobs.prune(1e9);
  expect(await hadByOthers()).toEqual(bytes);
  blobs.forget(ref.hash);
  expect(await hadByOthers()).toBeNull();
});
