/** A rate limit on a clock that the test moves. */
import { describe, expect, it } from 'vitest';
import { TokenBucket } from './token-bucket.ts';

describe('TokenBucket', () => {
  it('gives its burst at once, then its rate, and never saves up more than the burst', () => {
    let now = 0;
    const bucket = new TokenBucket(10, 5, () => now);
    for (let i = 0; i < 5; i++) expect(bucket.take()).toBe(true);
    expect(bucket.take()).toBe(false);
    now = 100;
    expect(bucket.take()).toBe(true);
    expect(bucket.take()).toBe(false);
    now = 1_000_000;
    expect(bucket.take(6)).toBe(false);
    expect(bucket.take(5)).toBe(true);
  });

  it('lets a debt be made and says how long it takes to pay', () => {
    let now = 0;
    const bucket = new TokenBucket(100, 50, () => now);
    expect(bucket.owe(50)).toBe(0);
    expect(bucket.owe(20)).toBe(200);
    now = 100;
    expect(bucket.take()).toBe(false);
    expect(bucket.owe(0)).toBe(100);
    now = 210;
    expect(bucket.take()).toBe(true);
  });
});
