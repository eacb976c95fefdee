/**
 * The state θ as leaves of the Merkle tree (protocol/merkle.ts): one leaf a chunk, its i32 values little-endian in
 * tile order. docs/state.md specifies it; kernels/sparseloco/leaf-hash.wgsl computes the same on the GPU.
 */
import { CHUNK, type ParameterLayout } from '../model/layout.ts';
import { bytesEqual, sha256, sha256Sync } from '../protocol/bytes.ts';
import { HASH_BYTES } from '../protocol/limits.ts';
import { leafHash, merkleProof, merkleRoot, verifyProof } from '../protocol/merkle.ts';
import { type ChunkPlace, chunkPlaces } from './update.ts';

function checkSize(theta: Int32Array, layout: ParameterLayout): void {
  if (theta.length !== layout.elements) {
    throw new RangeError(`a state of ${theta.length} scalars, but the model has ${layout.elements}`);
  }
}

/** Writes chunk `place` of θ to `view` from `at`. */
function writeChunk(theta: Int32Array, place: ChunkPlace, view: DataView, at: number): void {
  for (let p = 0; p < place.length; p++) {
    const value = theta[place.base + (p >> 6) * place.stride + (p & 63)];
    view.setInt32(at + 4 * p, value, true);
  }
}

/** One chunk's leaf data. */
export function chunkBytes(theta: Int32Array, layout: ParameterLayout, chunk: number): Uint8Array {
  checkSize(theta, layout);
  const place = chunkPlaces(layout)[chunk];
  if (place === undefined) throw new RangeError(`chunk ${chunk} of ${layout.chunks}`);
  const out = new Uint8Array(4 * place.length);
  writeChunk(theta, place, new DataView(out.buffer), 0);
  return out;
}

/** Leaf hashes in flight at once: enough to keep WebCrypto's threads busy, at 16 KiB each. */
const BATCH = 64;

/** Leaf hashes of all chunks, `[chunks][32]`. */
export async function stateLeaves(theta: Int32Array, layout: ParameterLayout): Promise<Uint8Array> {
  checkSize(theta, layout);
  const places = chunkPlaces(layout);
  const out = new Uint8Array(layout.chunks * HASH_BYTES);
  const scratch = Array.from({ length: Math.min(BATCH, places.length) }, () => new Uint8Array(1 + 4 * CHUNK));
  for (let from = 0; from < places.length; from += BATCH) {
    const batch = places.slice(from, from + BATCH).map((place, i) => {
      const bytes = scratch[i];
      writeChunk(theta, place, new DataView(bytes.buffer), 1);
      return sha256(bytes.subarray(0, 1 + 4 * place.length));
    });
    (await Promise.all(batch)).forEach((hash, i) => {
      out.set(hash, (from + i) * HASH_BYTES);
    });
  }
  return out;
}

/** State root of θ. */
export async function stateRoot(theta: Int32Array, layout: ParameterLayout): Promise<Uint8Array> {
  return merkleRoot(await stateLeaves(theta, layout));
}

/** The same without awaiting, in plain JavaScript: about 9 ms a MB. */
export function stateRootSync(theta: Int32Array, layout: ParameterLayout): Uint8Array {
  const out = new Uint8Array(layout.chunks * HASH_BYTES);
  const bytes = new Uint8Array(1 + 4 * CHUNK);
  checkSize(theta, layout);
  chunkPlaces(layout).forEach((place, c) => {
    writeChunk(theta, place, new DataView(bytes.buffer), 1);
    out.set(sha256Sync(bytes.subarray(0, 1 + 4 * place.length)), c * HASH_BYTES);
  });
  return merkleRoot(out);
}

/** One chunk of a state with all that is needed to check it against the state's root. */
export interface ChunkProof {
  readonly chunk: number;
  /** Leaves in the tree: layout.chunks. */
  readonly chunks: number;
  readonly data: Uint8Array;
  readonly path: readonly Uint8Array[];
}

export async function proveChunk(
  theta: Int32Array,
  layout: ParameterLayout,
  chunk: number,
): Promise<ChunkProof> {
  const data = chunkBytes(theta, layout, chunk);
  const leaves = await stateLeaves(theta, layout);
  return { chunk, chunks: layout.chunks, data, path: merkleProof(leaves, chunk) };
}

/** Whether one chunk belongs to the state with this root. Needs nothing but the proof. */
export function verifyChunk(root: Uint8Array, proof: ChunkProof): boolean {
  return verifyProof(root, leafHash(proof.data), proof.chunk, proof.chunks, proof.path);
}

export interface CheckpointVerdict {
  readonly ok: boolean;
  readonly root: Uint8Array;
  /** Result of proving one chunk alone and checking it against `expected`. */
  readonly chunkOk: boolean;
}

/** Recomputes a checkpoint's root and checks chunk `chunk` alone by its proof. Throws RangeError on a wrong size. */
export async function verifyCheckpoint(
  theta: Int32Array,
  layout: ParameterLayout,
  expected: Uint8Array,
  chunk = 0,
): Promise<CheckpointVerdict> {
  const leaves = await stateLeaves(theta, layout);
  const root = merkleRoot(leaves);
  const proof = {
    chunk,
    chunks: layout.chunks,
    data: chunkBytes(theta, layout, chunk),
    path: merkleProof(leaves, chunk),
  };
  return { ok: bytesEqual(root, expected), root, chunkOk: verifyChunk(expected, proof) };
}
