/** Who is drawn for an audit: the never audited first, few of the proven again, by lots that the round's seed gives. */
import { describe, expect, test } from 'vitest';
import { sha256Sync } from '../protocol/bytes.ts';
import { drawAudits, placeOf } from './audit.ts';

const key = (i: number): Uint8Array => sha256Sync(Uint8Array.of(i));
const keys = Array.from({ length: 20 }, (_, i) => key(i));
const seed = (round: number): Uint8Array => sha256Sync(Uint8Array.of(99, round));
const index = (drawn: readonly Uint8Array[]): number[] => drawn.map((one) => keys.indexOf(one));

const passed = () => ({ audits: 1, submissions: 1 });

describe('drawAudits', () => {
  test('takes who was never audited, then who failed, before who passed', () => {
    const account = (i: number) => {
      if (i < 2) return undefined;
      return { auditsPassed: 3, auditsFailed: i < 4 ? 1 : 0, accepted: i, refused: 0 };
    };
    const line = (one: Uint8Array) => placeOf(account(keys.indexOf(one)));
    const drawn = index(drawAudits(keys, seed(1), line, 6));
    expect(new Set(drawn.slice(0, 2))).toEqual(new Set([0, 1]));
    expect(new Set(drawn.slice(2, 4))).toEqual(new Set([2, 3]));
    expect(drawn).toHaveLength(6);
  });

  test.each([
    [1, 1],
    [3, 1],
    [8, 2],
    [20, 4],
  ])('of %i who all passed, %i are asked again', (contributors, asked) => {
    expect(drawAudits(keys.slice(0, contributors), seed(1), passed, 4)).toHaveLength(asked);
  });

  test('newcomers are drawn up to the count, however many passed', () => {
    const line = (one: Uint8Array) => ({ audits: keys.indexOf(one) < 5 ? -1 : 2, submissions: 1 });
    const drawn = index(drawAudits(keys, seed(2), line, 4));
    expect(drawn.every((i) => i < 5)).toBe(true);
    expect(drawn).toHaveLength(4);
  });

  test('half of the draws are by rounds waited: new identities by the dozen keep nobody waiting for ever', () => {
    // Two have waited for three rounds; eighteen are new, each round others.
    const line = (one: Uint8Array) => ({ audits: -1, submissions: keys.indexOf(one) < 2 ? 3 : 1 });
    for (let round = 0; round < 40; round++) {
      const drawn = index(drawAudits(keys, seed(round), line, 4));
      expect(new Set(drawn).size).toBe(4);
      expect(new Set(drawn.slice(0, 2))).toEqual(new Set([0, 1]));
      // A single audit is by lot alone: nobody may know that its turn is far.
      expect(drawAudits(keys, seed(round), line, 1)).toEqual(drawAudits(keys, seed(round), passed, 1));
    }
  });

  test('everybody of equal standing is drawn in time, whatever the order they are named in', () => {
    const seen = new Set<number>();
    for (let round = 0; round < 40; round++) {
      const drawn = index(drawAudits(keys, seed(round), passed, 4));
      expect(index(drawAudits(keys.toReversed(), seed(round), passed, 4))).toEqual(drawn);
      for (const i of drawn) seen.add(i);
    }
    expect(seen.size).toBe(keys.length);
  });
});
