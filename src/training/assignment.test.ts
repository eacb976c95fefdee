/** Data assignment: a fixed vector for other implementations, bounds, and that what is drawn is even and unsteerable. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import {
  AssignmentError,
  assignedBatches,
  assignedSequences,
  assignedShards,
  assignmentSeed,
  gatherBatch,
  spacedSequences,
} from './assignment.ts';

const filled = (n: number) => new Uint8Array(32).fill(n);
const seed = assignmentSeed(filled(1), 7, filled(2), filled(3));
const data = { shardTokens: [500, 300, 200, 1000, 129], sequence: 128 };

describe('assignment', () => {
  // Worked out by a separate implementation in Python from the header comment of assignment.ts.
  it('equals the documented vector', () => {
    expect(toHex(seed)).toBe('9d8ff3d34ea2dba5f9705cd12f7bee6ffdd424388088180945cb2e1e29017f3d');
    expect(assignedShards(seed, 66)).toEqual([22, 25]);
    expect(assignedSequences(seed, 4, { shardTokens: Array(66).fill(48_000), sequence: 128 })).toEqual([
      { shard: 22, offset: 10343 },
      { shard: 22, offset: 4617 },
      { shard: 22, offset: 9699 },
      { shard: 25, offset: 33075 },
    ]);
  });

  it('changes with each of run, round, beacon and contributor', () => {
    const seeds = [
      seed,
      assignmentSeed(filled(9), 7, filled(2), filled(3)),
      assignmentSeed(filled(1), 8, filled(2), filled(3)),
      assignmentSeed(filled(1), 7, filled(9), filled(3)),
      assignmentSeed(filled(1), 7, filled(2), filled(9)),
    ].map(toHex);
    expect(new Set(seeds).size).toBe(5);
    expect(() => assignmentSeed(filled(1).subarray(1), 7, filled(2), filled(3))).toThrow(AssignmentError);
  });

  it('stays inside the one or two shards that the seed selects, for any seed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.array(fc.integer({ min: 65, max: 300 }), { minLength: 1, maxLength: 6 }),
        (anySeed, shardTokens) => {
          const shards = assignedShards(anySeed, shardTokens.length);
          expect(new Set(shards).size).toBe(Math.min(2, shardTokens.length));
          for (const { shard, offset } of assignedSequences(anySeed, 20, { shardTokens, sequence: 64 })) {
            expect(shards).toContain(shard);
            expect(offset).toBeGreaterThanOrEqual(0);
            // The last window's last target is the shard's last token.
            expect(offset + 64 + 1).toBeLessThanOrEqual(shardTokens[shard]);
          }
        },
      ),
    );
  });

  it('gives every shard its share over many contributors', () => {
    const counts = new Array<number>(5).fill(0);
    for (let i = 0; i < 5000; i++) {
      const contributor = sha256Sync(Uint8Array.of(i & 255, i >> 8));
      for (const shard of assignedShards(assignmentSeed(filled(1), 0, filled(2), contributor), 5))
        counts[shard] = counts[shard] + 1;
    }
    // 10,000 draws over 5 shards: 2,000 each, standard deviation about 35.
    for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(175);
  });

  it('says what is wrong with shards that cannot be used', () => {
    expect(() => assignedShards(seed, 0)).toThrow(AssignmentError);
    expect(() => assignedSequences(seed, 1, { shardTokens: [128, 128], sequence: 128 })).toThrow(
      /128 tokens, too few for sequences of 128/,
    );
  });
});

describe('batches', () => {
  // Token i of shard s is 1000 s + i, so that a batch shows where it came from.
  const shards = new Map(
    data.shardTokens.map((tokens, s) => [s, Uint16Array.from({ length: tokens }, (_, i) => 1000 * s + i)]),
  );

  it("are the seed's windows in order, each target the token after", () => {
    const refs = assignedSequences(seed, 6, data);
    const batches = assignedBatches(seed, data, 2, shards);
    for (let b = 0; b < 3; b++) {
      const { tokens, targets } = batches.next().value;
      expect(tokens.length).toBe(2 * data.sequence);
      for (let row = 0; row < 2; row++) {
        const { shard, offset } = refs[2 * b + row] as { shard: number; offset: number };
        expect(tokens[row * data.sequence]).toBe(1000 * shard + offset);
        expect(tokens[row * data.sequence + 127]).toBe(1000 * shard + offset + 127);
      }
      expect(targets).toEqual(tokens.map((t) => t + 1));
    }
  });

  it('need the shard, and a window inside it', () => {
    expect(() => gatherBatch([{ shard: 9, offset: 0 }], shards, 128)).toThrow('shard 9 is not loaded');
    expect(() => gatherBatch([{ shard: 4, offset: 1 }], shards, 128)).toThrow(AssignmentError);
    expect(() => gatherBatch([{ shard: 4, offset: -1 }], shards, 128)).toThrow(AssignmentError);
    expect(gatherBatch([{ shard: 4, offset: 0 }], shards, 128).targets.at(-1)).toBe(4128);
  });

  it('of held-out text spread over the whole shard', () => {
    expect(spacedSequences(1001, 3, 100).map((r) => r.offset)).toEqual([0, 450, 900]);
    expect(spacedSequences(101, 2, 100).map((r) => r.offset)).toEqual([0, 0]);
    expect(spacedSequences(1001, 1, 100)).toEqual([{ shard: 0, offset: 0 }]);
    expect(() => spacedSequences(100, 1, 100)).toThrow(AssignmentError);
  });
});
