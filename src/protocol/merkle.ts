/**
 * The Merkle tree behind a state root: RFC 6962 (section 2.1) over SHA-256.
 *
 * A leaf hash is SHA-256(0x00 || data), an inner node SHA-256(0x01 || left || right); n leaves split at the largest
 * power of two below n. The prefixes keep a leaf from passing for a node. What a leaf's data is, sparseloco/state.ts
 * says: one chunk of the model. Pure; leaf hashes come in as one flat array of 32 bytes each.
 */
import { bytesEqual, sha256Sync } from './bytes.ts';
import { HASH_BYTES } from './limits.ts';

/** SHA-256(0x00 || data). */
export function leafHash(data: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + data.byteLength);
  input.set(data, 1);
  return sha256Sync(input);
}

/** SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const input = new Uint8Array(1 + 2 * HASH_BYTES);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 1 + HASH_BYTES);
  return sha256Sync(input);
}

/** Hashes pairs of one level; an odd last node moves up unchanged, which is RFC 6962's split at a power of two. */
function parents(level: Uint8Array): Uint8Array {
  const count = level.byteLength / HASH_BYTES;
  const out = new Uint8Array(Math.ceil(count / 2) * HASH_BYTES);
  const input = new Uint8Array(1 + 2 * HASH_BYTES);
  input[0] = 1;
  for (let i = 0; i + 1 < count; i += 2) {
    input.set(level.subarray(i * HASH_BYTES, (i + 2) * HASH_BYTES), 1);
    out.set(sha256Sync(input), (i / 2) * HASH_BYTES);
  }
  if (count % 2 === 1) out.set(level.subarray((count - 1) * HASH_BYTES), out.byteLength - HASH_BYTES);
  return out;
}

function checkLeaves(leaves: Uint8Array): number {
  const count = leaves.byteLength / HASH_BYTES;
  if (!Number.isInteger(count) || count === 0) {
    throw new RangeError(`a tree needs whole 32-byte leaf hashes, got ${leaves.byteLength} bytes`);
  }
  return count;
}

/** Root over `leaves`, n x 32 bytes of leaf hashes, n >= 1. Throws RangeError on any other length. */
export function merkleRoot(leaves: Uint8Array): Uint8Array {
  checkLeaves(leaves);
  let level = leaves;
  while (level.byteLength > HASH_BYTES) level = parents(level);
  return level.slice();
}

/** Audit path of leaf `index`: sibling hashes from the leaf upwards; levels without a sibling are left out. */
export function merkleProof(leaves: Uint8Array, index: number): Uint8Array[] {
  const count = checkLeaves(leaves);
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`leaf ${index} of a tree with ${count} leaves`);
  }
  const proof: Uint8Array[] = [];
  let level = leaves;
  for (let at = index; level.byteLength > HASH_BYTES; at >>= 1) {
    const sibling = at ^ 1;
    const bytes = level.subarray(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES);
    if (bytes.byteLength === HASH_BYTES) proof.push(bytes.slice());
    level = parents(level);
  }
  return proof;
}

/** Whether `leaf` (a leaf hash) is number `index` of the `count` leaves under `root`. False on any malformed input. */
export function verifyProof(
  root: Uint8Array,
  leaf: Uint8Array,
  index: number,
  count: number,
  proof: readonly Uint8Array[],
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count) || index < 0 || index >= count)
    return false;
  if (leaf.byteLength !== HASH_BYTES || proof.some((p) => p.byteLength !== HASH_BYTES)) return false;
  let hash = leaf;
  let used = 0;
  let at = index;
  for (let width = count; width > 1; width = Math.ceil(width / 2)) {
    const sibling = at % 2 === 0 ? at + 1 : at - 1;
    if (sibling < width) {
      const other = proof[used++];
      if (other === undefined) return false;
      hash = at % 2 === 0 ? nodeHash(hash, other) : nodeHash(other, hash);
    }
    at = Math.floor(at / 2);
  }
  return used === proof.length && bytesEqual(hash, root);
}
