/**
 * What a contributor carries privately from round to round, and the roots by which it commits to it.
 *
 * SparseLoCo's error feedback and Adam's moments decide what a round's work becomes, and nobody else has them. Without a
 * commitment any submission could be explained by some error feedback made up afterwards; with one before and after
 * each round, an audit can ask for them and replay the round (docs/gauntlet.md).
 */
import * as v from 'valibot';
import { sha256 } from '../protocol/bytes.ts';
import { HASH_BYTES } from '../protocol/limits.ts';
import { leafHash, merkleRoot } from '../protocol/merkle.ts';
import { Hash, uint } from '../protocol/schema.ts';

/** Digests of the parts, each SHA-256 of `elements` little-endian f32, so that each can be fetched as a blob. */
export const CarryDigestsSchema = v.strictObject({
  /** Error feedback e. */
  error: Hash,
  /** Adam's first and second moment m, v. */
  moment1: Hash,
  moment2: Hash,
  /** Adam's steps since the moments were zero. */
  step: uint(Number.MAX_SAFE_INTEGER),
});
export type CarryDigests = v.InferOutput<typeof CarryDigestsSchema>;

/** In a commit: what was carried before the round, and what is after it if the submission is accepted, and if not. */
export const CarryRootsSchema = v.strictObject({ before: Hash, accepted: Hash, refused: Hash });
export type CarryRoots = v.InferOutput<typeof CarryRootsSchema>;

/** The parts themselves; `[elements]` each. */
export interface Carry {
  readonly error: Float32Array<ArrayBuffer>;
  readonly moment1: Float32Array<ArrayBuffer>;
  readonly moment2: Float32Array<ArrayBuffer>;
  readonly step: number;
}

/** Merkle root (RFC 6962) over the digests of e, m, v and the step count as u64 big-endian. */
export function carryRoot({ error, moment1, moment2, step }: CarryDigests): Uint8Array {
  const count = new Uint8Array(8);
  new DataView(count.buffer).setBigUint64(0, BigInt(step));
  const leaves = new Uint8Array(4 * HASH_BYTES);
  [error, moment1, moment2, count].forEach((leaf, i) => leaves.set(leafHash(leaf), i * HASH_BYTES));
  return merkleRoot(leaves);
}

/** Bytes of a part as it is hashed and served. WebGPU, and so this project, runs on little-endian machines only. */
export const partBytes = (part: Float32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  new Uint8Array(part.buffer, part.byteOffset, part.byteLength);

/** Digests of a carry. WebCrypto hashes about 1 GB/s, and 12 bytes a parameter are hashed. */
export async function carryDigests({ error, moment1, moment2, step }: Carry): Promise<CarryDigests> {
  const [e, m, s] = await Promise.all([error, moment1, moment2].map((part) => sha256(partBytes(part))));
  return { error: e, moment1: m, moment2: s, step };
}

const zeros = new Map<number, Promise<CarryDigests>>();

/** What a newcomer, or who lost its carry, starts from: nothing. Computed once for a model's size. */
export function zeroCarry(elements: number): Promise<CarryDigests> {
  const known = zeros.get(elements);
  if (known !== undefined) return known;
  const part = new Float32Array(elements);
  const made = carryDigests({ error: part, moment1: part, moment2: part, step: 0 });
  zeros.set(elements, made);
  return made;
}
