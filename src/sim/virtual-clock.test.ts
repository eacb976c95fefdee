/** Virtual time: what it waits for, in which order things happen, and what it says when it cannot go on. */
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sha256, toHex } from '../protocol/bytes.ts';
import { createIdentity, verifySignature } from '../protocol/identity.ts';
import { joinWorks, solveJoin } from '../protocol/join.ts';
import { testHash } from '../protocol/testing.ts';
import { every, pause, until, withDeadline } from '../protocol/timer.ts';
import { VIRTUAL_START, VirtualClock } from './virtual-clock.ts';

let clock: VirtualClock;
beforeEach(() => {
  clock = new VirtualClock();
});
afterEach(() => clock.dispose());

const START = VIRTUAL_START;

/** Real work of another thread or disk, which ends in its own good time. */
const realWork = <T>(value: T, ms = 5): Promise<T> =>
  new Promise((resolve) => setTimeout(() => resolve(value), ms));

describe('time', () => {
  test('jumps from timer to timer and stops at the time that was asked for', async () => {
    const seen: number[] = [];
    for (const ms of [3_600_000, 20, 7.5]) clock.at(START + ms, () => seen.push(clock.now() - START));
    await clock.run(START + 10);
    expect([seen, clock.now()]).toEqual([[7.5], START + 10]);
    await clock.run(START + 3_600_000);
    expect(seen).toEqual([7.5, 20, 3_600_000]);
    await clock.run(START);
    expect(clock.now()).toBe(START + 3_600_000);
  });

  test('at one moment timers fire in the order they were set, each after what followed from the last', async () => {
    const seen: string[] = [];
    for (const name of ['a', 'b']) {
      const work = async (): Promise<void> => {
        seen.push(name);
        await sha256(new Uint8Array(1_000_000));
        seen.push(`${name} hashed`);
        clock.at(clock.now(), () => seen.push(`${name} later`));
      };
      clock.at(START + 10, () => void work());
    }
    clock.at(START + 5, () => clock.at(START, () => seen.push(`past at ${clock.now() - START}`)));
    await clock.run(START + 10);
    expect(seen).toEqual(['past at 5', 'a', 'a hashed', 'b', 'b hashed', 'a later', 'b later']);
  });

  test('a predicate is asked whenever all is quiet, and a true one moves nothing', async () => {
    let beats = 0;
    const stop = every(clock, 1000, () => beats++);
    await clock.run(() => beats === 3);
    expect(clock.now()).toBe(START + 3000);
    await clock.run(() => true);
    stop();
    expect([clock.now(), clock.pending()]).toEqual([START + 3000, []]);
  });

  test('waits, deadlines and cancels of the port work on it', async () => {
    const seen: string[] = [];
    const controller = new AbortController();
    void pause(clock, 50).then(() => controller.abort());
    void until(clock, START + 100, controller.signal).then(() =>
      seen.push(`ended at ${clock.now() - START}`),
    );
    const late = withDeadline(clock, START + 20, undefined, (signal) => until(clock, START + 90, signal));
    void late.then(() => seen.push(`late at ${clock.now() - START}`));
    clock.at(START + 10, () => seen.push('cancelled'))();
    clock.at(Number.POSITIVE_INFINITY, () => seen.push('for ever'));
    await clock.run(START + 200);
    expect(seen).toEqual(['late at 20', 'ended at 50']);
    expect(() => clock.at(Number.NaN, () => {})).toThrow(RangeError);
  });
});

describe('what is under way', () => {
  test('time waits for chains of WebCrypto calls of every kind', async () => {
    const identity = await createIdentity(new Uint8Array(32).fill(1));
    const seen: unknown[] = [];
    const work = async (): Promise<void> => {
      const bytes = await sha256(new Uint8Array(3_000_000));
      const signature = await identity.sign(bytes);
      seen.push(await verifySignature(identity.publicKey, bytes, signature), clock.now() - START);
    };
    clock.at(START + 1, () => void work());
    clock.at(START + 2, () => seen.push('next'));
    await clock.run(START + 3);
    expect(seen).toEqual([true, 1, 'next']);
  });

  test('results of WebCrypto come in the order of the calls, and so do errors', async () => {
    const seen: string[] = [];
    const hash = async (name: string, size: number): Promise<void> => {
      await sha256(new Uint8Array(size));
      seen.push(name);
      await sha256(new Uint8Array(1));
      seen.push(`${name} again`);
    };
    void hash('large', 4_000_000);
    crypto.subtle.importKey('raw', new Uint8Array(3), 'Ed25519', false, ['verify']).catch(() => {
      seen.push('refused');
    });
    void hash('small', 1);
    await clock.run(START);
    expect(seen).toEqual(['large', 'refused', 'small', 'large again', 'small again']);
  });

  test('tracked work holds time; its results come in the order of tracking', async () => {
    const seen: string[] = [];
    const step = async (name: string, ms: number): Promise<void> => {
      seen.push(`${name} ${await clock.track(realWork('done', ms), name)} at ${clock.now() - START}`);
    };
    clock.at(START + 10, () => {
      void step('slow', 30);
      void step('fast', 0);
    });
    clock.at(START + 11, () => seen.push('next'));
    await clock.run(START + 20);
    expect(seen).toEqual(['slow done at 10', 'fast done at 10', 'next']);
  });

  test('tracked work may use WebCrypto, and fails as it fails', async () => {
    const hashing = async (): Promise<string> => toHex(await sha256(await realWork(new Uint8Array(9))));
    const tracked = clock.track(hashing(), 'hashing');
    const failing = clock.track(Promise.reject(new Error('no adapter')), 'gpu');
    const seen = expect(failing).rejects.toThrow('no adapter');
    await clock.run(START);
    expect(await tracked).toHaveLength(64);
    await seen;
  });

  test('the work of joining never gives way on a clock that stands still', async () => {
    const challenge = { run: testHash('run'), certificate: testHash('head'), contributor: testHash('key') };
    let nonce: number | null = null;
    void solveJoin(challenge, 12, undefined, () => clock.now()).then((found) => {
      nonce = found;
    });
    await Promise.resolve();
    expect(nonce).not.toBeNull();
    expect(joinWorks(challenge, nonce ?? 0, 12)).toBe(true);
  });

  test('WebCrypto has its own methods back when the last clock is gone', () => {
    const another = new VirtualClock();
    clock.dispose();
    expect(Object.hasOwn(crypto.subtle, 'digest')).toBe(true);
    another.dispose();
    another.dispose();
    expect(Object.getOwnPropertyNames(crypto.subtle)).toEqual([]);
  });
});

