/** Genesis, its random numbers, checkpoints and shards: exact values, and typed errors on hostile bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256Sync, toHex } from '../protocol/bytes.ts';
import {
  CheckpointError,
  claimsRun,
  configHash,
  decodeCheckpoint,
  encodeCheckpoint,
  GENESIS_RUN_ID,
} from './checkpoint.ts';
import { genesisTheta, thetaToFloat } from './init.ts';
import { parameterLayout } from './layout.ts';
import { preset } from './presets.ts';
import { createRandom } from './random.ts';
import { decodeShard, encodeShard, ShardError } from './shards.ts';

const { model } = preset('tiny');

describe('random', () => {
  it('is xoshiro128** 1.1: the first outputs from state 1, 2, 3, 4', () => {
    const seed = new Uint8Array(Uint32Array.of(1, 2, 3, 4).buffer);
    const random = createRandom(seed);
    // The values that the rand_xoshiro crate checks its Xoshiro128StarStar with, made from the authors' C source.
    expect(Array.from({ length: 4 }, () => random.uint32())).toEqual([11520, 0, 5927040, 70819200]);
  });

  it('draws below n evenly', () => {
    const random = createRandom(sha256Sync(new Uint8Array(1)));
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) {
      const x = random.below(7);
      counts[x] = counts[x] + 1;
    }
    // Standard deviation of a count is 93.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(450);
    expect(random.below(1)).toBe(0);
    expect(random.below(2 ** 32)).toBeLessThan(2 ** 32);
  });

  it('refuses short seeds and empty ranges, and survives a seed of zeros', () => {
    expect(() => createRandom(new Uint8Array(15))).toThrow(RangeError);
    const random = createRandom(new Uint8Array(16));
    for (const n of [0, -1, 1.5, 2 ** 33]) expect(() => random.below(n)).toThrow(RangeError);
    for (let i = 0; i < 10; i++) random.uint32();
    expect(random.uint32()).not.toBe(0);
  });
});

describe('genesis', () => {
  const theta = genesisTheta(model, 'seed', 24);
  const layout = parameterLayout(model);
  const deviation = (name: string) => {
    const t = layout.byName.get(name);
    if (t === undefined) throw new Error(name);
    const values = thetaToFloat(theta.subarray(t.offset, t.offset + t.size), 24);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.002);
    return Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  };

  it('is the same everywhere: golden hash', () => {
    expect(toHex(sha256Sync(new Uint8Array(theta.buffer)))).toBe(
      '2c7dd1d9e27028c4e781d5f1c639a25001420a9ba0979c0237155038e7e2727c',
    );
    expect(genesisTheta(model, 'seed', 24)).toEqual(theta);
    expect(genesisTheta(model, 'other', 24)).not.toEqual(theta);
  });

  it('has the stated deviations, less into the residual stream, and gains of one', () => {
    expect(deviation('model.embed_tokens.weight')).toBeCloseTo(0.02, 3);
    expect(deviation('model.layers.0.self_attn.q_proj.weight')).toBeCloseTo(0.02, 3);
    expect(deviation('model.layers.1.mlp.down_proj.weight')).toBeCloseTo(0.01, 3);
    expect(deviation('model.layers.1.self_attn.o_proj.weight')).toBeCloseTo(0.01, 3);
    expect(thetaToFloat(theta.subarray(layout.matrixElements), 24).every((g) => g === 1)).toBe(true);
  });

  it('scales with the fraction bits, up to the most that i32 takes', () => {
    const coarse = genesisTheta(model, 'seed', 12);
    const fine = genesisTheta(model, 'seed', 30);
    expect(fine.at(-1)).toBe(2 ** 30);
    for (let i = 0; i < 1000; i++)
      expect(Math.abs(coarse[i] / 2 ** 12 - fine[i] / 2 ** 30)).toBeLessThan(2 ** -12);
  });
});

describe('checkpoint', () => {
  const theta = genesisTheta(model, 'seed', 24);
  theta[0] = -(2 ** 31);
  theta[1] = 2 ** 31 - 1;
  const checkpoint = {
    runId: new Uint8Array(32).fill(7),
    height: 3,
    root: new Uint8Array(32).fill(9),
    fractionBits: 24,
    theta,
  };
  const bytes = encodeCheckpoint(checkpoint, model);

  it('gives the state back, from any alignment', () => {
    expect(decodeCheckpoint(bytes, model)).toEqual(checkpoint);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect(decodeCheckpoint(shifted.subarray(1), model)).toEqual(checkpoint);
    expect(bytes.length).toBe(128 + 4 * theta.length);
  });

  it('says whose run it claims to be of', () => {
    expect(claimsRun(checkpoint, new Uint8Array(32).fill(7))).toBe(true);
    expect(claimsRun(checkpoint, new Uint8Array(32).fill(8))).toBe(false);
    expect(claimsRun({ ...checkpoint, runId: GENESIS_RUN_ID }, new Uint8Array(32).fill(8))).toBe(false);
    expect(claimsRun({ ...checkpoint, runId: GENESIS_RUN_ID, height: 0 }, new Uint8Array(32).fill(8))).toBe(
      true,
    );
  });

  it('hashes the configuration whatever the order of its keys', () => {
    const reversed = Object.fromEntries(Object.entries(model).reverse()) as typeof model;
    expect(configHash(reversed)).toEqual(configHash(model));
    expect(configHash({ ...model, ropeTheta: 20_000 })).not.toEqual(configHash(model));
  });

  const edited = (at: number, value: number) => {
    const copy = bytes.slice();
    copy[at] = value;
    return copy;
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /not a checkpoint/],
    ['another magic', edited(0, 1), /not a checkpoint/],
    ['a cut file', bytes.subarray(0, bytes.length - 1), /bytes, expected/],
    [
      'a longer file',
      new Uint8Array([...bytes.subarray(0, 200), ...bytes.subarray(200), 0]),
      /bytes, expected/,
    ],
    ['another size', edited(16, 1), /another model/],
    ['another configuration', edited(88, bytes[88] === 0 ? 1 : 0), /another model/],
    ['fraction bits of 31', edited(8, 31), /fraction bits/],
    ['a set reserved byte', edited(20, 1), /reserved/],
    ['a set reserved byte at the end', edited(127, 1), /reserved/],
  ])('refuses %s', (_, file, message) => {
    expect(() => decodeCheckpoint(file, model)).toThrow(CheckpointError);
    expect(() => decodeCheckpoint(file, model)).toThrow(message);
  });

  it('does not encode a state of another size', () => {
    expect(() => encodeCheckpoint({ ...checkpoint, theta: theta.slice(1) }, model)).toThrow(RangeError);
  });
});

describe('shards', () => {
  it('give any tokens back, little-endian', () => {
    expect([...encodeShard(Uint16Array.of(1, 0x1234))]).toEqual([1, 0, 0x34, 0x12]);
    fc.assert(
      fc.property(fc.uint16Array({ maxLength: 50 }), (tokens) => {
        const bytes = new Uint8Array([0, ...encodeShard(tokens)]).subarray(1);
        expect(decodeShard(bytes, 65_536, tokens.length)).toEqual(tokens);
      }),
    );
  });

  it('are refused when their length or an id is not what the manifest says', () => {
    const bytes = encodeShard(Uint16Array.of(1, 2, 300));
    expect(() => decodeShard(bytes, 300, 3)).toThrow(ShardError);
    expect(() => decodeShard(bytes, 300, 3)).toThrow(
      'token 2 of the shard is 300, outside the vocabulary of 300',
    );
    expect(() => decodeShard(bytes, 301, 2)).toThrow(/6 bytes, expected 4/);
    expect(() => decodeShard(bytes.subarray(1), 301, 3)).toThrow(ShardError);
    expect(() => decodeShard(bytes, 70_000, 3)).toThrow(ShardError);
  });
});
