/**
 * The machine room of an attack: the real engine, compression, outer step and loss measurement on a small model and
 * real text, shared by all peers of a simulated swarm and by all runs of one command.
 *
 * Everything is a function of its inputs, so it is remembered by them: a peer that trains from the same state with the
 * same data and the same carried error and moments sends the same bytes. A run in which every attacker was refused
 * therefore costs hardly more than the attackers' own judging.
 */
import { readFileSync } from 'node:fs';
import { LossError, type LossMeter } from '../src/gauntlet/loss-meter.ts';
import { blobPath, prepareData } from '../src/host/prepare.ts';
import { RoundLosses } from '../src/gauntlet/round-losses.ts';
import { answerProblem, refusedRootMatches } from '../src/gauntlet/audit.ts';
import { inspectorFor } from '../src/gauntlet/inspect.ts';
import { compareReplay, judgeReplay, type ReplayedRound } from '../src/gauntlet/replay.ts';
import { Replayer } from '../src/gauntlet/replayer.ts';
import type { AuditCase, Auditor, Trainer } from '../src/gauntlet/simulation.ts';
import type { Gpu } from '../src/kernels/gpu.ts';
import { genesisTheta, thetaToFloat } from '../src/model/init.ts';
import { type ParameterLayout, parameterLayout } from '../src/model/layout.ts';
import { createOrtEvaluator, type OrtEvaluator } from '../src/model/ort-evaluator.ts';
import { type Preset, preset, presetManifest } from '../src/model/presets.ts';
import { decodeShard } from '../src/model/shards.ts';
import { concatBytes, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import { type CarryDigests, carryDigests, carryRoot, zeroCarry } from '../src/protocol/carry.ts';
import { type ChainHead, genesisHead } from '../src/protocol/certificate.ts';
import { encodeCanonical } from '../src/protocol/codec.ts';
import { createIdentity, type Identity } from '../src/protocol/identity.ts';
import type { GauntletRules, Manifest } from '../src/protocol/manifest.ts';
import { compressCpu } from '../src/sparseloco/compress-cpu.ts';
import { CpuReplica } from '../src/sparseloco/cpu-replica.ts';
import { stateRoot } from '../src/sparseloco/state.ts';
import { addScaled, type SparseUpdate } from '../src/sparseloco/update.ts';
import { decodeSubmission, encodeSubmission } from '../src/sparseloco/wire.ts';
import { assignedBatches, assignmentSeed } from '../src/training/assignment.ts';
import { createEngine } from '../src/training/engine.ts';
import { learningRateAt } from '../src/training/learning-rate.ts';
import type { Batch, TrainingEngine } from '../src/training/types.ts';
import { outcomesOf, type TrainJob, type Trained } from './history.ts';

/** What a run needs of a lab; tests put made-up training behind it. */
export type Workshop = Pick<Lab, keyof Lab>;

export interface LabOptions {
  readonly gpu: Gpu;
  readonly seed: number;
  /** Where prepared text is kept. */
  readonly folder: string;
  /** Over which the learning rate falls: without that the last rounds' noise would drown what an attack does. */
  readonly rounds: number;
  readonly rules?: Partial<GauntletRules>;
}

/**
 * Smallest model that still learns from text in a few seconds on a CPU: one layer, 82 thousand parameters. With an output
 * matrix of its own: with tied ones so small a model stands still at the frequencies of single tokens from the fifth round
 * to the tenth, which hid what attacks do; and when it gets away from there is luck, which looked like their doing.
 */
const base = (rounds: number): Preset => {
  const tiny = preset('tiny');
  return {
    ...tiny,
    model: { ...tiny.model, vocabSize: 320, layers: 1, intermediateSize: 128, tiedEmbeddings: false },
    training: {
      ...tiny.training,
      batch: 4,
      sequence: 32,
      maxInnerSteps: 16,
      learningRate: 3e-3,
      totalRounds: rounds,
    },
  };
};
/** What a run that expects attackers sets beside the preset's rules. */
const RULES = { auditsPerRound: 4, trialFrom: 6, rampRounds: 8, maxShare: 0.1 };
const HELD_OUT = 256;
const ORGANIZER = 'attack harness';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const named = (name: string): Uint8Array => sha256Sync(text(`tabswarm attack\n${name}`));

export class Lab {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly layout: ParameterLayout;
  readonly validator: Identity;
  /** Training shards by index. */
  readonly shards: ReadonlyMap<number, Uint16Array>;
  readonly #engine: TrainingEngine;
  readonly #replayer: Replayer;
  readonly #evaluator: OrtEvaluator;
  readonly #blob: (hash: Uint8Array) => Uint8Array;
  readonly #seed: number;
  /** Certified states by root. */
  readonly #states = new Map<string, Int32Array>();
  readonly #trained = new Map<string, Promise<Trained>>();
  readonly #replayed = new Map<string, Promise<ReplayedRound>>();
  readonly #applied = new Map<string, Promise<Uint8Array>>();
  readonly #losses = new Map<string, Promise<number>>();
  #engineFree: Promise<unknown> = Promise.resolve();

  static async open(options: LabOptions): Promise<Lab> {
    const settings = base(options.rounds);
    const { model, training, sparseloco } = settings;
    const prepared = await prepareData(options.folder, {
      vocabSize: model.vocabSize,
      sequence: training.sequence,
    });
    const validator = await createIdentity(named('validator'));
    const theta = genesisTheta(model, `attack ${options.seed}`, sparseloco.fractionBits);
    const root = await stateRoot(theta, parameterLayout(model));
    const manifest = presetManifest(settings, {
      name: 'attack',
      description: 'A simulated swarm with dishonest peers.',
      organizer: { name: ORGANIZER, contact: ORGANIZER, key: validator.publicKey },
      tokenizer: prepared.tokenizer,
      data: prepared,
      genesis: { root, checkpoint: prepared.tokenizer },
      validators: [{ key: validator.publicKey, weight: 1 }],
      startMs: 0,
      overrides: {
        gauntlet: { maxAccepted: 64, heldOutSequences: HELD_OUT, ...RULES, ...options.rules },
        // Joining is real work, but the machine has better things to do here than a lot of it.
        admission: { joinBits: 4 },
      },
    });
    const { batch, sequence, accumulation } = training;
    const engine = await createEngine({
      gpu: options.gpu,
      config: model,
      batch,
      sequence,
      accumulation,
      optimizer: training,
    });
    const replayer = await Replayer.open(options.gpu, manifest);
    const evaluator = await createOrtEvaluator(model, { batch: 1, sequence, threads: 1 });
    const blob = (hash: Uint8Array) => readFileSync(blobPath(options.folder, hash));
    return new Lab({ manifest, validator, engine, replayer, evaluator, blob, theta, seed: options.seed });
  }

  private constructor(parts: {
    manifest: Manifest;
    validator: Identity;
    engine: TrainingEngine;
    replayer: Replayer;
    evaluator: OrtEvaluator;
    blob: (hash: Uint8Array) => Uint8Array;
    theta: Int32Array;
    seed: number;
  }) {
    const { manifest } = parts;
    this.manifest = manifest;
    this.validator = parts.validator;
    this.#engine = parts.engine;
    this.#replayer = parts.replayer;
    this.#evaluator = parts.evaluator;
    this.#blob = parts.blob;
    this.#seed = parts.seed;
    this.layout = parts.engine.layout;
    this.runId = sha256Sync(encodeCanonical(manifest));
    const { vocabSize } = manifest.model;
    this.shards = new Map(
      manifest.data.train.map((ref, i) => [i, decodeShard(parts.blob(ref.hash), vocabSize, ref.tokens)]),
    );
    this.#states.set(toHex(manifest.genesis.root), parts.theta);
  }

  /** A peer's key: the same in every run with this seed. */
  identity(name: string): Promise<Identity> {
    return createIdentity(named(`${this.#seed} ${name}`));
  }

  /**
   * The beacon that data is assigned by. In a live run it is the certificate's hash; here it is the round's alone, so
   * that an attack changes nobody's data and its run can be compared with the clean one, peer by peer.
   */
  beacon(round: number): Uint8Array {
    return named(`${this.#seed} beacon ${round}`);
  }

  /** Seed of a round's lots. In a live run the hash of all seals; here the round's alone, for the same reason. */
  lots(round: number): Uint8Array {
    return named(`${this.#seed} lots ${round}`);
  }

  /** Batches of the text assigned to a contributor. */
  assigned(contributor: Uint8Array, round: number): Generator<Batch, never> {
    const { data, training } = this.manifest;
    const seed = assignmentSeed(this.runId, round, this.beacon(round), contributor);
    const shardTokens = data.train.map(({ tokens }) => tokens);
    return assignedBatches(seed, { shardTokens, sequence: training.sequence }, training.batch, this.shards);
  }

  state(root: Uint8Array): Int32Array {
    const theta = this.#states.get(toHex(root));
    if (theta === undefined) throw new Error(`no state has the root ${toHex(root)}`);
    return theta;
  }

  train(job: TrainJob): Promise<Trained> {
    const { contributor, round, head, carry, steps, data } = job;
    const who = toHex(contributor).slice(0, 16);
    const key = [toHex(head.root), head.height, who, round, steps, carry.id, data?.name ?? ''].join(' ');
    return remembered(this.#trained, key, () => {
      const work = this.#engineFree.then(() => this.#train(job, toHex(sha256Sync(text(key)))));
      this.#engineFree = work.catch(() => {});
      return work;
    });
  }

  async #train(job: TrainJob, id: string): Promise<Trained> {
    const { contributor, round, head, carry, steps } = job;
    const { training, sparseloco } = this.manifest;
    const engine = this.#engine;
    const theta = this.state(head.root);
    engine.setParameters(thetaToFloat(theta, sparseloco.fractionBits));
    engine.setOptimizer({ m: carry.moment1, v: carry.moment2, step: carry.step });
    const batches = job.data?.batches ?? this.assigned(contributor, round);
    let tokens = 0;
    for (let step = 0; step < steps; step++) {
      const micro: Batch[] = [];
      while (micro.length < training.accumulation) {
        const next = batches.next();
        if (next.done === true) throw new RangeError(`the data ended after ${step} inner steps`);
        micro.push(next.value);
        tokens += next.value.targets.length;
      }
      await engine.step(micro, learningRateAt(training, head.height, step));
    }
    const parameters = await engine.readParameters();
    const { m, v, step } = await engine.readOptimizer();
    const compressed = compressCpu({ theta, parameters, error: carry.error }, this.layout, sparseloco);
    const bytes = this.encode(compressed.update, contributor, round);
    const error = Float32Array.from(compressed.error);
    const moments = { moment1: Float32Array.from(m), moment2: Float32Array.from(v), step };
    return {
      tokens,
      innerSteps: steps,
      ...(await outcomesOf(this.layout, carry, { id, error, ...moments }, compressed.update)),
      bytes,
    };
  }

  /** Replays what contributors claim, on the same engine as everybody's here. */
  async auditor(): Promise<Auditor> {
    const zero = await zeroCarry(this.layout.elements);
    return { zeroRoot: carryRoot(zero), judge: (audit) => this.#judgeAudit(audit, zero) };
  }

  async #judgeAudit({ work, round, head, roots, answer }: AuditCase, zero: CarryDigests) {
    const failed = (detail: string) => ({ outcome: 'failed' as const, detail });
    const before = answer.before === null ? null : await carryDigests(answer.before);
    const after = await carryDigests(answer.after);
    const problem = answerProblem({ before, after }, roots, zero);
    if (problem !== null) return failed(problem);
    const sent = this.decode(work.bytes);
    if (!(await refusedRootMatches(after, answer.after.error, sent, roots, this.layout)))
      return failed('shows another carry after a refusal than committed');
    const { contributor, innerSteps } = work;
    const job = {
      theta: this.state(head.root),
      before: answer.before,
      seed: assignmentSeed(this.runId, round, this.beacon(round), contributor),
      height: head.height,
      innerSteps,
      shards: this.shards,
    };
    const key = [head.root, roots.before, job.seed].map(toHex).join(' ');
    const replayed = await remembered(this.#replayed, `${key} ${head.height} ${innerSteps}`, () => {
      const turn = this.#engineFree.then(() => this.#replayer.replay(job));
      this.#engineFree = turn.catch(() => {});
      return turn;
    });
    const claim = { before: answer.before, after: answer.after, sent, innerSteps };
    return judgeReplay(compareReplay(claim, replayed, this.layout, this.manifest.sparseloco));
  }

  decode(bytes: Uint8Array): SparseUpdate {
    return decodeSubmission(bytes, this.layout, this.manifest.sparseloco).update;
  }

  encode(update: SparseUpdate, contributor: Uint8Array, round: number): Uint8Array {
    const header = { run: this.runId, round, contributor };
    return encodeSubmission(update, header, this.layout, this.manifest.sparseloco);
  }

  /** What the simulated swarm needs of the model; `train` is each peer's own business here. */
  trainer(): Trainer {
    const { inspect, maxBytes } = inspectorFor(this.manifest);
    return {
      inspect,
      maxBytes,
      train: () => {
        throw new Error('peers of an attack bring their own work');
      },
      evaluate: (round, head) => this.#evaluate(round, head),
      apply: (root, submissions) => this.#apply(root, submissions),
    };
  }

  #apply(root: Uint8Array, submissions: readonly { bytes: Uint8Array; weight: number }[]) {
    const parts = submissions.map(({ bytes, weight }) => `${toHex(sha256Sync(bytes))} ${weight}`);
    return remembered(this.#applied, [toHex(root), ...parts].join('\n'), async () => {
      const replica = new CpuReplica(this.layout, this.manifest.sparseloco);
      await replica.load(this.state(root));
      const after = await replica.apply(submissions);
      this.#states.set(toHex(after), await replica.read());
      return after;
    });
  }

  #evaluate(round: number, head: ChainHead) {
    const losses = this.#roundLosses(head);
    // Text is assigned by the round's beacon, not by the certificate: see beacon().
    const own = { ...head, hash: this.beacon(round) };
    return async (candidate: { contributor: Uint8Array; bytes: Uint8Array }) =>
      (await losses).measure(candidate, round, own);
  }

  async #roundLosses(head: ChainHead): Promise<RoundLosses> {
    const losses = new RoundLosses({
      manifest: this.manifest,
      runId: this.runId,
      meter: this.#meter(),
      readBlob: async (ref) => this.#blob(ref.hash),
      secret: named(`${this.#seed} secret`),
    });
    await losses.load(head.height, this.state(head.root));
    return losses;
  }

  /** Held-out loss of a certified state, nats per token. */
  async heldOut(root: Uint8Array): Promise<number> {
    const head = { ...genesisHead(this.manifest, this.runId), root };
    return (await this.#roundLosses(head)).heldOut();
  }

  #meter(): LossMeter {
    let parameters: Float32Array | null = null;
    let name = '';
    const { sequence } = this.manifest.training;
    const { sparseloco } = this.manifest;
    return {
      load: async (theta) => {
        parameters = thetaToFloat(theta, sparseloco.fractionBits);
        name = toHex(sha256Sync(new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength)));
      },
      losses: async (batch, step) => {
        if (parameters === null) throw new LossError('no state was loaded');
        let stepped: Float32Array | null = null;
        const start = parameters;
        const after = () => {
          stepped ??= start.slice();
          if (step !== undefined)
            addScaled(stepped, this.decode(step.bytes), this.layout, -sparseloco.alpha * step.scale);
          return stepped;
        };
        const what = step === undefined ? '' : `${toHex(sha256Sync(step.bytes))} ${step.scale}`;
        const losses: number[] = [];
        for (let at = 0; at < batch.tokens.length; at += sequence) {
          const tokens = batch.tokens.slice(at, at + sequence);
          const targets = batch.targets.slice(at, at + sequence);
          const row = toHex(
            sha256Sync(concatBytes(new Uint8Array(tokens.buffer), new Uint8Array(targets.buffer))),
          );
          const measured = remembered(this.#losses, `${name} ${row} ${what}`, () =>
            this.#evaluator.evaluate(stepped ?? after(), tokens, targets),
          );
          losses.push(await measured);
        }
        return losses;
      },
      close: async () => {},
    };
  }

  async close(): Promise<void> {
    await this.#evaluator.close();
  }
}

function remembered<T>(memory: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let value = memory.get(key);
  if (value === undefined) {
    value = make();
    memory.set(key, value);
  }
  return value;
}
