/**
 * A contributor's side of pre-training: gathers the assigned text, has the trainer take inner steps until the time is up,
 * and makes the claim that goes with the submission.
 */
import type { Staged, WeightedBytes } from '../../chain/follower.ts';
import type { Run } from '../../chain/run.ts';
import type { OwnReason } from '../../chain/own-reason.ts';
import { afterRefusal } from '../../gauntlet/carries.ts';
import { decodeShard } from '../../model/shards.ts';
import { sha256 } from '../../protocol/bytes.ts';
import type { BlobRef } from '../../protocol/schema.ts';
import type { Clock } from '../../protocol/timer.ts';
import { assignedShards, assignmentSeed } from '../../training/assignment.ts';
import { partBytes } from '../../training/carry.ts';
import type { Done, PerformHooks, Performer, PerformRound, Settlement, Shown } from '../workload.ts';
import { encodeAnswer, encodeClaim, type PretrainClaim } from './claim.ts';
import { textAhead } from './text-ahead.ts';
import type { RoundWork, TrainerClient, TrainProgress } from './trainer-api.ts';

export interface PretrainPerformingOptions {
  readonly run: Run;
  readonly trainer: TrainerClient;
  /** Bytes of one of the manifest's blobs. Rejects when nobody has it. */
  readonly fetch: (ref: BlobRef, signal: AbortSignal) => Promise<Uint8Array>;
  /** The swarm's clock, and how this machine's clock shows a time of it: the trainer knows only the latter. */
  readonly clock: Clock & { toLocal(time: number): number };
  readonly onProgress: (round: number, progress: TrainProgress) => void;
  readonly onWork: (round: number, claim: PretrainClaim, work: RoundWork) => void;
  /** Draws assigned text by another beacon than the head's hash: for simulations that compare runs. */
  readonly beacon?: (round: number) => Uint8Array;
}

/** Before the first compression was measured: a share of the round, but not more than compiling kernels takes. */
const FIRST_FINISH_SHARE = 0.05;
const FIRST_FINISH_MAX_MS = 4000;

export class PretrainPerforming implements Performer {
  /** A GPU cannot go back to the state before: a wrong root means a checkpoint. */
  readonly atomic = false;
  readonly #o: PretrainPerformingOptions;
  #finishMs: number;

  constructor(options: PretrainPerformingOptions) {
    this.#o = options;
    const { roundMs } = options.run.manifest.schedule;
    this.#finishMs = Math.min(FIRST_FINISH_MAX_MS, FIRST_FINISH_SHARE * roundMs);
  }

  get finishMs(): number {
    return this.#finishMs;
  }

  load(theta: Int32Array): Promise<Uint8Array> {
    return this.#o.trainer.load(theta);
  }

  async stage(work: readonly WeightedBytes[]): Promise<Staged> {
    const { trainer } = this.#o;
    const root = await trainer.apply(work);
    return { root, theta: () => trainer.theta(), commit: () => {} };
  }

  async prepare(signal: AbortSignal): Promise<void> {
    const shards = this.#o.run.manifest.task.data.train
      .map((shard) => ({ shard, lot: Math.random() }))
      .sort((a, b) => a.lot - b.lot);
    for (const shard of textAhead(shards.map((one) => one.shard))) {
      if (signal.aborted) return;
      // What cannot be had now is asked for again when it is needed.
      await this.#o.fetch(shard, signal).catch(() => {});
    }
  }

  async perform(
    { round, head, contributor, until }: PerformRound,
    { begun, finishing, wanted }: PerformHooks,
    signal: AbortSignal,
  ): Promise<Done | null> {
    const { run, trainer, clock, onProgress, onWork, beacon } = this.#o;
    const seed = assignmentSeed(run.id, round, beacon?.(round) ?? head.hash, contributor);
    const shards = await this.#shards(seed, signal);
    begun();
    const assignment = { seed, height: head.height, shards };
    await trainer.train(assignment, clock.toLocal(until), (progress) => onProgress(round, progress));
    if (signal.aborted || !wanted()) return null;
    finishing();
    const start = clock.now();
    const work = await trainer.finish({ run: run.id, round, contributor });
    if (work === null) return null;
    this.#finishMs = Math.max(clock.now() - start, 0.7 * this.#finishMs);
    const { submission: bytes, tokens, innerSteps, carry } = work;
    const submission = { hash: await sha256(bytes), size: bytes.byteLength };
    const claim = { submission, tokens, innerSteps, baseRoot: head.root, carry };
    onWork(round, claim, work);
    return { claim: encodeClaim(claim), bytes };
  }

  stop(): void {
    void this.#o.trainer.stop().catch(() => {});
  }

  settle(outcome: Settlement): Promise<void> {
    return this.#o.trainer.settle(outcome);
  }

  async answer(round: number): Promise<Shown | null> {
    const carry = await this.#o.trainer.carry(round);
    if (carry === null) return null;
    const { before, after } = carry;
    const parts = [before, after].flatMap((one) =>
      one === null
        ? []
        : ([
            [one.digests.error, partBytes(one.error)],
            [one.digests.moment1, partBytes(one.moment1)],
            [one.digests.moment2, partBytes(one.moment2)],
          ] as const),
    );
    const answer = encodeAnswer({ before: before?.digests ?? null, after: after.digests });
    return { answer, parts };
  }

  /**
   * Without audits nobody knows what is carried, so everything goes on. With audits the validators let a contributor go on
   * from a refused round only where its own doing was not the cause; where nothing was heard of the round, it does too.
   */
  afterRefusal(reason: OwnReason | undefined): Exclude<Settlement, 'accepted'> {
    if (!this.#o.run.rules.audited || reason === undefined) return 'refused';
    return reason === 'not-listed' ? 'reset' : afterRefusal(reason);
  }

  async #shards(seed: Uint8Array, signal: AbortSignal): Promise<ReadonlyMap<number, Uint16Array>> {
    const { manifest } = this.#o.run;
    const shards = new Map<number, Uint16Array>();
    for (const index of assignedShards(seed, manifest.task.data.train.length)) {
      const ref = manifest.task.data.train[index];
      if (ref === undefined) continue;
      const bytes = await this.#o.fetch(ref, signal);
      shards.set(index, decodeShard(bytes, manifest.model.vocabSize, ref.tokens));
    }
    return shards;
  }
}
