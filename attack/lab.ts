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
import { type ChainHead, genesisHead } from '../src/chain/certificate.ts';
import { openRun, type Run } from '../src/chain/run.ts';
import { compareReplay, type ReplayedRound } from '../src/gauntlet/replay.ts';
import { Replayer } from '../src/measure/replayer.ts';
import type { ReplayRequest, Replays } from '../src/measure/replays.ts';
import { RoundLosses } from '../src/measure/round-losses.ts';
import type { Gpu } from '../src/kernels/gpu.ts';
import { genesisTheta, thetaToFloat } from '../src/model/init.ts';
import { type ParameterLayout, parameterLayout } from '../src/model/layout.ts';
import { createOrtEvaluator, type OrtEvaluator } from '../src/model/ort-evaluator.ts';
import { type Preset, preset, presetManifest } from '../src/model/presets.ts';
import { decodeShard } from '../src/model/shards.ts';
import { concatBytes, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import { signManifest } from '../src/protocol/envelope.ts';
import { createIdentity, type Identity } from '../src/protocol/identity.ts';
import type { GauntletRules } from '../src/protocol/manifest.ts';
import { compressCpu } from '../src/sparseloco/compress-cpu.ts';
import { CpuReplica } from '../src/sparseloco/cpu-replica.ts';
import { stateRoot } from '../src/sparseloco/state.ts';
import { VIRTUAL_START } from '../src/sim/virtual-clock.ts';
import { addScaled, type SparseUpdate } from '../src/sparseloco/update.ts';
import { decodeSubmission, encodeSubmission } from '../src/sparseloco/wire.ts';
import { assignedBatches, assignmentSeed } from '../src/training/assignment.ts';
import { createEngine } from '../src/training/engine.ts';
import { assignedSteps, innerSteps } from '../src/training/inner-steps.ts';
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
const fingerprint = ({ buffer, byteOffset, byteLength }: Int32Array | Float32Array): string =>
  toHex(sha256Sync(new Uint8Array(buffer, byteOffset, byteLength)));

export class Lab {
  readonly run: Run;
  readonly layout: ParameterLayout;
  /** Genesis θ, `[elements]`. */
  readonly genesis: Int32Array<ArrayBuffer>;
  /** The manifest's shards as the host serves them, by hex hash. */
  readonly blobs: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly validator: Identity;
  /** Training shards by index. */
  readonly shards: ReadonlyMap<number, Uint16Array>;
  readonly #engine: TrainingEngine;
  readonly #replayer: Replayer;
  readonly #evaluator: OrtEvaluator;
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
      startMs: VIRTUAL_START,
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
    const opened = await openRun(await signManifest(validator, manifest));
    if (!opened.ok) throw new Error(opened.detail);
    const { run } = opened;
    const replayer = await Replayer.open(options.gpu, manifest);
    const evaluator = await createOrtEvaluator(model, { batch: 1, sequence, threads: 1 });
    const { train, heldOut } = manifest.task.data;
    const blobs = new Map(
      [...train, heldOut].map(({ hash }) => [
        toHex(hash),
        new Uint8Array(readFileSync(blobPath(options.folder, hash))),
      ]),
    );
    return new Lab({ run, validator, engine, replayer, evaluator, blobs, theta, seed: options.seed });
  }

  private constructor(parts: {
    run: Run;
    validator: Identity;
    engine: TrainingEngine;
    replayer: Replayer;
    evaluator: OrtEvaluator;
    blobs: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
    theta: Int32Array<ArrayBuffer>;
    seed: number;
  }) {
    const { run, blobs, theta } = parts;
    this.run = run;
    this.validator = parts.validator;
    this.genesis = theta;
    this.blobs = blobs;
    this.#engine = parts.engine;
    this.#replayer = parts.replayer;
    this.#evaluator = parts.evaluator;
    this.#seed = parts.seed;
    this.layout = run.layout;
    const { model, task, genesis } = run.manifest;
    this.shards = new Map(
      task.data.train.map((ref, i) => [i, decodeShard(this.#blob(ref.hash), model.vocabSize, ref.tokens)]),
    );
    this.#states.set(toHex(genesis.root), theta);
  }

  #blob(hash: Uint8Array): Uint8Array {
    const bytes = this.blobs.get(toHex(hash));
    if (bytes === undefined) throw new Error(`there is no blob ${toHex(hash)}`);
    return bytes;
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
    const { data, training } = this.run.manifest.task;
    const seed = assignmentSeed(this.run.id, round, this.beacon(round), contributor);
    const shardTokens = data.train.map(({ tokens }) => tokens);
    return assignedBatches(seed, { shardTokens, sequence: training.sequence }, training.batch, this.shards);
  }

  state(root: Uint8Array): Int32Array {
    const theta = this.#states.get(toHex(root));
    if (theta === undefined) throw new Error(`no state has the root ${toHex(root)}`);
    return theta;
  }

  /** Remembers a state; resolves to its root. */
  async load(theta: Int32Array): Promise<Uint8Array> {
    const root = await stateRoot(theta, this.layout);
    this.#states.set(toHex(root), theta);
    return root;
  }

  train(job: TrainJob): Promise<Trained> {
    const { contributor, round, root, height, carry, steps, data } = job;
    const who = toHex(contributor).slice(0, 16);
    const key = [toHex(root), height, who, round, steps, carry.id, data?.name ?? ''].join(' ');
    return remembered(this.#trained, key, () => {
      const work = this.#engineFree.then(() => this.#train(job, toHex(sha256Sync(text(key)))));
      this.#engineFree = work.catch(() => {});
      return work;
    });
  }

  async #train(job: TrainJob, id: string): Promise<Trained> {
    const { contributor, round, root, height, carry, steps } = job;
    const { sparseloco, task } = this.run.manifest;
    const engine = this.#engine;
    const theta = this.state(root);
    engine.setParameters(thetaToFloat(theta, sparseloco.fractionBits));
    engine.setOptimizer({ m: carry.moment1, v: carry.moment2, step: carry.step });
    const seed = assignmentSeed(this.run.id, round, this.beacon(round), contributor);
    const honest = assignedSteps(task, { seed, height, shards: this.shards });
    let tokens = 0;
    await innerSteps(engine, { ...honest, batches: job.data?.batches ?? honest.batches }, steps, {
      after: (_, micro) => {
        for (const { targets } of micro) tokens += targets.length;
      },
    });
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

  /** Replays what contributors claim, on the same device as everybody's here. */
  replays(): Replays {
    return { replay: (request) => this.#replay(request), close: async () => {} };
  }

  async #replay({ job, claim, submission }: ReplayRequest) {
    const { before, seed, height, innerSteps } = job;
    const moments = before === null ? [] : [fingerprint(before.moment1), fingerprint(before.moment2)];
    const key = [fingerprint(job.theta), toHex(seed), height, innerSteps, before?.step, ...moments].join(' ');
    const replayed = await remembered(this.#replayed, key, () => {
      const turn = this.#engineFree.then(() => this.#replayer.replay(job));
      this.#engineFree = turn.catch(() => {});
      return turn;
    });
    const told = { ...claim, sent: this.decode(submission), innerSteps };
    return compareReplay(told, replayed, this.layout, this.run.manifest.sparseloco);
  }

  decode(bytes: Uint8Array): SparseUpdate {
    return decodeSubmission(bytes, this.layout, this.run.manifest.sparseloco).update;
  }

  encode(update: SparseUpdate, contributor: Uint8Array, round: number): Uint8Array<ArrayBuffer> {
    const header = { run: this.run.id, round, contributor };
    return encodeSubmission(update, header, this.layout, this.run.manifest.sparseloco);
  }

  /** State root after applying these submissions to the state of `root`. */
  apply(
    root: Uint8Array,
    submissions: readonly { readonly bytes: Uint8Array; readonly weight: number }[],
  ): Promise<Uint8Array> {
    const parts = submissions.map(({ bytes, weight }) => `${toHex(sha256Sync(bytes))} ${weight}`);
    return remembered(this.#applied, [toHex(root), ...parts].join('\n'), async () => {
      const replica = new CpuReplica(this.layout, this.run.manifest.sparseloco);
      await replica.load(this.state(root));
      const after = await replica.apply(submissions);
      this.#states.set(toHex(after), await replica.read());
      return after;
    });
  }

  /** What the validator keeps for itself: it draws the text that nobody was assigned. */
  get secret(): Uint8Array {
    return named(`${this.#seed} secret`);
  }

  /** Loss measurements from the certified state of a head. */
  async roundLosses(head: ChainHead): Promise<RoundLosses> {
    const losses = new RoundLosses({
      run: this.run,
      meter: this.meter(),
      elapsed: () => 0,
      readBlob: async (ref) => this.#blob(ref.hash),
      secret: this.secret,
      beacon: (round) => this.beacon(round),
    });
    await losses.load(head.height, this.state(head.root));
    return losses;
  }

  /** Held-out loss of a certified state, nats per token. */
  async heldOut(root: Uint8Array): Promise<number> {
    return (await this.roundLosses({ ...genesisHead(this.run), root })).heldOut();
  }

  meter(): LossMeter {
    let parameters: Float32Array | null = null;
    let name = '';
    const { sparseloco, task } = this.run.manifest;
    const { sequence } = task.training;
    return {
      load: async (theta) => {
        parameters = thetaToFloat(theta, sparseloco.fractionBits);
        name = fingerprint(theta);
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
