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
import { concatBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { ChainHead } from '../chain/certificate.ts';
import type { Run } from '../chain/run.ts';
import { LossError, type LossMeter } from '../gauntlet/loss-meter.ts';
import type { LossMeasurement } from '../gauntlet/scores.ts';
import type { BlobRef } from '../protocol/schema.ts';

export interface RoundLossesOptions {
  readonly run: Run;
  readonly meter: LossMeter;
  /** Milliseconds of any clock: how long measuring takes decides how much is measured. */
  readonly elapsed: () => number;
  /** Bytes of one of the manifest's blobs; null when missing or damaged. */
  readonly readBlob: (ref: BlobRef) => Promise<Uint8Array | null>;
  /** 32 secret bytes: nobody else may know the unassigned text beforehand. */
  readonly secret: Uint8Array;
  /** Draws assigned text by another beacon than the head's hash: for simulations that compare runs. */
  readonly beacon?: (round: number) => Uint8Array;
}

/** Decoded shards kept in memory, 96 KiB each by default. */
const MAX_SHARDS = 64;

/** Fewer than this say too little about a candidate: three standard errors of two numbers are no doubt at all. */
const MIN_SEQUENCES = 4;

/** Share of a round that measuring ahead, before any step, may take on this machine. */
const AHEAD_SHARE = 0.25;

/** Some text with its losses before any step: as many sequences as were asked for so far. */
class MeasuredText {
  readonly batch: Promise<Batch>;
  readonly #meter: LossMeter;
  readonly #sequence: number;
  #before: Promise<number[]> = Promise.resolve([]);

  constructor(batch: Promise<Batch>, meter: LossMeter, sequence: number) {
    this.batch = batch;
    this.#meter = meter;
    this.#sequence = sequence;
  }

  /** Losses of the first `count` sequences, or of all when there are not more. */
  before(count: number): Promise<number[]> {
    const extended = this.#before.then(async (known) => {
      const batch = rows(await this.batch, known.length, count, this.#sequence);
      return batch.tokens.length === 0 ? known : [...known, ...(await this.#meter.losses(batch))];
    });
    // A failure is its caller's; the next one tries again from what is known.
    const known = this.#before;
    this.#before = extended.catch(() => known);
    return extended.then((losses) => losses.slice(0, count));
  }
}

export class RoundLosses {
  readonly #o: RoundLossesOptions;
  readonly #shards = new Map<number, Promise<Uint16Array>>();
  #height = -1;
  #heldOut: Promise<number> | null = null;
  /** Time of one forward pass over a sequence here, ms, as last measured beside whatever else this machine does. */
  #msPerSequence = 0;
  #round = -1;
  /** Texts of the busiest round so far. */
  #mostTexts = 1;
  #unassignedText: MeasuredText | null = null;
  /** By contributor. */
  readonly #assignedTexts = new Map<string, MeasuredText>();

  constructor(options: RoundLossesOptions) {
    this.#o = options;
  }

  /** Takes over the certified state of a height; measurements before it are forgotten. */
  async load(height: number, theta: Int32Array): Promise<void> {
    this.#height = height;
    this.#heldOut = null;
    this.#forgetTexts();
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
    const { run, meter } = this.#o;
    const { training, data } = run.manifest.task;
    const { sequence } = training;
    const { heldOut } = data;
    const refs = spacedSequences(heldOut.tokens, run.rules.heldOutSequences, sequence);
    const shard = await this.#decode(heldOut);
    const begun = this.#o.elapsed();
    const losses = await meter.losses(gatherBatch(refs, new Map([[0, shard]]), sequence));
    this.#msPerSequence = (this.#o.elapsed() - begun) / refs.length;
    return mean(losses);
  }

  /**
   * Measures ahead what does not depend on any submission: the unassigned text before a step and, once a contributor
   * has committed, its assigned text before its step. Bounded, since anybody can commit; never throws.
   */
  anticipate(round: number, head: ChainHead, contributor?: Uint8Array): void {
    if (head.height !== this.#height) return;
    this.#measureAhead(this.#unassigned(round, head));
    const most = 2 * this.#o.run.rules.maxAccepted;
    if (contributor !== undefined && this.#assignedTexts.size < most)
      this.#measureAhead(this.#assigned(round, head, contributor));
  }

  /** As much of a text as this machine can measure beside everybody else's; what is missing later is added then. */
  #measureAhead(text: MeasuredText): void {
    const { schedule } = this.#o.run.manifest;
    this.#mostTexts = Math.max(this.#mostTexts, this.#assignedTexts.size + 1);
    // One pass a sequence, where affordable() counts on two for each of two texts.
    const count = this.affordable(2 * AHEAD_SHARE * schedule.roundMs, this.#mostTexts);
    text.before(count).catch(() => {}); // whoever measures a candidate with it hears of it
  }

  /**
   * How many sequences of each text can be measured for each of so many candidates in this time: a slow or busy host
   * looks at fewer, down to a minimum, rather than at none.
   */
  affordable(ms: number, candidates: number): number {
    const most = this.#o.run.rules.evaluationSequences;
    if (this.#msPerSequence === 0) return most;
    const fitting = Math.floor(ms / (2 * this.#msPerSequence * Math.max(1, candidates)));
    return Math.min(most, Math.max(MIN_SEQUENCES, fitting));
  }

  /**
   * Losses of a candidate around its step, on the first `sequences` of each text. Throws LossError when they cannot be
   * measured, and the signal's reason once it is aborted: what nobody waits for any more must not delay what follows.
   */
  async measure(
    candidate: { readonly contributor: Uint8Array; readonly bytes: Uint8Array },
    round: number,
    head: ChainHead,
    sequences = this.#o.run.rules.evaluationSequences,
    signal?: AbortSignal,
  ): Promise<LossMeasurement> {
    if (head.height !== this.#height) throw new LossError('another state is loaded');
    const { run, meter } = this.#o;
    const step = { bytes: candidate.bytes, scale: run.rules.evaluationScale };
    let [passes, took] = [0, 0];
    const around = async (text: MeasuredText) => {
      signal?.throwIfAborted();
      const before = await text.before(sequences);
      const batch = rows(await text.batch, 0, sequences, run.manifest.task.training.sequence);
      signal?.throwIfAborted();
      const begun = this.#o.elapsed();
      const after = await meter.losses(batch, step);
      took += this.#o.elapsed() - begun;
      passes += after.length;
      return { before, after };
    };
    const unassigned = await around(this.#unassigned(round, head));
    const assigned = await around(this.#assigned(round, head, candidate.contributor));
    // The machine may be busier now than when the held-out loss was measured.
    this.#msPerSequence = took / passes;
    return { unassigned, assigned };
  }

  /** Text of this round that only this validator knows; its losses before any step are the same for all. */
  #unassigned(round: number, head: ChainHead): MeasuredText {
    this.#enter(round);
    if (this.#unassignedText === null) {
      const { run, secret } = this.#o;
      const beacon = sha256Sync(concatBytes(secret, this.#beacon(round, head)));
      this.#unassignedText = this.#text(assignmentSeed(run.id, round, beacon, secret));
    }
    return this.#unassignedText;
  }

  #assigned(round: number, head: ChainHead, contributor: Uint8Array): MeasuredText {
    this.#enter(round);
    const key = toHex(contributor);
    let text = this.#assignedTexts.get(key);
    if (text === undefined) {
      text = this.#text(assignmentSeed(this.#o.run.id, round, this.#beacon(round, head), contributor));
      this.#assignedTexts.set(key, text);
    }
    return text;
  }

  #beacon(round: number, head: ChainHead): Uint8Array {
    return this.#o.beacon?.(round) ?? head.hash;
  }

  /** Texts belong to one round of one state. */
  #enter(round: number): void {
    if (round === this.#round) return;
    this.#round = round;
    this.#forgetTexts();
  }

  #forgetTexts(): void {
    this.#unassignedText = null;
    this.#assignedTexts.clear();
  }

  #text(seed: Uint8Array): MeasuredText {
    const batch = this.#batch(seed);
    batch.catch(() => {}); // whoever measures with it hears of it
    return new MeasuredText(batch, this.#o.meter, this.#o.run.manifest.task.training.sequence);
  }

  async #batch(seed: Uint8Array): Promise<Batch> {
    const { manifest, rules } = this.#o.run;
    const { training, data } = manifest.task;
    const { sequence } = training;
    const refs: SequenceRef[] = assignedSequences(seed, rules.evaluationSequences, {
      shardTokens: data.train.map((shard) => shard.tokens),
      sequence,
    });
    const shards = new Map<number, Uint16Array>();
    for (const { shard } of refs) shards.set(shard, await this.shard(shard));
    return gatherBatch(refs, shards, sequence);
  }

  /** Tokens of a training shard; the last few are kept. Rejects with LossError when it is missing or damaged. */
  shard(index: number): Promise<Uint16Array> {
    const known = this.#shards.get(index);
    if (known !== undefined) return known;
    const ref = this.#o.run.manifest.task.data.train[index];
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
    return decodeShard(bytes, this.#o.run.manifest.model.vocabSize, ref.tokens);
  }
}

/** Sequences `from` to `to` (exclusive) of a batch, as far as it has them. */
function rows(batch: Batch, from: number, to: number, sequence: number): Batch {
  const [start, end] = [from * sequence, Math.max(from, to) * sequence];
  return { tokens: batch.tokens.slice(start, end), targets: batch.targets.slice(start, end) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
