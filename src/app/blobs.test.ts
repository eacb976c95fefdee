/** Bytes by hash: a corrupt source is noted and another asked; what nobody has says who was asked. */
import { expect, test } from 'vitest';
import { sha256, toHex } from '../protocol/bytes.ts';
import { BlobError, BlobShelf, type BlobSources, fetchBlob } from './blobs.ts';
import { HostClient, HostError } from './host-client.ts';
import { MemoryNetwork } from './testing.ts';

const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255);
const ref = { hash: await sha256(bytes), size: bytes.byteLength };

class StubHost extends HostClient {
  readonly #answer: () => Uint8Array<ArrayBuffer>;
  constructor(answer: () => Uint8Array<ArrayBuffer>) {
    super('stub:');
    this.#answer = answer;
  }
  override async blob(): Promise<Uint8Array<ArrayBuffer>> {
    return this.#answer();
  }
}

function sources(
  answer: () => Uint8Array<ArrayBuffer>,
): BlobSources & { corrupt: string[]; network: MemoryNetwork } {
  const network = new MemoryNetwork();
  const corrupt: string[] = [];
  return {
    network,
    corrupt,
    host: new StubHost(answer),
    swarm: network.join('me'),
    onCorrupt: (source, hash) => corrupt.push(`${source} ${hash}`),
  };
}

test('bytes from the host that are not what was asked for are noted and fetched from another tab', async () => {
  const s = sources(() => bytes.map((b, i) => (i === 500 ? b ^ 1 : b)));
  s.network.join('ben').serve(ref.hash, bytes);
  expect(await fetchBlob(ref, s)).toEqual(bytes);
  expect(s.corrupt).toEqual([`host ${toHex(ref.hash)}`]);
});

test('what one tab fetched it serves on, up to a limit', async () => {
  const s = sources(() => bytes.slice());
  const swarm = s.network.join('anna');
  const shelf = new BlobShelf(swarm);
  await fetchBlob(ref, { ...s, swarm, shelf });
  const served = s.network.members.get('anna')?.blobs;
  expect(served?.get(toHex(ref.hash))).toEqual(bytes);
  for (let i = 0; i < 20; i++) {
    const other = Uint8Array.of(i, 1, 2);
    shelf.serve({ hash: await sha256(other), size: 3 }, other);
  }
  expect(served?.size).toBe(12);
  expect(served?.has(toHex(ref.hash))).toBe(false);
});

test('good bytes from the host need nobody else', async () => {
  const s = sources(() => bytes.slice());
  expect(await fetchBlob(ref, s)).toEqual(bytes);
  expect(s.corrupt).toEqual([]);
});

test('what nobody has is an error that names every source', async () => {
  const s = sources(() => {
    throw new HostError('The host cannot be reached.', true);
  });
  const failure = await fetchBlob(ref, s).catch((e: unknown) => e);
  expect(failure).toBeInstanceOf(BlobError);
  expect(String(failure)).toMatch(/host cannot be reached.*nobody serves it/);
});

test('an aborted fetch says so and asks nobody further', async () => {
  const abort = new AbortController();
  const s = sources(() => {
    abort.abort(new DOMException('gone', 'AbortError'));
    throw new HostError('away', true);
  });
  await expect(fetchBlob(ref, s, abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
});
