/** Bytes on their way out have room by address: an asker that does not read blocks nobody else. */
import { describe, expect, it } from 'vitest';
import { ByteRoom } from './byte-room.ts';

const NEVER = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('ByteRoom', () => {
  it('holds back a full share, and lets others pass', async () => {
    const room = new ByteRoom(100, 40);
    await room.take('a', 40, NEVER);
    const went: string[] = [];
    void room.take('a', 10, NEVER).then(() => went.push('a1'));
    void room.take('a', 5, NEVER).then(() => went.push('a2'));
    await room.take('b', 40, NEVER);
    await settle();
    expect(went).toEqual([]);
    expect(room.bytes).toBe(80);
    room.give('a', 40);
    await settle();
    expect(went).toEqual(['a1', 'a2']);
    expect(room.bytes).toBe(55);
  });

  it('is bounded in all, and a piece larger than its share has room alone', async () => {
    const room = new ByteRoom(100, 40);
    await room.take('a', 60, NEVER);
    await room.take('b', 40, NEVER);
    let went = false;
    void room.take('c', 1, NEVER).then(() => (went = true));
    await settle();
    expect(went).toBe(false);
    room.give('b', 40);
    await settle();
    expect(went).toBe(true);
  });

  it('forgets who stopped waiting', async () => {
    const room = new ByteRoom(10, 10);
    await room.take('a', 10, NEVER);
    const stop = new AbortController();
    const waits = room.take('a', 10, stop.signal);
    stop.abort(new Error('enough'));
    await expect(waits).rejects.toThrow('enough');
    room.give('a', 10);
    expect(room.bytes).toBe(0);
  });
});
