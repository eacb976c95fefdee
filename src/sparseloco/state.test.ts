/** Leaves of the state tree against docs/state.md: SHA-256 by Node over each chunk's values in the order of its tile. */
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type ParameterLayout, parameterLayout } from '../model/layout.ts';
import { merkleRoot } from '../protocol/merkle.ts';
import { chunkBytes, proveChunk, stateLeaves, stateRoot, stateRootSync, verifyChunk } from './state.ts';
import { randomTheta, smallConfig, smallLayout, wideLayout } from './testing.ts';
import { chunkPlaces, flatIndex } from './update.ts';

/** A chunk's leaf data, one value at a time. */
function dataOf(theta: Int32Array, layout: ParameterLayout, chunk: number): Buffer {
  const place = chunkPlaces(layout)[chunk];
  const data = Buffer.alloc(4 * place.length);
  for (let p = 0; p < place.length; p++) data.writeInt32LE(theta[flatIndex(place, p)], 4 * p);
  return data;
}

/** The last has more chunks than are hashed at once. */
const layouts = [wideLayout(), smallLayout(), parameterLayout({ ...smallConfig, vocabSize: 64 * 50 })];

test.each(layouts)('leaves and roots, $chunks chunks', async (layout) => {
  const theta = randomTheta(layout, 8, 30);
  const leaves = await stateLeaves(theta, layout);
  const expected = Buffer.concat(
    Array.from({ length: layout.chunks }, (_, chunk) =>
      createHash('sha256')
        .update(Uint8Array.of(0))
        .update(dataOf(theta, layout, chunk))
        .digest(),
    ),
  );
  expect(Buffer.from(leaves).equals(expected)).toBe(true);
  const root = merkleRoot(new Uint8Array(expected));
  expect(await stateRoot(theta, layout)).toEqual(root);
  expect(stateRootSync(theta, layout)).toEqual(root);
  for (const chunk of [0, 1, layout.chunks - 1]) {
    expect(Buffer.from(chunkBytes(theta, layout, chunk))).toEqual(dataOf(theta, layout, chunk));
    const proof = await proveChunk(theta, layout, chunk);
    expect(proof).toMatchObject({ chunk, chunks: layout.chunks });
    expect(verifyChunk(root, proof)).toBe(true);
    expect(verifyChunk(root, { ...proof, data: proof.data.slice(4) })).toBe(false);
  }
});

test('a state of another size and a chunk that is none are our mistakes', async () => {
  const [layout] = layouts;
  for (const length of [layout.elements - 1, layout.elements + 1]) {
    const theta = new Int32Array(length);
    const error = new RangeError(`a state of ${length} scalars, but the model has ${layout.elements}`);
    expect(() => chunkBytes(theta, layout, 0)).toThrow(error);
    expect(() => stateRootSync(theta, layout)).toThrow(error);
    await expect(stateLeaves(theta, layout)).rejects.toThrow(error);
  }
  const theta = new Int32Array(layout.elements);
  for (const chunk of [-1, 8, 0.5])
    expect(() => chunkBytes(theta, layout, chunk)).toThrow(new RangeError(`chunk ${chunk} of 8`));
});