describe('the order of events does not depend on the machine', () => {
  /** Eight members that all hash, sign, check and do tracked work at every stroke of a bell, each of another size. */
  async function play(): Promise<string[]> {
    using time = new VirtualClock();
    const log: string[] = [];
    const work = async (index: number, stroke: number): Promise<void> => {
      const identity = await createIdentity(new Uint8Array(32).fill(index + 1));
      const size = 1 + ((index * 7919 + stroke * 104_729) % 9) * 60_000;
      const signature = await identity.sign(await sha256(new Uint8Array(size)));
      log.push(`${index} signed ${toHex(signature).slice(0, 4)} after ${log.length}`);
      if (index % 3 === 0) await time.track(realWork(null, (index * stroke) % 5), `work of ${index}`);
      const good = await verifySignature(identity.publicKey, signature, signature);
      log.push(`${index} checked ${good} at ${time.now() - START}`);
    };
    let strokes = 0;
    const stop = every(time, 10, () => {
      strokes++;
      for (let i = 0; i < 8; i++) void work(i, strokes);
    });
    await time.run(() => strokes === 6);
    stop();
    return log;
  }

  test('with and without other work on all cores', async () => {
    const quiet = await play();
    const burners = Array.from({ length: 3 }, () => new Worker('for (;;);', { eval: true }));
    try {
      for (let i = 0; i < 3; i++) expect(await play()).toEqual(quiet);
    } finally {
      await Promise.all(burners.map((burner) => burner.terminate()));
    }
    expect(quiet).toHaveLength(8 * 6 * 2);
  });
});

describe('guards', () => {
  test('nothing left to wait for', async () => {
    await clock.run(START + 5);
    await expect(clock.run(() => false)).rejects.toThrow(
      'time stands still at +0.005 s: there is nothing left to wait for; timers set: 0',
    );
  });

  test('the limit: the error lists the timers and who set them', async () => {
    using short = new VirtualClock({ limit: START + 2500 });
    every(short, 1000, () => {});
    void pause(short, 60_000);
    const error = await short.run(() => false).catch(String);
    expect(error).toMatch(/at \+2 s: the limit of \+2.5 s is reached; timers set: 2\n/);
    expect(error).toMatch(/\+3 s at .*virtual-clock\.test\.ts.*\n.*\+60 s at .*virtual-clock\.test\.ts/);
    await expect(short.run(START + 2501)).rejects.toThrow('the limit');
    await short.run(START + 2500);
  });

  test('tracked work that never ends is named', async () => {
    using hasty = new VirtualClock({ patienceMs: 20 });
    void hasty.track(Promise.resolve(1), 'fast');
    void hasty.track(new Promise(() => {}), 'a replay of round 7');
    await expect(hasty.run(START + 1)).rejects.toThrow(
      /"a replay of round 7" has not come to an end in 0\.02 s of real time.*\n {2}under way: a replay of round 7/,
    );
  });

  test('work that waits for work tracked after it is named', async () => {
    using hasty = new VirtualClock({ patienceMs: 20 });
    const inner = async (): Promise<void> => hasty.track(realWork(undefined, 0), 'inner');
    void hasty.track(realWork(null, 0).then(inner), 'outer');
    await expect(hasty.run(START + 1)).rejects.toThrow('"outer" has not come to an end');
  });

  test('a loop that waits for a time that is past', async () => {
    using short = new VirtualClock({ mostAtOnce: 100 });
    const again = (): void => void short.at(START, again);
    again();
    await expect(short.run(START + 1)).rejects.toThrow(
      /101 timers fired, the last at .*again.*virtual-clock\.test\.ts/,
    );
  });

  test('what a callback throws ends the run, which can go on; it runs once at a time', async () => {
    clock.at(START + 1, () => {
      throw new Error('a bug');
    });
    const first = clock.run(START + 2);
    await expect(clock.run(START + 2)).rejects.toThrow('running already');
    await expect(first).rejects.toThrow('a bug');
    await clock.run(START + 2);
    expect(clock.now()).toBe(START + 2);
  });
});
