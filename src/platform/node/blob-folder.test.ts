/** The folder of kept blobs: checked when read, whole or absent, bounded, and never in the way. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { sha256, toHex } from '../../protocol/bytes.ts';
import { BlobFolder } from './blob-folder.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tabswarm-blobs-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function blob(size: number, seed: number) {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) & 255);
  const hash = await sha256(bytes);
  return { bytes, ref: { hash, size }, name: toHex(hash) };
}

it('keeps bytes over restarts under their hash', async () => {
  const { bytes, ref, name } = await blob(1000, 1);
  expect(await new BlobFolder(join(dir, 'new')).get(ref.hash)).toBeNull();
  expect(await new BlobFolder(join(dir, 'new')).put(ref.hash, bytes)).toBe(true);
  expect(await new BlobFolder(join(dir, 'new')).get(ref.hash)).toEqual(bytes);
  expect(readdirSync(join(dir, 'new'))).toEqual([name]);
});

it.each<[string, (path: string) => void]>([
  ['a changed byte', (path) => writeFileSync(path, readFileSync(path).fill(7, 500, 501))],
  ['a cut end', (path) => writeFileSync(path, readFileSync(path).subarray(0, 999))],
])('deletes and tells of %s', async (_name, damage) => {
  const corrupt: string[] = [];
  const folder = new BlobFolder(dir, { onCorrupt: (hash) => corrupt.push(hash) });
  const { bytes, ref, name } = await blob(1000, 2);
  await folder.put(ref.hash, bytes);
  damage(join(dir, name));
  expect(await folder.get(ref.hash)).toBeNull();
  expect(corrupt).toEqual([name]);
  expect(readdirSync(dir)).toEqual([]);
  expect(await folder.put(ref.hash, bytes)).toBe(true);
  expect(await folder.get(ref.hash)).toEqual(bytes);
});

it('says so, and no more, when nothing can be written', async () => {
  writeFileSync(join(dir, 'file'), '');
  const folder = new BlobFolder(join(dir, 'file', 'blobs'));
  const { bytes, ref } = await blob(1000, 3);
  expect(await folder.put(ref.hash, bytes)).toBe(false);
  expect(await folder.get(ref.hash)).toBeNull();
});

it('makes room by what was not used for longest, and leaves other files alone', async () => {
  const folder = new BlobFolder(dir, { maxBytes: 2500 });
  const [a, b, c] = [await blob(1000, 4), await blob(1000, 5), await blob(1000, 6)];
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  writeFileSync(join(dir, 'killed.new'), 'half a blob');
  utimesSync(join(dir, 'killed.new'), 1, 1);
  for (const [at, each] of [a, b].entries()) {
    await folder.put(each.ref.hash, each.bytes);
    utimesSync(join(dir, each.name), 1000 + at, 1000 + at);
  }
  await folder.get(a.ref.hash); // used now
  expect(await folder.put(c.ref.hash, c.bytes)).toBe(true);
  expect(new Set(readdirSync(dir))).toEqual(new Set([a.name, c.name, 'notes.txt']));
  const huge = await blob(3000, 7);
  expect(await folder.put(huge.ref.hash, huge.bytes)).toBe(false);
  expect(await folder.get(a.ref.hash)).toEqual(a.bytes);
});
