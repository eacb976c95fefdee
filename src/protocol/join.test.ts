/** The work of joining: what counts, what it costs the thread, how it adapts. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sha256Sync } from './bytes.ts';
import { joinHash, joinWorks, leadingZeroBits, nextJoinBits, solveJoin } from './join.ts';
import { JOIN_WINDOW, MAX_JOIN_BITS, MAX_JOIN_RISE } from './limits.ts';
import { testHash } from './testing.ts';

const challenge = {
  run: testHash('run'),
  certificate: testHash('certificate'),
  contributor: testHash('contributor'),
};

test('leading zero bits are those of the digest as one number', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      expect(leadingZeroBits(bytes)).toBe(Math.clz32(new DataView(bytes.buffer).getUint32(0)));
    }),
  );
});

test('a solution has the bits; another run, certificate, key or nonce is another hash', async () => {
  const bits = 10;
  const nonce = await solveJoin(challenge, bits);
  expect(joinWorks(challenge, nonce, bits)).toBe(true);
  const others = Object.keys(challenge).map((field) =>
    joinHash({ ...challenge, [field]: testHash('another') }, nonce),
  );
  for (const hash of [...others, joinHash(challenge, nonce + 1), joinHash(challenge, nonce + 2 ** 32)])
    expect(hash).not.toEqual(joinHash(challenge, nonce));
});

test('the stated bytes are what is hashed', () => {
  const text = new TextEncoder().encode('tabswarm/join\0');
  const { run, certificate, contributor } = challenge;
  const fixed = sha256Sync(Uint8Array.from([...text, ...run, ...certificate, ...contributor]));
  const expected = sha256Sync(Uint8Array.from([...fixed, 0, 0, 0, 1, 0, 0, 0, 2]));
  expect(joinHash(challenge, 2 ** 32 + 2)).toEqual(expected);
});

describe('solving', () => {
  test('gives way to other work whenever its slice of the thread is over', async () => {
    // A clock that advances 1 ms a look: with 256 hashes to a look the thread is let go every 8 looks.
    let looks = 0;
    let others = 0;
    const channel = new MessageChannel();
    channel.port1.addEventListener('message', () => {
      others++;
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
      channel.port2.postMessage(null);
    });
    channel.port1.start();
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
    channel.port2.postMessage(null);
    await solveJoin(challenge, 14, undefined, () => looks++);
    channel.port1.close();
    expect(looks).toBeGreaterThan(16);
    expect(others).toBeGreaterThanOrEqual(Math.floor(looks / 10) - 1);
  });

  test('ends when it is called off', async () => {
    const abort = new AbortController();
    let looks = 0;
    const solving = solveJoin(challenge, 60, abort.signal, () => {
      if (looks === 20) abort.abort(new Error('enough'));
      return looks++;
    });
    await expect(solving).rejects.toThrow('enough');
  });
});

test('difficulty: a bit up or down, by eight certificates at a time, near the floor, up under load and down without', () => {
  const rules = fc.record({
    joinBits: fc.nat(MAX_JOIN_BITS),
    joinTarget: fc.integer({ min: 1, max: 256 }),
    idleRounds: fc.constant(10),
  });
  const counts = fc.array(fc.nat(256), { minLength: 1, maxLength: JOIN_WINDOW });
  fc.assert(
    fc.property(rules, fc.nat(MAX_JOIN_RISE), counts, fc.nat(100), (admission, above, joined, height) => {
      const most = Math.min(MAX_JOIN_BITS, admission.joinBits + MAX_JOIN_RISE);
      const bits = Math.min(most, admission.joinBits + above);
      const before = joined.map((n, i) => ({ certificate: testHash(i), bits, joined: n }));
      const next = nextJoinBits(height, joined[0], before, admission);
      if (height % JOIN_WINDOW !== 0) expect(next).toBe(bits);
      expect(Math.abs(next - bits)).toBeLessThanOrEqual(1);
      expect(next).toBeGreaterThanOrEqual(admission.joinBits);
      expect(next).toBeLessThanOrEqual(most);
      const all = [joined[0], ...joined.slice(0, JOIN_WINDOW - 1)].reduce((a, b) => a + b, 0);
      if (all > JOIN_WINDOW * admission.joinTarget) expect(next).toBeGreaterThanOrEqual(bits);
      else expect(next).toBeLessThanOrEqual(bits);
    }),
  );
});
