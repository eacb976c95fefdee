/** Small runs, an in-memory swarm and a contributor for the host's tests: real protocol code, no network, no GPU. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preset } from '../../model/presets.ts';
import { parameterLayout } from '../../model/layout.ts';
import { sha256, toHex } from '../../protocol/bytes.ts';
import { type CarryRoots, partBytes } from '../../protocol/carry.ts';
import type { ChainHead } from '../../protocol/certificate.ts';
import { open, seal } from '../../protocol/envelope.ts';
import { createIdentity, type Identity } from '../../protocol/identity.ts';
import { solveJoin } from '../../protocol/join.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { Message, MessageKind, MessageOf } from '../../protocol/messages.ts';
import { sealOf } from '../../protocol/seal.ts';
import { CpuReplica } from '../../sparseloco/cpu-replica.ts';
import { randomSource } from '../../sparseloco/testing.ts';
import { BlobUnavailableError, type FetchOptions } from '../../swarm/types.ts';
import { CarryKeeper } from '../../worker/carry.ts';
import type { Batch } from '../../training/types.ts';
import type { LossMeter } from '../../gauntlet/loss-meter.ts';
import type { NewRun } from '../open-run.ts';

/** A folder that is removed by the returned function. */
export function temporaryFolder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'tabswarm-host-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}

/** About 60 KB of made-up sentences: enough for the smallest tokenizer, prepared in a fraction of a second. */
export function writeCorpus(dir: string): string {
  const random = randomSource(11);
  const words =
    'the of people union states government great year congress public peace war law nation may shall'.split(
      ' ',
    );
  const lines: string[] = [];
  for (let i = 0; i < 900; i++) {
    const sentence = Array.from(
      { length: 8 + Math.floor(8 * random()) },
      () => words[Math.floor(words.length * random() ** 2)],
    );
    lines.push(`${sentence.join(' ')}.`);
  }
  const path = join(dir, 'corpus.txt');
  writeFileSync(path, lines.join('\n'));
  return path;
}

/** The `tiny` preset on the made-up text, with short sequences. */
export function smallRun(corpus: string, change: NewRun['overrides'] = {}): NewRun {
  return {
    preset: preset('tiny'),
    name: 'test run',
    corpus,
    shardTokens: 1024,
    startMs: START,
    overrides: {
      ...change,
      training: { sequence: 32, ...change?.training },
      gauntlet: { evaluationSequences: 2, heldOutSequences: 4, ...change?.gauntlet },
      admission: { joinBits: 4, ...change?.admission },
    },
  };
}

/** Round 0 of {@link smallRun} begins here; rounds last 10 s, as in the preset. */
export const START = 1_800_000_000_000;

/** Losses from a rule instead of a model: every step improves, unless `worse` says otherwise. */
export class PretendedLosses implements LossMeter {
  /** Submissions (hex hashes) whose step makes the loss worse, or whose measurement fails. */
  readonly worse = new Set<string>();
  readonly failing = new Set<string>();
  loaded = 0;
  /** Measurements with a step, begun so far. */
  trials = 0;

  async load(): Promise<void> {
    this.loaded++;
  }

  async losses(batch: Batch, step?: { bytes: Uint8Array; scale: number }): Promise<number[]> {
    const count = batch.tokens.length / 32;
    if (step === undefined) return Array.from({ length: count }, () => 6);
    this.trials++;
    const hash = toHex(await sha256(step.bytes));
    if (this.failing.has(hash)) throw new Error('the runtime failed');
    return Array.from({ length: count }, (_, i) => (this.worse.has(hash) ? 7 : 5.9) + 1e-3 * i);
  }

  async close(): Promise<void> {}
}

/** The host's end of a swarm: keeps what is published, and has what contributors serve. */
export class MemorySwarm {
  readonly peerId = '12D3KooWTestHost';
  readonly blobs = new Map<string, Uint8Array>();
  readonly serving = new Map<string, Uint8Array>();
  readonly published: Message[] = [];
  readonly #waiters: (() => void)[] = [];

