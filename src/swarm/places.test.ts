/** Places by address: a share each, room for members, and a rule who goes first. */
import { describe, expect, it } from 'vitest';
import { Places, type PlacesOptions, type Rank } from './places.ts';

const OPTIONS: PlacesOptions = {
  total: 10,
  kept: 2,
  perAddress: 4,
  graceMs: 20,
  stayMs: 60,
  yieldMs: 5,
};

function setUp(options: Partial<PlacesOptions> = {}) {
  const ranks = new Map<string, Rank>();
  const time = { now: 0 };
  const places = new Places(
    { ...OPTIONS, ...options },
    (id) => ranks.get(id) ?? 'idle',
    () => time.now,
  );
  const take = (id: string, address: string, rank: Rank = 'stranger') => {
    ranks.set(id, rank);
    return places.take(id, address);
  };
  return { places, ranks, time, take };
}

const ROOM = { taken: true, left: null };
const FULL = { taken: false, left: null };

describe('a share of one address', () => {
  it('is all that its strangers get, while others still find room', () => {
    const { places, take } = setUp();
    for (let i = 0; i < 4; i++) expect(take(`a${i}`, 'A')).toEqual(ROOM);
    expect(take('a4', 'A')).toEqual(FULL);
    expect(take('b', 'B')).toEqual(ROOM);
    expect(places.size).toBe(5);
    expect(places.largest()).toBe(4);
  });

  it('is free again as soon as somebody leaves, any number of times', () => {
    const { places, take } = setUp();
    for (let i = 0; i < 1001; i++) {
      expect(take(`a${i}`, 'A')).toEqual(ROOM);
      places.leave(`a${i}`);
    }
    expect(places.size).toBe(0);
  });

  it('drops who sits idle first, once it had time to begin', () => {
    const { time, take } = setUp();
    take('busy', 'A');
    for (let i = 0; i < 3; i++) take(`idle${i}`, 'A', 'idle');
    expect(take('new', 'A')).toEqual(FULL);
    time.now = 20;
    expect(take('new', 'A')).toEqual({ taken: true, left: 'idle0' });
    expect(take('newer', 'A')).toEqual({ taken: true, left: 'idle1' });
  });

  it('gives up an old place now and then, so that nobody sits for ever and a room does not churn', () => {
    const { time, take } = setUp();
    for (let i = 0; i < 4; i++) take(`a${i}`, 'A');
    time.now = 59;
    expect(take('x', 'A')).toEqual(FULL);
    time.now = 60;
    expect(take('x', 'A')).toEqual({ taken: true, left: 'a0' });
    expect(take('y', 'A')).toEqual(FULL);
    time.now = 64;
    expect(take('y', 'A')).toEqual(FULL);
    time.now = 65;
    expect(take('y', 'A')).toEqual({ taken: true, left: 'a1' });
  });

  it('does not count members, and never drops them', () => {
    const { time, ranks, take } = setUp();
    for (let i = 0; i < 4; i++) take(`a${i}`, 'A');
    for (let i = 0; i < 4; i++) ranks.set(`a${i}`, 'member');
    time.now = 1000;
    for (let i = 4; i < 8; i++) expect(take(`a${i}`, 'A')).toEqual(ROOM);
    expect(take('x', 'A')).toEqual(FULL);
  });
});

describe('all places', () => {
  it('leave room that strangers do not fill', () => {
    const { ranks, take } = setUp({ perAddress: 2 });
    for (let i = 0; i < 8; i++) expect(take(`s${i}`, `S${i}`)).toEqual(ROOM);
    expect(take('s8', 'S8')).toEqual(FULL);
    ranks.set('s0', 'member');
    expect(take('s8', 'S8')).toEqual(ROOM);
    expect(take('s9', 'S9')).toEqual(FULL);
  });

  it('are taken from the address with most, for one that has less', () => {
    const { take } = setUp();
    for (let i = 0; i < 4; i++) take(`a${i}`, 'A');
    for (let i = 0; i < 3; i++) take(`b${i}`, 'B');
    take('c0', 'C');
    expect(take('d', 'D')).toEqual({ taken: true, left: 'a0' });
    expect(take('e', 'E')).toEqual({ taken: true, left: 'a1' });
    expect(take('f', 'F')).toEqual({ taken: true, left: 'b0' });
    // All have two or less now: nobody is robbed for one who would then have as much.
    expect(take('c1', 'C')).toEqual(FULL);
  });

  it('held by one each of many addresses go to others in turn', () => {
    const { time, take } = setUp();
    for (let i = 0; i < 8; i++) take(`s${i}`, `S${i}`, i === 5 ? 'idle' : 'stranger');
    expect(take('x', 'X')).toEqual(FULL);
    time.now = 20;
    expect(take('x', 'X')).toEqual({ taken: true, left: 's5' });
    expect(take('y', 'Y')).toEqual(FULL);
    time.now = 60;
    expect(take('y', 'Y')).toEqual({ taken: true, left: 's0' });
    expect(take('z', 'Z')).toEqual(FULL);
  });

  it('are never more than they are, members included', () => {
    const { places, take } = setUp();
    for (let i = 0; i < 10; i++) take(`m${i}`, 'M', 'member');
    expect(take('x', 'X')).toEqual(FULL);
    expect(take('m10', 'M', 'member')).toEqual(FULL);
    expect(places.size).toBe(10);
  });
});
