/**
 * Checkpoint files: the certified state θ with what is needed to know which state it claims to be.
 *
 * The claim proves nothing: a reader computes the root from the values (sparseloco/state.ts) and compares it with a
 * certificate's, or with the manifest's for genesis. Layout, all little-endian:
 *
 *   0    8  magic "TABSWCK1"
 *   8    4  u32 fractionBits
 *   12   4  u32 height
 *   16   4  u32 scalars in θ
 *   20   4  u32 zero, reserved
 *   24  32  run id; zeros at genesis, since the run id is the hash of a manifest that names the genesis checkpoint
 *   56  32  state root
 *   88  32  SHA-256 of the model configuration (see configHash)
 *   120  8  zero, reserved: the data starts at a multiple of 64
 *   128  4n i32 θ in the order of parameterLayout
 */
import { bytesEqual, sha256Sync } from '../protocol/bytes.ts';
import { HASH_BYTES } from '../protocol/limits.ts';
import type { ModelConfig } from './config.ts';
import { parameterLayout } from './layout.ts';

const MAGIC = new TextEncoder().encode('TABSWCK1');
const HEADER_BYTES = 128;

/** Bytes that are no checkpoint of this model; the message says why. */
export class CheckpointError extends Error {
  static override readonly name = 'CheckpointError';
  override readonly name = 'CheckpointError';
}

export interface Checkpoint {
  /** Zeros at genesis. */
  readonly runId: Uint8Array;
  readonly height: number;
  /** The state root that the file claims. */
  readonly root: Uint8Array;
  readonly fractionBits: number;
  readonly theta: Int32Array<ArrayBuffer>;
}

/** The run id field of a genesis checkpoint. */
export const GENESIS_RUN_ID: Uint8Array = new Uint8Array(HASH_BYTES);

/** SHA-256 of the configuration as JSON with sorted keys. */
export function configHash(config: ModelConfig): Uint8Array {
  const sorted = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256Sync(new TextEncoder().encode(JSON.stringify(Object.fromEntries(sorted))));
}

/** Whether a checkpoint says that it is one of this run: by id, or as a genesis, which cannot know the id. */
export function claimsRun(checkpoint: Checkpoint, runId: Uint8Array): boolean {
  if (checkpoint.height === 0 && bytesEqual(checkpoint.runId, GENESIS_RUN_ID)) return true;
  return bytesEqual(checkpoint.runId, runId);
}

/** File bytes. Throws RangeError when θ is not this model's size. */
export function encodeCheckpoint(checkpoint: Checkpoint, config: ModelConfig): Uint8Array<ArrayBuffer> {
  const { theta, runId, root } = checkpoint;
  const { elements } = parameterLayout(config);
  if (theta.length !== elements)
    throw new RangeError(`a state of ${theta.length} scalars, but the model has ${elements}`);
  if (runId.byteLength !== HASH_BYTES || root.byteLength !== HASH_BYTES)
    throw new RangeError('run id and root must be 32 bytes');
  const out = new Uint8Array(HEADER_BYTES + 4 * elements);
  const view = new DataView(out.buffer);
  out.set(MAGIC);
  view.setUint32(8, checkpoint.fractionBits, true);
  view.setUint32(12, checkpoint.height, true);
  view.setUint32(16, elements, true);
  out.set(runId, 24);
  out.set(root, 56);
  out.set(configHash(config), 88);
  for (let i = 0; i < elements; i++) view.setInt32(HEADER_BYTES + 4 * i, theta[i], true);
  return out;
}

/** Reads a file made for `config`. Throws {@link CheckpointError} on anything else; compare the root afterwards. */
export function decodeCheckpoint(bytes: Uint8Array, config: ModelConfig): Checkpoint {
  if (bytes.byteLength < HEADER_BYTES || !bytesEqual(bytes.subarray(0, 8), MAGIC))
    throw new CheckpointError('not a checkpoint file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fractionBits = view.getUint32(8, true);
  const { elements } = parameterLayout(config);
  if (view.getUint32(16, true) !== elements || !bytesEqual(bytes.subarray(88, 120), configHash(config)))
    throw new CheckpointError('the checkpoint is of another model');
  if (bytes.byteLength !== HEADER_BYTES + 4 * elements)
    throw new CheckpointError(
      `the checkpoint has ${bytes.byteLength} bytes, expected ${HEADER_BYTES + 4 * elements}`,
    );
  if (fractionBits < 12 || fractionBits > 30)
    throw new CheckpointError(`the checkpoint's ${fractionBits} fraction bits are outside 12..30`);
  for (const at of [20, 120, 124])
    if (view.getUint32(at, true) !== 0)
      throw new CheckpointError('reserved bytes of the checkpoint are not zero');
  // A copy of the bytes and not a loop: a tab reads 500 MB here. Every platform of ours is little-endian.
  const theta = new Int32Array(new Uint8Array(bytes.subarray(HEADER_BYTES)).buffer);
  return {
    runId: new Uint8Array(bytes.subarray(24, 56)),
    height: view.getUint32(12, true),
    root: new Uint8Array(bytes.subarray(56, 88)),
    fractionBits,
    theta,
  };
}