  async publish(bytes: Uint8Array): Promise<number> {
    const opened = await open(bytes);
    if (!opened.ok) throw new Error(opened.detail);
    this.published.push(opened.message);
    for (const waiter of this.#waiters.splice(0)) waiter();
    return 1;
  }

  async fetch(hash: Uint8Array, options: FetchOptions): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = this.blobs.get(toHex(hash));
    if (bytes === undefined || bytes.byteLength !== options.size)
      throw new BlobUnavailableError('nobody has it');
    return new Uint8Array(bytes);
  }

  serve(hash: Uint8Array, bytes: Uint8Array): void {
    this.serving.set(toHex(hash), bytes);
  }

  forget(hash: Uint8Array): void {
    this.serving.delete(toHex(hash));
  }

  count(kind: MessageKind): number {
    return this.published.filter((message) => message.kind === kind).length;
  }

  /** Message number `nth` (from 1) of that kind, once it is published. */
  async heard<K extends MessageKind>(kind: K, nth = 1): Promise<MessageOf<K>> {
    for (;;) {
      const found = this.published.filter((message) => message.kind === kind)[nth - 1];
      if (found !== undefined) return found as MessageOf<K>;
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }
}

/** A contributor that moves its model at random, compresses for real and signs for real. */
export class PretendedContributor {
  readonly identity: Identity;
  readonly replica: CpuReplica;
  readonly keeper: CarryKeeper;
  readonly #manifest: Manifest;
  readonly #runId: Uint8Array;

  private constructor(identity: Identity, manifest: Manifest, runId: Uint8Array) {
    this.identity = identity;
    this.#manifest = manifest;
    this.#runId = runId;
    this.replica = new CpuReplica(parameterLayout(manifest.model), manifest.sparseloco);
    this.keeper = new CarryKeeper(this.replica.layout, manifest.sparseloco);
  }

  static async create(seed: number, manifest: Manifest, runId: Uint8Array, theta: Int32Array) {
    const identity = await createIdentity(new Uint8Array(32).fill(seed));
    const contributor = new PretendedContributor(identity, manifest, runId);
    await contributor.replica.load(theta);
    return contributor;
  }

  /** The sealed message that asks to be admitted with the certificate after `head`. */
  async join(head: ChainHead): Promise<Uint8Array> {
    const challenge = { run: this.#runId, certificate: head.hash, contributor: this.identity.publicKey };
    const nonce = await solveJoin(challenge, head.joinBits);
    return seal(this.identity, { kind: 'join', run: this.#runId, certificate: head.hash, nonce });
  }

  /** Error feedback is real, moments are made up: whoever replays here only pretends to. */
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

  /** What it shows when it is audited, sealed, and the parts it then serves. */
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
      kind: 'carry',
      run: this.#runId,
      round,
      before: snapshot.before?.digests ?? null,
      after: snapshot.after.digests,
      peer: '12D3KooWSomebody',
    });
    return { answer, parts };
  }

  /** A round's work: the submission's bytes, and sealed commit and reveal. */
  async work(round: number, change: { scale?: number; baseRoot?: Uint8Array } = {}) {
    const { identity, replica } = this;
    const random = randomSource(identity.publicKey[0] * 1000 + round);
    const parameters = replica.parameters();
    for (let i = 0; i < parameters.length; i++)
      parameters[i] = parameters[i] + (change.scale ?? 1) * 0.01 * (random() - 0.5);
    const { bytes } = await replica.compress(parameters, {
      run: this.#runId,
      round,
      contributor: identity.publicKey,
    });
    const submission = { hash: await sha256(bytes), size: bytes.byteLength };
    const { batch, accumulation, sequence } = this.#manifest.training;
    const commit = await seal(identity, {
      kind: 'commit',
      run: this.#runId,
      round,
      seal: sealOf(this.#runId, round, identity.publicKey, submission.hash),
      size: submission.size,
      tokens: 4 * batch * accumulation * sequence,
      innerSteps: 4,
      baseRoot: change.baseRoot ?? (await replica.root()),
      trainLoss: 6,
      ...((this.#manifest.gauntlet.auditsPerRound ?? 0) > 0
        ? { carry: await this.#carry(round, bytes) }
        : {}),
    });
    const reveal = await seal(identity, {
      kind: 'reveal',
      run: this.#runId,
      round,
      submission,
      peer: '12D3KooWSomebody',
    });
    return { bytes, submission, commit, reveal };
  }
}
