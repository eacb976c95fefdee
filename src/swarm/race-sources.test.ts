/** Several sources of one blob: who is asked when, who wins, and what happens to the losers. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../protocol/timer.ts';
import { raceSources } from './race-sources.ts';

/** A source whose behaviour the test decides by hand. */
function fakeSources() {
  const log: string[] = [];
  const open = new Map<string, { resolve(v: string): void; reject(e: Error): void; started(): void }>();
  const attempt = (source: string, signal: AbortSignal, started: () => void): Promise<string> =>
    new Promise((resolve, reject) => {
      log.push(`ask ${source}`);
      open.set(source, { resolve, reject, started });
      signal.addEventListener('abort', () => {
        log.push(`cancel ${source}`);
        reject(signal.reason);
      });
    });
  return { log, open, attempt };
}

const start = (sources: string[], fake: ReturnType<typeof fakeSources>, signal?: AbortSignal) =>
  raceSources({
    clock: systemClock(),
    sources,
    attempt: fake.attempt,
    hedgeDelay: 100,
    maxParallel: 2,
    onFailure: (source, error) => fake.log.push(`fail ${source}: ${(error as Error).message}`),
    signal,
  });

describe('raceSources', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('asks the next source only when one fails, and gives null when all have', async () => {
    const fake = fakeSources();
    const result = start(['a', 'b'], fake);
    expect(fake.log).toEqual(['ask a']);
    fake.open.get('a')?.reject(new Error('missing'));
    await vi.advanceTimersByTimeAsync(0);
    fake.open.get('b')?.reject(new Error('gone'));
    expect(await result).toBeNull();
    expect(fake.log).toEqual(['ask a', 'fail a: missing', 'ask b', 'fail b: gone']);
  });

  it('gives a silent source competitors, cancels the losers and reports no failure of theirs', async () => {
    const fake = fakeSources();
    const result = start(['slow', 'silent', 'third'], fake);
    await vi.advanceTimersByTimeAsync(100);
    expect(fake.log).toEqual(['ask slow', 'ask silent']);
    await vi.advanceTimersByTimeAsync(1000);
    expect(fake.log).toHaveLength(2); // maxParallel
    fake.open.get('slow')?.resolve('bytes');
    expect(await result).toBe('bytes');
    await vi.advanceTimersByTimeAsync(0);
    expect(fake.log).toEqual(['ask slow', 'ask silent', 'cancel silent']);
  });

  it('adds no competitor to a source that delivers', async () => {
    const fake = fakeSources();
    const result = start(['a', 'b'], fake);
    fake.open.get('a')?.started();
    await vi.advanceTimersByTimeAsync(1000);
    expect(fake.log).toEqual(['ask a']);
    fake.open.get('a')?.reject(new Error('died half-way'));
    await vi.advanceTimersByTimeAsync(0);
    fake.open.get('b')?.resolve('bytes');
    expect(await result).toBe('bytes');
  });

  it('gives null at once without sources', async () => {
    expect(await start([], fakeSources())).toBeNull();
  });

  it("rejects with the signal's reason and cancels what runs", async () => {
    const fake = fakeSources();
    const stop = new AbortController();
    const result = start(['a'], fake, stop.signal);
    stop.abort(new Error('round over'));
    await expect(result).rejects.toThrow('round over');
    expect(fake.log).toEqual(['ask a', 'cancel a']);
    await expect(start(['a'], fakeSources(), stop.signal)).rejects.toThrow('round over');
  });
});
