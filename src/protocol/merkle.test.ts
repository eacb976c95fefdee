/** The Merkle tree against RFC 6962's definition, written out recursively, and against forged proofs. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concatBytes, sha256Sync, toHex } from './bytes.ts';
import { leafHash, merkleProof, merkleRoot, nodeHash, verifyProof } from './merkle.ts';

const leaf = (i: number) => leafHash(Uint8Array.of(i, i >> 8));
const leavesOf = (n: number) => concatBytes(...Array.from({ length: n }, (_, i) => leaf(i)));

/** MTH of RFC 6962, section 2.1. */
function reference(from: number, to: number): Uint8Array {
  if (to - from === 1) return leaf(from);
  let k = 1;
  while (k * 2 < to - from) k *= 2;
  return nodeHash(reference(from, from + k), reference(from + k, to));
}

test('published vectors of RFC 6962 (certificate-transparency test data)', () => {
  expect(toHex(leafHash(new Uint8Array()))).toBe(
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  );
  const first = leafHash(new Uint8Array());
  const second = leafHash(Uint8Array.of(0));
  expect(toHex(merkleRoot(concatBytes(first, second)))).toBe(
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  );
});

test('prefixes keep leaves from passing for nodes', () => {
  const data = Uint8Array.of(1, 2, 3);
  expect(toHex(leafHash(data))).not.toBe(toHex(sha256Sync(data)));
  const [l, r] = [leaf(1), leaf(2)];
  expect(toHex(nodeHash(l, r))).not.toBe(toHex(leafHash(concatBytes(l, r))));
});

test('roots and proofs of every tree up to 70 leaves', () => {
  for (let n = 1; n <= 70; n++) {
    const leaves = leavesOf(n);
    const root = merkleRoot(leaves);
    expect(toHex(root)).toBe(toHex(reference(0, n)));
    for (let i = 0; i < n; i++) {
      const proof = merkleProof(leaves, i);
      expect(verifyProof(root, leaf(i), i, n, proof)).toBe(true);
    }
  }
});

test('no other leaf, index, count or path verifies', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 40 }), fc.nat(), fc.nat(), fc.nat(255), (n, a, b, bit) => {
      const leaves = leavesOf(n);
      const root = merkleRoot(leaves);
      const i = a % n;
      const proof = merkleProof(leaves, i);
      const other = (i + 1 + (b % (n - 1))) % n;
      expect(verifyProof(root, leaf(other), i, n, proof)).toBe(false);
      expect(verifyProof(root, leaf(i), other, n, proof)).toBe(false);
      expect(verifyProof(root, leaf(i), i, n, [...proof, leaf(0)])).toBe(false);
      expect(verifyProof(root, leaf(i), i, n, proof.slice(1))).toBe(false);
      const flipped = proof.map((p) => p.slice());
      const target = flipped[b % flipped.length] as Uint8Array;
      target[bit >> 3] = target[bit >> 3] ^ (1 << (bit & 7));
      expect(verifyProof(root, leaf(i), i, n, flipped)).toBe(false);
    }),
    { numRuns: 200, seed: 5 },
  );
});

test('malformed input is false or a RangeError, never a crash', () => {
  const root = merkleRoot(leavesOf(4));
  expect(verifyProof(root, new Uint8Array(3), 0, 4, merkleProof(leavesOf(4), 0))).toBe(false);
  expect(verifyProof(root, leaf(0), -1, 4, [])).toBe(false);
  expect(verifyProof(root, leaf(0), 0, Number.NaN, [])).toBe(false);
  expect(verifyProof(root, leaf(0), 0, 2 ** 52, [new Uint8Array(32)])).toBe(false);
  expect(() => merkleRoot(new Uint8Array())).toThrow(RangeError);
  expect(() => merkleRoot(new Uint8Array(33))).toThrow(RangeError);
  expect(() => merkleProof(leavesOf(3), 3)).toThrow(RangeError);
});

test('a proof for no leaf of the tree is none, though its hashes would fit', () => {
  const root = merkleRoot(leavesOf(1));
  expect(verifyProof(root, leaf(0), 0, 1, [])).toBe(true);
  // Nothing is hashed in a tree of one leaf, so only the bounds stand in the way.
  for (const [index, count] of [
    [1, 1],
    [-1, 1],
    [0.5, 1],
    [Number.NaN, 1],
    [0, 0],
    [0, 0.5],
    [0, Number.NaN],
    [2 ** 53, 2 ** 53 + 2],
  ])
    expect(verifyProof(root, leaf(0), index, count, []), `leaf ${index} of ${count}`).toBe(false);
  const long = concatBytes(leaf(0), Uint8Array.of(0));
  expect(verifyProof(long, long, 0, 1, [])).toBe(false);
});

test('a sibling that ends in a zero does not pass without it', () => {
  let i = 0;
  while (leaf(i)[31] !== 0) i++;
  const root = nodeHash(leaf(1), leaf(i));
  expect(verifyProof(root, leaf(1), 0, 2, [leaf(i)])).toBe(true);
  expect(verifyProof(root, leaf(1), 0, 2, [leaf(i).subarray(0, 31)])).toBe(false);
  expect(verifyProof(root, leaf(i), 1, 2, [leaf(1)])).toBe(true);
  expect(verifyProof(root, leaf(i).subarray(0, 31), 1, 2, [leaf(1)])).toBe(false);
});

test('roots and proofs are copies, and what is asked for has to be there', () => {
  const leaves = leavesOf(2);
  const [one] = merkleProof(leaves, 0);
  const single = leavesOf(1);
  const root = merkleRoot(single);
  one.fill(0);
  root.fill(0);
  expect([leaves, single]).toEqual([leavesOf(2), leavesOf(1)]);
  for (const index of [-1, 2, 0.5, Number.NaN])
    expect(() => merkleProof(leaves, index)).toThrow(new RangeError(`leaf ${index} of a tree with 2 leaves`));
  for (const length of [0, 33])
    expect(() => merkleRoot(new Uint8Array(length))).toThrow(
      new RangeError(`a tree needs whole 32-byte leaf hashes, got ${length} bytes`),
    );
});
