/**
 * Which losses the validator measures: held-out loss of each certified state, and each candidate's losses before and
 * after its scaled step, on the text assigned to it and on text nobody was assigned.
 */
import {
  assignmentSeed,
  assignedSequences,
  gatherBatch,
  type SequenceRef,
  spacedSequences,
} from '../training/assignment.ts';
import type { Batch } from '../training/types.ts';
import { decodeShard } from '../model/shards.ts';
import { sha256Sync, concatBytes } from '../protocol/bytes.ts';
import type { Candidate } from '../gauntlet/book.ts';
import type { LossMeasurement } from '../gauntlet/scores.ts';
import type { ChainHead } from '../protocol/certificate.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { LossError, type LossMeter } from './losses.ts';

export interface RoundLossesOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly meter: LossMeter;
  /** Bytes of one of the manifest's blobs; null when missing or damaged. */
  readonly readBlob: (ref: BlobRef) => Promise<Uint8Array | null>;
  /** 32 secret bytes: nobody else may know the unassigned text beforehand. */
  readonly secret: Uint8Array;
}

/** Decoded shards kept in memory, 96 KiB each by default. */
const MAX_SHARDS = 64;

export class RoundLosses {
  readonly #o: RoundLossesOptions;
  readonly #shards = new Map<number, Promise<Uint16Array>>();
  #height = -1;
  #heldOut: Promise<number> | null = null;
  #unassigned: { readonly round: number; readonly batch: Promise<Batch>; before: Promise<number[]> } | null =
    null;

  constructor(options: RoundLossesOptions) {
    this.#o = options;
  }

  /** Takes over the certified state of a height; measurements before it are forgotten. */
  async load(height: number, theta: Int32Array): Promise<void> {
    this.#height = height;
    this.#heldOut = null;
    this.#unassigned = null;
    await this.#o.meter.load(theta);
  }

  /** Held-out loss of the loaded state, nats per token. Measured once; a failure is tried again. */
  heldOut(): Promise<number> {
    this.#heldOut ??= this.#measureHeldOut().catch((error: unknown) => {
      this.#heldOut = null;
      throw error;
    });
    return this.#heldOut;
  }

  async #measureHeldOut(): Promise<number> {
    const { manifest, meter } = this.#o;
    const { sequence } = manifest.training;
    const { heldOut } = manifest.data;
    const refs = spacedSequences(heldOut.tokens, manifest.gauntlet.heldOutSequences, sequence);
    const shard = await this.#decode(heldOut);
    return mean(await meter.losses(gatherBatch(refs, new Map([[0, shard]]), sequence)));
  }

  /** Losses of a candidate around its step. Throws LossError when they cannot be measured. */
  async measure(
    candidate: Pick<Candidate, 'contributor' | 'bytes'>,
    round: number,
    head: ChainHead,
  ): Promise<LossMeasurement> {
    if (head.height !== this.#height) throw new LossError('another state is loaded');
    const { manifest, runId, meter } = this.#o;
    const unassigned = this.#unassignedFor(round, head);
    const seed = assignmentSeed(runId, round, head.hash, candidate.contributor);
    const batch = await this.#batch(seed);
    const step = { bytes: candidate.bytes, scale: manifest.gauntlet.evaluationScale };
    return {
      unassigned: {
        before: await unassigned.before,
        after: await meter.losses(await unassigned.batch, step),
      },
      assigned: { before: await meter.losses(batch), after: await meter.losses(batch, step) },
    };
  }

  /** Text of this round that only this validator knows; its losses before any step are the same for all. */
  #unassignedFor(round: number, head: ChainHead) {
    if (this.#unassigned?.round !== round) {
      const { runId, secret, meter } = this.#o;
      const beacon = sha256Sync(concatBytes(secret, head.hash));
      const batch = this.#batch(assignmentSeed(runId, round, beacon, secret));
      const before = batch.then((b) => meter.losses(b));
      before.catch(() => {}); // each candidate's own await reports it
      this.#unassigned = { round, batch, before };
    }
    return this.#unassigned;
  }

  async #batch(seed: Uint8Array): Promise<Batch> {
    const { training, data, gauntlet } = this.#o.manifest;
    const { sequence } = training;
    const refs: SequenceRef[] = assignedSequences(seed, gauntlet.evaluationSequences, {
      shardTokens: data.train.map((shard) => shard.tokens),
      sequence,
    });
    const shards = new Map<number, Uint16Array>();
    for (const { shard } of refs) shards.set(shard, await this.#shard(shard));
    return gatherBatch(refs, shards, sequence);
  }

  #shard(index: number): Promise<Uint16Array> {
    const known = this.#shards.get(index);
    if (known !== undefined) return known;
    const ref = this.#o.manifest.data.train[index];
    if (ref === undefined) return Promise.reject(new LossError(`there is no shard ${index}`));
    const shard = this.#decode(ref);
    shard.catch(() => this.#shards.delete(index));
    this.#shards.set(index, shard);
    for (const oldest of this.#shards.keys()) {
      if (this.#shards.size <= MAX_SHARDS) break;
      this.#shards.delete(oldest);
    }
    return shard;
  }

  async #decode(ref: BlobRef & { readonly tokens: number }): Promise<Uint16Array> {
    const bytes = await this.#o.readBlob(ref);
    if (bytes === null) throw new LossError('a data shard is missing from the disk or damaged');
    return decodeShard(bytes, this.#o.manifest.model.vocabSize, ref.tokens);
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
