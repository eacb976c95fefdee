/** A validator's memory in Chromium's IndexedDB: outlives the page, keeps the newest certificates, tells what it cannot read. */
import { openDB } from 'idb';
import { expect, test } from 'vitest';
import type { SignedRecord } from '../../peer/seat-memory.ts';
import { openSeatMemory } from './seat-memory.ts';

const record = (height: number, size: number, stored = true): SignedRecord => ({
  height,
  hash: new Uint8Array(32).fill(height),
  message: new Uint8Array(100).fill(height),
  opinions: [new Uint8Array(50).fill(height)],
  submissions: [new Uint8Array(size)],
  stored,
});

test('what was signed is there again for the same run and key, and for no other', async () => {
  const first = await openSeatMemory('run', 'key');
  expect(await first.records()).toEqual([]);
  await first.saveRecord(record(1, 10, false));
  await first.saveRecord(record(1, 10));
  await first.saveRecord(record(2, 10, false));
  await first.saveNote('standings', new Uint8Array([1, 2]));
  first.close();
  const again = await openSeatMemory('run', 'key');
  expect(await again.records()).toEqual([record(1, 10), record(2, 10, false)]);
  expect(await again.note('standings')).toEqual(new Uint8Array([1, 2]));
  expect(await again.note('carries')).toBeNull();
  await again.forget(2);
  expect(await again.records()).toEqual([record(1, 10)]);
  const other = await openSeatMemory('run', 'another key');
  expect(await other.records()).toEqual([]);
  for (const memory of [again, other]) memory.close();
});

test('old certificates go, by number and by bytes; the newest stays whatever its size', async () => {
  const memory = await openSeatMemory('long run', 'key');
  for (let height = 1; height <= 20; height++) await memory.saveRecord(record(height, 10));
  expect((await memory.records()).map(({ height }) => height)).toEqual(
    Array.from({ length: 16 }, (_, i) => i + 5),
  );
  await memory.saveRecord(record(21, 60 << 20));
  expect((await memory.records()).map(({ height }) => height)).toEqual([20, 21]);
  await memory.saveRecord(record(22, 100 << 20));
  expect((await memory.records()).map(({ height }) => height)).toEqual([22]);
  memory.close();
});

test('a record that cannot be read is an error, not a missing one', async () => {
  const memory = await openSeatMemory('damaged', 'key');
  const db = await openDB('tabswarm-validator-3', 1);
  await db.put('records', { height: 'three' }, ['damaged/key', 3]);
  db.close();
  await expect(memory.records()).rejects.toMatchObject({ name: 'SeatMemoryError' });
  memory.close();
});
