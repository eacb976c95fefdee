/**
 * A contributor and a loss meter for tests of validators and hosts: real protocol code, real compression and real
 * signatures around work that nobody trained. No GPU, no network.
 */
import type { ChainHead } from '../chain/certificate.ts';
import type { Run } from '../chain/run.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { sha256, toHex } from '../protocol/bytes.ts';
import { seal } from '../protocol/envelope.ts';
import { createIdentity, type Identity } from '../protocol/identity.ts';
import { solveJoin } from '../protocol/join.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { sealOf } from '../protocol/seal.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { randomSource } from '../sparseloco/testing.ts';
import { type CarryRoots, partBytes } from '../training/carry.ts';
import type { Batch } from '../training/types.ts';
import { encodeAnswer, encodeClaim } from '../work/pretrain/claim.ts';
import { CarryKeeper } from '../work/pretrain/carry-keeper.ts';

/** Losses from a rule instead of a model: every step improves, unless `worse` says otherwise. */
export class PretendedLosses implements LossMeter {
  /** Submissions (hex hashes) whose step makes the loss worse, or whose measurement fails. */
  readonly worse = new Set<string>();
  readonly failing = new Set<string>();
  loaded = 0;
  /** Measurements with a step, begun so far. */
  trials = 0;
  readonly #sequence: number;

  /** `sequence`: tokens in a sequence of the run, by which the losses asked for are counted. */
  constructor(sequence = 32) {
    this.#sequence = sequence;
  }

  async load(): Promise<void> {
    this.loaded++;
  }

  async losses(batch: Batch, step?: { bytes: Uint8Array; scale: number }): Promise<number[]> {
    const count = batch.tokens.length / this.#sequence;
    if (step === undefined) return Array.from({ length: count }, () => 6);
    this.trials++;
    const hash = toHex(await sha256(step.bytes));
    if (this.failing.has(hash)) throw new Error('the runtime failed');
    return Array.from({ length: count }, (_, i) => (this.worse.has(hash) ? 7 : 5.9) + 1e-3 * i);
  }

  async close(): Promise<void> {}
}

/** A round's work: the submission, the claim of it, and sealed commit and reveal. */
export interface PretendedWork {
  readonly bytes: Uint8Array;
  readonly submission: BlobRef;
  readonly claim: Uint8Array;
  readonly commit: Uint8Array;
  readonly reveal: Uint8Array;
}

/** A contributor that moves its model at random, compresses for real and signs for real. */
export class PretendedContributor {
  readonly identity: Identity;
  readonly replica: CpuReplica;
  readonly keeper: CarryKeeper;
  /** The libp2p peer that its messages name. */
  readonly peer: string;
  readonly #run: Run;

  private constructor(identity: Identity, run: Run, peer: string) {
    this.identity = identity;
    this.peer = peer;
    this.#run = run;
    this.replica = new CpuReplica(run.layout, run.manifest.sparseloco);
    this.keeper = new CarryKeeper(run.layout, run.manifest.sparseloco);
  }

  /** `seed`: 0 to 255, the same number gives the same key. `theta`: the certified state that its first round starts from. */
  static async create(
    seed: number,
    run: Run,
    theta: Int32Array,
    peer = '12D3KooWSomebody',
  ): Promise<PretendedContributor> {
    const identity = await createIdentity(new Uint8Array(32).fill(seed));
    const contributor = new PretendedContributor(identity, run, peer);
    await contributor.replica.load(theta);
    return contributor;
  }

  /** The sealed message that asks to be admitted with the certificate after `head`. */
  async join(head: ChainHead): Promise<Uint8Array> {
    const run = this.#run.id;
    const challenge = { run, certificate: head.hash, contributor: this.identity.publicKey };
    const nonce = await solveJoin(challenge, head.joinBits);
    return seal(this.identity, { kind: 'join', run, certificate: head.hash, nonce });
  }

  /** Error feedback is real, moments are made up: whoever replays them only pretends to. */
  async #carry(round: number, submission: Uint8Array): Promise<CarryRoots> {
    const error = this.replica.errorFeedback();
    const moment = (of: number) => new Float32Array(error.length).fill(round + of);
    const step = (this.keeper.current?.step ?? 0) + 4;
    return this.keeper.finish(
      round,
      { error, moment1: moment(0.25), moment2: moment(0.5), step },
      submission,
    );
  }

  /** What it shows when it is audited, sealed, and the parts it then serves, by hex hash. */
  async show(round: number): Promise<{ answer: Uint8Array; parts: Map<string, Uint8Array> }> {
    const snapshot = this.keeper.snapshot(round);
    if (snapshot === null) throw new Error(`round ${round} is not the last finished one`);
    const parts = new Map<string, Uint8Array>();
    for (const carry of [snapshot.before, snapshot.after]) {
      if (carry === null) continue;
      for (const part of ['error', 'moment1', 'moment2'] as const)
        parts.set(toHex(carry.digests[part]), partBytes(carry[part]));
    }
    const answer = await seal(this.identity, {
      kind: 'answer',
      run: this.#run.id,
      round,
      answer: encodeAnswer({ before: snapshot.before?.digests ?? null, after: snapshot.after.digests }),
      peer: this.peer,
    });
    return { answer, parts };
  }

  /** Does a round's work. `scale`: how far the model moves; `baseRoot`: a state that it claims to have started from. */
  async work(
    round: number,
    change: { readonly scale?: number; readonly baseRoot?: Uint8Array } = {},
  ): Promise<PretendedWork> {
    const { identity, replica } = this;
    const { id, manifest, rules } = this.#run;
    // Of the whole key: one byte of it is the same for two of twenty contributors, and their work would be a copy.
    const { buffer, byteOffset } = identity.publicKey;
    const random = randomSource(new DataView(buffer, byteOffset).getUint32(0) + round);
    const parameters = replica.parameters();
    for (let i = 0; i < parameters.length; i++)
      parameters[i] = parameters[i] + (change.scale ?? 1) * 0.01 * (random() - 0.5);
    const { bytes } = await replica.compress(parameters, { run: id, round, contributor: identity.publicKey });
    const submission = { hash: await sha256(bytes), size: bytes.byteLength };
    const { batch, accumulation, sequence } = manifest.task.training;
    const claim = encodeClaim({
      submission,
      tokens: 4 * batch * accumulation * sequence,
      innerSteps: 4,
      baseRoot: change.baseRoot ?? (await replica.root()),
      carry: rules.auditsPerRound > 0 ? await this.#carry(round, bytes) : null,
    });
    const sealed = sealOf(id, round, identity.publicKey, claim);
    return {
      bytes,
      submission,
      claim,
      commit: await seal(identity, { kind: 'commit', run: id, round, seal: sealed }),
      reveal: await seal(identity, { kind: 'reveal', run: id, round, claim, peer: this.peer }),
    };
  }
}
