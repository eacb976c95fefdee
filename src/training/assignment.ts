/**
 * Which text a contributor trains on in a round, decided by a hash that nobody can steer and anybody can recompute.
 *
 * The beacon is the hash of the last certificate (the run id before the first), so an assignment is unknown until the
 * round's state is certified. A seed selects one or two shards, to keep a tab's download small, and an endless list of
 * windows in them. A validator measures a submission on the first windows of its sender's seed ("assigned") and on
 * windows of a seed of its own ("unassigned").
 *
 * Exactly:
 *   seed   = SHA-256("tabswarm assignment 1" || run (32) || round (u32 LE) || beacon (32) || contributor (32))
 *   random = xoshiro128** 1.1, state = first 16 bytes of the seed as u32 LE
 *   shards: first = below(S); when S > 1, second = below(S - 1), plus 1 if >= first
 *   each window: shard = below(number selected); offset = below(tokens of that shard - sequence)
 * with below(n) drawing u32s until one is under the largest multiple of n, then taking it modulo n.
 */
import { createRandom, type Random } from '../model/random.ts';
import { concatBytes, sha256Sync } from '../protocol/bytes.ts';
import type { Batch } from './types.ts';

/** `sequence` tokens at `offset` of shard `shard`, with the token after each as its target. */
export interface SequenceRef {
  /** Index into the manifest's list of training shards. */
  readonly shard: number;
  readonly offset: number;
}

/** What of the manifest the assignment depends on. */
export interface AssignmentData {
  /** Tokens in each training shard, in the manifest's order. */
  readonly shardTokens: readonly number[];
  readonly sequence: number;
}

/** Data that cannot be assigned or batched as asked; the message has the numbers. */
export class AssignmentError extends Error {
  static override readonly name = 'AssignmentError';
  override readonly name = 'AssignmentError';
}

const DOMAIN = new TextEncoder().encode('tabswarm assignment 1');

/** The seed of a contributor's data in a round. All hashes and keys are 32 bytes. */
export function assignmentSeed(
  run: Uint8Array,
  round: number,
  beacon: Uint8Array,
  contributor: Uint8Array,
): Uint8Array {
  if ([run, beacon, contributor].some((part) => part.byteLength !== 32))
    throw new AssignmentError('run, beacon and contributor must be 32 bytes each');
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, round, true);
  return sha256Sync(concatBytes(DOMAIN, run, number, beacon, contributor));
}

/** Shards that a seed selects: one or two different indices, in the order drawn. */
export function assignedShards(seed: Uint8Array, shardCount: number): number[] {
  return drawShards(createRandom(seed), shardCount);
}

function drawShards(random: Random, shardCount: number): number[] {
  if (shardCount < 1) throw new AssignmentError('a run needs at least one shard');
  const first = random.below(shardCount);
  if (shardCount === 1) return [first];
  const second = random.below(shardCount - 1);
  return [first, second >= first ? second + 1 : second];
}

/** The endless list of a seed's windows. */
export function* sequenceRefs(seed: Uint8Array, data: AssignmentData): Generator<SequenceRef, never> {
  const random = createRandom(seed);
  const shards = drawShards(random, data.shardTokens.length);
  for (const shard of shards) {
    const tokens = data.shardTokens[shard];
    if (tokens <= data.sequence)
      throw new AssignmentError(
        `shard ${shard} has ${tokens} tokens, too few for sequences of ${data.sequence}`,
      );
  }
  for (;;) {
    const shard = shards[random.below(shards.length)];
    yield { shard, offset: random.below(data.shardTokens[shard] - data.sequence) };
  }
}

/** The first `count` windows of a seed: a contributor's first batches, and what its work is judged on. */
export function assignedSequences(seed: Uint8Array, count: number, data: AssignmentData): SequenceRef[] {
  const refs = sequenceRefs(seed, data);
  return Array.from({ length: count }, () => refs.next().value);
}

/** Evenly spaced windows over a whole shard: the fixed held-out measurement. */
export function spacedSequences(shardTokens: number, count: number, sequence: number): SequenceRef[] {
  const last = shardTokens - sequence - 1;
  if (last < 0)
    throw new AssignmentError(`a shard of ${shardTokens} tokens is too short for sequences of ${sequence}`);
  return Array.from({ length: count }, (_, i) => ({
    shard: 0,
    offset: count === 1 ? 0 : Math.floor((i * last) / (count - 1)),
  }));
}

/** Tokens and targets of windows, row-major `[refs.length, sequence]`. */
export function gatherBatch(
  refs: readonly SequenceRef[],
  shards: ReadonlyMap<number, Uint16Array>,
  sequence: number,
): Batch {
  const tokens = new Int32Array(refs.length * sequence);
  const targets = new Int32Array(refs.length * sequence);
  refs.forEach(({ shard, offset }, row) => {
    const source = shards.get(shard);
    if (source === undefined) throw new AssignmentError(`shard ${shard} is not loaded`);
    if (offset < 0 || offset + sequence + 1 > source.length)
      throw new AssignmentError(
        `window ${offset}+${sequence} is outside shard ${shard} of ${source.length} tokens`,
      );
    tokens.set(source.subarray(offset, offset + sequence), row * sequence);
    targets.set(source.subarray(offset + 1, offset + sequence + 1), row * sequence);
  });
  return { tokens, targets };
}

/** Endless micro-batches of a seed, in the order of {@link sequenceRefs}. `shards` holds the assigned ones. */
export function* assignedBatches(
  seed: Uint8Array,
  data: AssignmentData,
  batch: number,
  shards: ReadonlyMap<number, Uint16Array>,
): Generator<Batch, never> {
  const refs = sequenceRefs(seed, data);
  for (;;) {
    const window = Array.from({ length: batch }, () => refs.next().value);
    yield gatherBatch(window, shards, data.sequence);
  }
}
