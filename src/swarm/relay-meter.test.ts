/** The relay is for signalling: a tab that sends more through it is reported. */
import { describe, expect, it } from 'vitest';
import { RELAY_BURST, RELAY_RATE } from './limits.ts';
import { RelayMeter } from './relay-meter.ts';

describe('RelayMeter', () => {
  it('counts everything, and reports a tab that relays more than signalling', () => {
    let now = 0;
    const abuse: string[] = [];
    const meter = new RelayMeter(
      (peer) => abuse.push(peer),
      () => now,
    );
    for (let link = 0; link < 100; link++) meter.count('busy', 10_000);
    expect(abuse).toEqual([]);
    meter.count('greedy', RELAY_BURST);
    expect(abuse).toEqual([]);
    meter.count('greedy', 1);
    expect(abuse).toEqual(['greedy']);
    now += 1000;
    meter.count('greedy', RELAY_RATE);
    expect(abuse).toEqual(['greedy']);
    expect(meter.bytes).toBe(1_000_000 + RELAY_BURST + 1 + RELAY_RATE);
  });
});
