/** Hours of use in a bounded number of samples; rates of links. */
import { describe, expect, it } from 'vitest';
import type { PeerLink } from '../swarm/types.ts';
import { LinkRates } from './link-rates.ts';
import { UsageLog } from './usage.ts';

describe('usage', () => {
  const steady = (limit: number, seconds: number) => {
    const log = new UsageLog(limit);
    for (let s = 0; s <= seconds; s++) {
      log.record(s * 1000, { bytesIn: 2000 * s, bytesOut: 500 * s, tokens: 100 * s, busyMs: 700 * s });
    }
    return log.samples;
  };

  it('turns counters into rates and shares', () => {
    const samples = steady(100, 60);
    expect(samples).toHaveLength(12);
    for (const sample of samples)
      expect(sample).toMatchObject({ down: 2000, up: 500, tokensPerSecond: 100, busy: 0.7 });
  });

  it('covers a whole night in as many samples as an hour, and still ends now', () => {
    const samples = steady(720, 8 * 3600);
    expect(samples.length).toBeLessThanOrEqual(720);
    expect(samples.length).toBeGreaterThan(300);
    expect(samples[0].at).toBeLessThan(120_000);
    expect(samples.at(-1)?.at).toBeGreaterThan(8 * 3_600_000 - 120_000);
    for (const { down, busy } of samples) {
      expect(down).toBeCloseTo(2000, 6);
      expect(busy).toBeCloseTo(0.7, 6);
    }
  });

  it('starts over when a counter falls, and takes a pause for what it is', () => {
    const log = new UsageLog(10);
    const counters = { bytesIn: 9000, bytesOut: 9000, tokens: 10, busyMs: 1000 };
    log.record(0, counters);
    expect(log.record(6000, { ...counters, bytesIn: 100, bytesOut: 0 })).toBe(false);
    expect(log.record(12_000, { ...counters, bytesIn: 700, bytesOut: 0 })).toBe(true);
    expect(log.samples).toEqual([{ at: 12_000, down: 100, up: 0, tokensPerSecond: 0, busy: 0 }]);
  });
});

describe('link rates', () => {
  const link = (peer: string, bytes: number): PeerLink => ({
    peer,
    path: 'direct',
    rttMs: null,
    bytesIn: bytes / 2,
    bytesOut: bytes / 2,
    openedAt: 0,
  });

  it('are means over the last seconds, and start over with a new link under an old name', () => {
    const rates = new LinkRates();
    for (let s = 0; s <= 10; s++) rates.update([link('a', 1000 * s), link('b', s < 5 ? 0 : 600)], 1000 * s);
    const [a, b] = rates.update([link('a', 11_000), link('b', 600)], 11_000);
    expect(a).toEqual({ to: 'a', path: 'direct', rate: 1000 });
    expect(b.rate).toBe(0);
    expect(rates.update([link('a', 5)], 12_000)).toEqual([{ to: 'a', path: 'direct', rate: 0 }]);
  });
});
