/** The relay is for signalling: budgets of links and bytes by tab, by address and in all. */
import { describe, expect, it } from 'vitest';
import {
  RELAY_ASKED_BURST,
  RELAY_BURST,
  RELAY_DATA_LIMIT,
  RELAY_SHARE_BURST,
  RELAY_SHARE_LINK_BURST,
  RELAY_SHARE_LINK_RATE,
  RELAY_TAB_BURST,
  RELAY_TAB_LINK_BURST,
  RELAY_TAB_RATE,
} from './limits.ts';
import { RelayMeter } from './relay-meter.ts';

/** Bytes that one WebRTC link takes (measured: 7 to 10 KB). */
const LINK = 10_000;

/** Tabs are named ADDRESS/NUMBER. */
function setUp(members: readonly string[] = []) {
  const time = { now: 0 };
  const abuse: string[] = [];
  const meter = new RelayMeter({
    shareOf: (peer) => peer.split('/')[0] ?? null,
    isMember: (peer) => members.includes(peer),
    onAbuse: (peer) => abuse.push(peer),
    now: () => time.now,
  });
  return { meter, time, abuse };
}

describe('RelayMeter', () => {
  it('lets a room of 40 tabs behind one address open its links at once', () => {
    const { meter, abuse } = setUp();
    for (let tab = 0; tab < 40; tab++) {
      for (let link = 0; link < 3; link++) {
        expect(meter.mayLink(`A/${tab}`, `A/${(tab + link + 1) % 40}`)).toBe(true);
        expect(meter.count(`A/${tab}`, LINK)).toBe(true);
      }
    }
    expect(abuse).toEqual([]);
    expect(meter.bytes).toBe(120 * LINK);
  });

  it('reports a tab that relays more than signalling, and ends its connection', () => {
    const { meter, time, abuse } = setUp();
    expect(meter.count('A/1', RELAY_TAB_BURST + RELAY_DATA_LIMIT)).toBe(true);
    expect(meter.mayLink('A/1', 'B/1')).toBe(false);
    expect(meter.count('A/1', 1)).toBe(false);
    expect(abuse).toEqual(['A/1']);
    time.now += (1000 * (RELAY_DATA_LIMIT + 1)) / RELAY_TAB_RATE + 1;
    expect(meter.mayLink('A/1', 'B/1')).toBe(true);
  });

  it('carries no more for many free keys of one address than for one, and lets other addresses be', () => {
    const { meter, abuse } = setUp();
    let carried = 0;
    for (let key = 0; key < 1000; key++)
      for (let link = 0; link < 4 && meter.mayLink(`A/${key}`, 'B/1'); link++)
        for (let bytes = 0; bytes < RELAY_DATA_LIMIT; bytes += 8192)
          if (meter.count(`A/${key}`, 8192)) carried += 8192;
    expect(carried).toBeLessThanOrEqual(RELAY_SHARE_BURST + 4 * RELAY_DATA_LIMIT);
    expect(abuse).toEqual([]);
    expect(meter.refused).toBeGreaterThan(900);
    expect(meter.mayLink('A/1', 'B/1')).toBe(false);
    expect(meter.mayLink('C/1', 'C/2')).toBe(true);
    expect(meter.count('C/1', LINK)).toBe(true);
  });

  it('opens few links a minute for one tab, one address, and to one tab', () => {
    const { meter, time } = setUp();
    const opened = (from: (i: number) => string, to: (i: number) => string): number =>
      Array.from({ length: 2000 }, (_, i) => meter.mayLink(from(i), to(i))).filter(Boolean).length;
    expect(
      opened(
        () => 'A/1',
        (i) => `B/${i}`,
      ),
    ).toBe(RELAY_TAB_LINK_BURST);
    expect(
      opened(
        (i) => `A/${i}`,
        (i) => `B/${i}`,
      ),
    ).toBe(RELAY_SHARE_LINK_BURST - RELAY_TAB_LINK_BURST);
    expect(
      opened(
        (i) => `X${i}/1`,
        () => 'V/1',
      ),
    ).toBe(RELAY_ASKED_BURST);
    time.now += 1000;
    expect(
      opened(
        (i) => `A/${i}`,
        (i) => `B/${i}`,
      ),
    ).toBe(RELAY_SHARE_LINK_RATE);
  });

  it('does not let members pay for what strangers did, at their address or anywhere', () => {
    const { meter } = setUp(['A/member']);
    while (meter.count('A/1', 8192)) if (meter.bytes > RELAY_SHARE_BURST) break;
    for (let i = 0; meter.bytes < RELAY_BURST + 1; i++) meter.count(`X${i}/1`, RELAY_TAB_BURST);
    expect(meter.mayLink('C/1', 'C/2')).toBe(false);
    expect(meter.mayLink('A/member', 'C/2')).toBe(true);
    expect(meter.count('A/member', LINK)).toBe(true);
  });

  it('remembers what an address used up when its keys are gone', () => {
    const { meter } = setUp();
    for (let key = 0; key < 300; key++) {
      if (meter.mayLink(`A/${key}`, `B/${key}`)) meter.count(`A/${key}`, RELAY_DATA_LIMIT);
      meter.forget(`A/${key}`);
    }
    expect(meter.mayLink('A/new', 'B/1')).toBe(false);
    expect(meter.bytes).toBeLessThanOrEqual(RELAY_SHARE_BURST + RELAY_DATA_LIMIT);
  });
});
