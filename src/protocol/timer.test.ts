/** Waiting on the system's clock, with the platform's timers faked. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { deadlineSignal, every, pause, systemClock, until, withDeadline } from './timer.ts';

const START = 1_800_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ now: START });
});
afterEach(() => {
  expect(vi.getTimerCount(), 'timers left behind').toBe(0);
  vi.useRealTimers();
});

describe('the system clock', () => {
  test('calls back at the time, once, and not before', () => {
    const clock = systemClock();
    const called: number[] = [];
    clock.at(START + 25_000, () => called.push(clock.now()));
    vi.advanceTimersByTime(24_999);
    expect(called).toEqual([]);
    vi.advanceTimersByTime(60_000);
    expect(called).toEqual([START + 25_000]);
  });

  test('never calls back before it has returned, even when the time is past', () => {
    const clock = systemClock();
    const callback = vi.fn<() => void>();
    clock.at(START - 1, callback);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(0);
    expect(callback).toHaveBeenCalledOnce();
  });

  test('waits longer than 2^31 ms', () => {
    const clock = systemClock();
    const called: number[] = [];
    const far = START + 2 ** 31 + 5;
    clock.at(far, () => called.push(clock.now()));
    vi.advanceTimersByTime(20_000);
    vi.setSystemTime(far - 10_000); // the machine slept
    vi.advanceTimersByTime(9_999);
    expect(called).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(called).toHaveLength(1);
    expect(called[0]).toBeLessThanOrEqual(far + 10_000);
  });

  test('a timer that fires early is set again', () => {
    let early = 0;
    const clock = systemClock(() => early);
    const callback = vi.fn<() => void>();
    clock.at(START + 50, callback);
    early = -1; // as if the platform's clock were a millisecond behind its timers
    vi.advanceTimersByTime(50);
    expect(callback).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(callback).toHaveBeenCalledOnce();
  });

  test('follows an offset that shrinks and one that grows', () => {
    let offset = 0;
    const clock = systemClock(() => offset);
    const called: string[] = [];
    clock.at(START + 8_000, () => called.push('first'));
    offset = -5_000;
    vi.advanceTimersByTime(12_999);
    expect(called).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(called).toEqual(['first']);
    clock.at(clock.now() + 3_600_000, () => called.push('second'));
    offset += 3_600_000;
    vi.advanceTimersByTime(10_000);
    expect(called).toEqual(['first', 'second']);
  });

  test('cancels, also between two looks; waits for ever for Infinity; refuses NaN', () => {
    const clock = systemClock();
    const callback = vi.fn<() => void>();
    const cancels = [clock.at(START + 15_000, callback), clock.at(Number.POSITIVE_INFINITY, callback)];
    vi.advanceTimersByTime(12_000);
    for (const cancel of cancels) cancel();
    vi.advanceTimersByTime(60_000);
    expect(callback).not.toHaveBeenCalled();
    expect(() => clock.at(Number.NaN, callback)).toThrow(RangeError);
  });
});

describe('until and pause', () => {
  test('resolve at the time', async () => {
    const clock = systemClock();
    const seen: string[] = [];
    void until(clock, START + 100).then(() => seen.push('until'));
    void pause(clock, 200).then(() => seen.push('pause'));
    await vi.advanceTimersByTimeAsync(99);
    expect(seen).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(seen).toEqual(['until']);
    await vi.advanceTimersByTimeAsync(100);
    expect(seen).toEqual(['until', 'pause']);
  });

  test('resolve when aborted, before or meanwhile, and leave no listener', async () => {
    const clock = systemClock();
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const waiting = until(clock, START + 100, controller.signal);
    controller.abort();
    await waiting;
    await pause(clock, 1000, controller.signal);
    expect(remove).toHaveBeenCalledOnce();
    expect(clock.now()).toBe(START);
  });
});

describe('deadlines', () => {
  test('abort with a TimeoutError at the time', () => {
    const { signal } = deadlineSignal(systemClock(), START + 100);
    vi.advanceTimersByTime(99);
    expect(signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('abort with the parent, before or meanwhile', () => {
    const parent = new AbortController();
    const meanwhile = deadlineSignal(systemClock(), START + 100, parent.signal);
    parent.abort('stopped');
    const before = deadlineSignal(systemClock(), START + 100, parent.signal);
    expect([meanwhile.signal.reason, before.signal.reason]).toEqual(['stopped', 'stopped']);
  });

  test('never abort once cancelled', () => {
    const parent = new AbortController();
    const { signal, cancel } = deadlineSignal(systemClock(), START + 100, parent.signal);
    cancel();
    parent.abort();
    vi.advanceTimersByTime(200);
    expect(signal.aborted).toBe(false);
  });

  test('withDeadline passes results and errors on and frees the timer', async () => {
    const clock = systemClock();
    await expect(withDeadline(clock, START + 100, undefined, async () => 7)).resolves.toBe(7);
    const failing = async (): Promise<never> => {
      throw new Error('no such blob');
    };
    await expect(withDeadline(clock, START + 100, undefined, failing)).rejects.toThrow('no such blob');
    const late = withDeadline(clock, START + 100, undefined, async (signal) => {
      await until(clock, START + 500, signal);
      signal.throwIfAborted();
    });
    const seen = expect(late).rejects.toMatchObject({ name: 'TimeoutError' });
    await vi.advanceTimersByTimeAsync(100);
    await seen;
  });
});

describe('every', () => {
  test('beats at multiples of the interval, leaves out those slept through, and stops', () => {
    const clock = systemClock();
    const beats: number[] = [];
    const stop = every(clock, 1000, () => beats.push(clock.now() - START));
    vi.advanceTimersByTime(2_500);
    expect(beats).toEqual([1000, 2000]);
    vi.setSystemTime(START + 7_700);
    vi.advanceTimersByTime(1_000); // the timer for 3,000 fires late; the next beat is at 8,000
    expect(beats).toEqual([1000, 2000, 8200]);
    vi.advanceTimersByTime(800);
    expect(beats).toEqual([1000, 2000, 8200, 9000]);
    stop();
    vi.advanceTimersByTime(5_000);
    expect(beats).toHaveLength(4);
  });

  test('a callback may stop it, and one that throws does not', () => {
    const clock = systemClock();
    let beats = 0;
    const stop = every(clock, 10, () => {
      if (++beats === 3) stop();
      throw new Error('a beat failed');
    });
    for (let i = 0; i < 6; i++) expect(() => vi.advanceTimersByTime(10)).toSatisfy(throwsWhile(() => i < 3));
    expect(beats).toBe(3);
    expect(() => every(clock, 0, () => {})).toThrow(RangeError);
  });
});

/** A matcher's check: the function throws exactly when `expected()`. */
const throwsWhile = (expected: () => boolean) => (run: () => void) => {
  try {
    run();
    return !expected();
  } catch {
    return expected();
  }
};
