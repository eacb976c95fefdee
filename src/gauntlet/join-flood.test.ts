/**
 * Joining while somebody floods the run with joins of its own keys. Everything is what ships (box, price, window, a newcomer's
 * rule for when to do more work) but the scale: of 2^17 hashes one is done here, for everybody alike.
 */
import { describe, expect, test } from 'vitest';
import { type ChainHead, genesisHead } from '../chain/certificate.ts';
import { testRun } from '../chain/testing.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { joinHash, leadingZeroBits, nextJoinBases, nextJoinBits } from '../protocol/join.ts';
import { MAX_JOINED } from '../protocol/limits.ts';
import type { JoinedEntry } from '../protocol/messages.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { JoinBox } from './join-box.ts';

const admission = { joinBits: 0, joinTarget: 16, idleRounds: 60 };
const run = testRun(testManifest(testHash('organizer'), [], { admission }));
/** Hashes that stand for one here: those of the presets' floor. */
const SCALE = 2 ** 17;
/** Hashes a second of a browser on one core, and of a program on one or two. */
const BROWSER = 660_000;
const NATIVE = 19_000_000;

interface Seeker {
  readonly key: Uint8Array;
  /** Most work so far: its bits, and over which certificate with which nonce. */
  best: { readonly bits: number; readonly over: Uint8Array; readonly nonce: number } | null;
  next: number;
}
const seeker = (key: Uint8Array): Seeker => ({ key, best: null, next: 0 });

/** Hashes over the newest certificate until `budget` is used up or `bits` are found; returns what is left. */
function hash(one: Seeker, { hash: over }: ChainHead, bits: number, budget: number): number {
  for (let left = budget; left > 0; left--) {
    const nonce = one.next++;
    const found = leadingZeroBits(joinHash({ run: run.id, certificate: over, contributor: one.key }, nonce));
    if (found >= bits) {
      one.best = { bits: found, over, nonce };
      return left - 1;
    }
  }
  return 0;
}

type Attack = (head: ChainHead, budget: number, round: number) => Seeker[];

/** As many keys as the price allows. */
const wide: Attack = (head, budget, round) => {
  const made: Seeker[] = [];
  for (let left = budget, i = 0; left > 0; i++) {
    const one = seeker(testHash(`wide ${round} ${i}`));
    left = hash(one, head, head.joinBits, left);
    if (one.best !== null) made.push(one);
  }
  return made;
};

/** As many keys as a certificate lists, each with its part of the work: what crowds out most. */
const deep: Attack = (head, budget, round) =>
  Array.from({ length: MAX_JOINED }, (_, i) => {
    const one = seeker(testHash(`deep ${round} ${i}`));
    let left = Math.floor(budget / MAX_JOINED);
    for (let bits = head.joinBits; left > 0; bits = (one.best?.bits ?? bits) + 1)
      left = hash(one, head, bits, left);
    return one;
  }).filter(({ best }) => best !== null);

interface Played {
  /** For each newcomer, rounds from its first hash to the certificate that lists it. */
  readonly waits: number[];
  readonly bits: number[];
  readonly sybils: number[];
}

/** A newcomer comes with every round and joins as a tab does; the attacker has `rate` hashes a second in all. */
function play({
  rounds,
  seconds,
  rate,
  newcomer = BROWSER,
  attack,
}: {
  readonly rounds: number;
  readonly seconds: number;
  readonly rate: number;
  readonly newcomer?: number;
  readonly attack: Attack;
}): Played {
  const box = new JoinBox(run.id);
  const members = new Set<string>();
  const isMember = (key: Uint8Array): boolean => members.has(toHex(key));
  const waiting = new Map<string, { readonly one: Seeker; readonly since: number }>();
  let head = genesisHead(run);
  let crowded = false;
  const played: Played = { waits: [], bits: [], sybils: [] };
  const offer = ({ key, best }: Seeker): void => {
    if (best === null) return;
    const join = { kind: 'join' as const, run: run.id, certificate: best.over, nonce: best.nonce };
    box.take(key, join, head, isMember);
  };
  for (let round = 0; round < rounds; round++) {
    const comer = seeker(testHash(`newcomer ${round}`));
    waiting.set(toHex(comer.key), { one: comer, since: round });
    attack(head, Math.floor((rate * seconds) / SCALE), round).forEach(offer);
    for (const { one } of waiting.values()) {
      const stands =
        one.best !== null &&
        head.joinBases.some((b) => bytesEqual(b.certificate, one.best?.over ?? b.certificate));
      const budget = Math.max(1, Math.floor((newcomer * seconds) / SCALE));
      if (!stands) hash(one, head, head.joinBits, budget);
      else if (crowded) hash(one, head, (one.best?.bits ?? 0) + 1, budget);
      offer(one);
    }
    const joined: JoinedEntry[] = box.joined(head, isMember);
    crowded = joined.length === MAX_JOINED;
    for (const { contributor } of joined) {
      const key = toHex(contributor);
      members.add(key);
      const one = waiting.get(key);
      if (one !== undefined) played.waits.push(round - one.since);
      waiting.delete(key);
    }
    const height = head.height + 1;
    const bits = nextJoinBits(height, joined.length, head.joinBases, admission);
    const certificate = testHash(`certificate ${height}`);
    const newest = { certificate, bits, joined: joined.length };
    const joinBases = nextJoinBases(newest, head.joinBases);
    head = { ...head, height, hash: certificate, round, joinBits: bits, joinBases };
    played.bits.push(bits);
    played.sybils.push(joined.length);
  }
  return played;
}

describe('while one or two native cores do nothing but join', () => {
  test.each([
    ['as many keys as they can', 30, wide],
    ['as much work as crowds out most', 30, deep],
    ['as many keys as they can, in short rounds', 8, wide],
  ] as const)('%s, %i s rounds: a browser is let in within a few rounds', (_, seconds, attack) => {
    const { waits, bits } = play({ rounds: 64, seconds, rate: NATIVE, attack });
    // All but those of the last rounds.
    expect(waits.length).toBeGreaterThanOrEqual(56);
    waits.sort((a, b) => a - b);
    expect(waits[Math.floor(waits.length / 2)]).toBeLessThanOrEqual(2);
    expect(waits.at(-1)).toBeLessThanOrEqual(8);
    // Six bits over the floor: 13 s of a browser.
    expect(Math.max(...bits)).toBeLessThanOrEqual(6);
  });

  test('the price still keeps most of the flood out', () => {
    const { sybils } = play({ rounds: 64, seconds: 30, rate: NATIVE, attack: wide });
    const late = sybils.slice(52);
    const mean = late.reduce((a, b) => a + b, 0) / late.length;
    expect(mean).toBeLessThan(100);
  });
});

test('an attacker with five times as much, and a phone with a sixth of a browser’s', () => {
  const { waits } = play({ rounds: 24, seconds: 30, rate: 5 * NATIVE, attack: deep });
  expect(waits.length).toBeGreaterThanOrEqual(16);
  expect(Math.max(...waits)).toBeLessThanOrEqual(8);
  const slow = play({ rounds: 48, seconds: 30, rate: NATIVE, newcomer: BROWSER / 6, attack: wide });
  expect(slow.waits.length).toBeGreaterThanOrEqual(36);
});

test('without a flood everybody is let in with the next certificate, and the price stays at the floor', () => {
  const { waits, bits } = play({ rounds: 32, seconds: 30, rate: 0, attack: () => [] });
  expect(waits).toEqual(new Array(32).fill(0));
  expect(new Set(bits)).toEqual(new Set([0]));
});
