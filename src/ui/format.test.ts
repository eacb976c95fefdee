/** Numbers, sizes and times as people read them, and a dash for what is unknown. */
import { describe, expect, it } from 'vitest';
import * as format from './format.ts';

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [12_345, '12.3 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [2_100_000_000, '2.10 GB'],
  ])('%d is %s', (n, text) => expect(format.bytes(n)).toBe(text));

  it('shows a dash for what is not an amount', () => {
    for (const n of [Number.NaN, Number.POSITIVE_INFINITY, -1, null, undefined]) {
      expect(format.bytes(n)).toBe(format.UNKNOWN);
      expect(format.rate(n)).toBe(format.UNKNOWN);
      expect(format.count(n)).toBe(format.UNKNOWN);
      expect(format.credits(n)).toBe(format.UNKNOWN);
    }
  });

  it('scales a round to an hour', () => {
    expect(format.perHour(60_000, 30_000)).toBe('7.2 MB');
    expect(format.perHour(60_000, 0)).toBe(format.UNKNOWN);
  });
});

it.each([
  [0, '0 B'],
  [97_600, '98 kB'],
  [7_400_000, '7.4 MB'],
  [100_000_000, '100 MB'],
  [2_480_000_000, '2.5 GB'],
  [1_000, '1 kB'],
  [5, '5 B'],
])('an estimate of %d is %s', (n, text) => expect(format.about(n)).toBe(text));

describe('credits', () => {
  it.each([
    [0, '0'],
    [1, '0.000001'],
    [4_000, '0.004'],
    [5_000, '0.01'],
    [1_234_567, '1.23'],
    [12_345_678_901, '12,345.68'],
  ])('%d micro-credits are %s', (micro, text) => expect(format.credits(micro)).toBe(text));
});

describe('time', () => {
  it.each([
    [0, '0 s'],
    [59_400, '59 s'],
    [60_000, '1 min'],
    [200_000, '3 min 20 s'],
    [7_500_000, '2 h 05 min'],
    [3_600_000, '1 h'],
    [360_000_000, '4 d 4 h'],
  ])('%d ms last %s', (ms, text) => expect(format.duration(ms)).toBe(text));

  it('counts down to zero and stops', () => {
    expect(format.countdown(8_001)).toBe('0:09');
    expect(format.countdown(725_000)).toBe('12:05');
    expect(format.countdown(0)).toBe('0:00');
    expect(format.countdown(-5_000)).toBe('0:00');
    expect(format.countdown(Number.NaN)).toBe(format.UNKNOWN);
  });

  it('has no time of day for a zero instant', () => expect(format.clock(0)).toBe(format.UNKNOWN));
});

describe('counts', () => {
  it('is exact while short, compact when long', () => {
    expect(format.compact(9_999)).toBe('9,999');
    expect(format.compact(12_345)).toBe('12.3K');
    expect(format.compact(1_048_576)).toBe('1M');
    expect(format.speed(3.14)).toBe('3.1');
    expect(format.speed(1234.4)).toBe('1,234');
  });

  it('signs a change with a real minus and no negative zero', () => {
    expect(format.signed(-1.2044)).toBe('−1.204');
    expect(format.signed(0.5)).toBe('+0.500');
    expect(format.signed(-0.0001)).toBe('0.000');
  });
});

describe('ids', () => {
  it('keeps the head of a hash and the tail of a peer id', () => {
    expect(format.shortId('0123456789abcdef')).toBe('01234567…');
    expect(format.shortId('01234567')).toBe('01234567');
    expect(format.shortPeer('12D3KooWExampleExample')).toBe('…eExample');
    expect(format.shortPeer(null)).toBe(format.UNKNOWN);
  });
});
