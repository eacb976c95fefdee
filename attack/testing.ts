/**
 * A lab with made-up training for tests: honest steps pull every coordinate the true way, at positions of their own, and
 * a step's gain is how far it goes that way. Everything else is real: bytes, checks, book, ledger, carry commitments.
 */
import { openRun } from '../src/chain/run.ts';
import type { LossMeter } from '../src/gauntlet/loss-meter.ts';
import { RoundLosses } from '../src/measure/round-losses.ts';
import { encodeShard } from '../src/model/shards.ts';
import { concatBytes, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import { signManifest } from '../src/protocol/envelope.ts';
import type { Manifest } from '../src/protocol/manifest.ts';
import { testHash, testIdentity, testManifest } from '../src/protocol/testing.ts';
import { VIRTUAL_START } from '../src/sim/virtual-clock.ts';
import { compressCpu } from '../src/sparseloco/compress-cpu.ts';
import { randomDelta, testSettings } from '../src/sparseloco/testing.ts';
import { dequantise, type SparseUpdate } from '../src/sparseloco/update.ts';
import { decodeSubmission, encodeSubmission } from '../src/sparseloco/wire.ts';
import { assignmentSeed } from '../src/training/assignment.ts';
import type { Batch } from '../src/training/types.ts';
import { outcomesOf, type TrainJob, type Trained } from './history.ts';
import type { Workshop } from './lab.ts';

const TOKENS = Uint16Array.from({ length: 500 }, (_, i) => (i * i + 3 * i) % 101);
/** Gain of a whole honest step, nats. */
const GAIN = 0.05;
/** Error that a replay finds in other work than is claimed: as much as the least of lies shows (decision 9). */
const LIE = 0.1;
/** Share of an honest step's values that go the wrong way. */
const WRONG = 0.03;

/** Sign of the way down at a coordinate. */
const truth = (i: number): number => (Math.imul(i + 1, 0x9e3779b1) < 0 ? -1 : 1);
const number = (bytes: Uint8Array): number => new DataView(sha256Sync(bytes).buffer).getUint32(0);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const zeroRoot = testHash('genesis root');

function madeUpManifest(validator: Uint8Array, shard: Uint8Array): Manifest {
  const base = testManifest(validator, [{ key: validator, weight: 1 }]);
  const { data, training } = base.task;
  const ref = { hash: sha256Sync(shard), size: shard.byteLength, tokens: TOKENS.length };
  return {
    ...base,
    task: {
      kind: 'pretrain',
      data: { ...data, train: [ref], heldOut: ref },
      training: { ...training, batch: 1, accumulation: 1, maxInnerSteps: 8 },
    },
    schedule: { ...base.schedule, startMs: VIRTUAL_START },
    sparseloco: testSettings(),
    gauntlet: {
      ...base.gauntlet,
      maxAccepted: 32,
      evaluationSequences: 16,
      maxOverlap: 0.55,
      minAgreement: 0.5,
      minGain: 0.2,
      auditsPerRound: 6,
      rampRounds: 4,
    },
    admission: { joinBits: 1, joinTarget: 32, idleRounds: 60 },
    credits: { perRound: 1_000_000, total: 1e12, vestRounds: 50 },
    genesis: { ...base.genesis, root: zeroRoot },
  };
}

export async function madeUpLab(): Promise<Workshop> {
  const validator = await testIdentity('validator');
  const shard = encodeShard(TOKENS);
  const opened = await openRun(await signManifest(validator, madeUpManifest(validator.publicKey, shard)));
  if (!opened.ok) throw new Error(opened.detail);
  const { run } = opened;
  const { layout, manifest } = run;
  const { sparseloco, task } = manifest;
  const { training } = task;
  const remembered = new Map<string, Promise<Trained>>();
  const beacon = (round: number) => testHash(`beacon ${round}`);
  const decode = (bytes: Uint8Array) => decodeSubmission(bytes, layout, sparseloco).update;
  const encode = (update: SparseUpdate, contributor: Uint8Array, round: number) =>
    encodeSubmission(update, { run: run.id, round, contributor }, layout, sparseloco);

  /** What `steps` on the text that a seed draws give; other text gives other positions. */
  const step = (seed: Uint8Array, steps: number, data = ''): SparseUpdate => {
    const lot = number(concatBytes(seed, text(data)));
    const values = randomDelta(layout, lot).map((x, i) => {
      const wrong = Math.imul(i ^ lot, 0x85ebca6b) >>> 0 < WRONG * 2 ** 32;
      return Math.abs(x) * truth(i) * (wrong ? -1 : 1) * (steps / training.maxInnerSteps);
    });
    const input = {
      theta: new Int32Array(layout.elements),
      parameters: values.map((x) => -x),
      error: new Float32Array(layout.elements),
    };
    return compressCpu(input, layout, sparseloco).update;
  };

  const train = async ({ contributor, round, steps, carry, data }: TrainJob): Promise<Trained> => {
    const update = step(assignmentSeed(run.id, round, beacon(round), contributor), steps, data?.name);
    const id = `${toHex(contributor).slice(0, 8)} ${round} ${steps} ${data?.name ?? ''}`;
    const error = new Float32Array(layout.elements);
    const after = { id, error, moment1: error, moment2: error, step: carry.step + steps };
    return {
      bytes: encode(update, contributor, round),
      tokens: steps * training.sequence,
      innerSteps: steps,
      ...(await outcomesOf(layout, carry, after, update)),
    };
  };

  const whole = gainOf(step(testHash('attack'), training.maxInnerSteps));
  function gainOf(update: SparseUpdate): number {
    let sum = 0;
    dequantise(update, layout).forEach((x, i) => {
      sum += x * truth(i);
    });
    return sum;
  }
  /** A row's loss is made of its text; a step's gain on it is made of both. */
  const meter = (): LossMeter => ({
    load: async () => {},
    close: async () => {},
    losses: async ({ tokens }, trial) => {
      const gain = trial === undefined ? 0 : (GAIN * gainOf(decode(trial.bytes))) / whole;
      const lot = trial === undefined ? 0 : number(trial.bytes);
      const { sequence } = training;
      return Array.from({ length: tokens.length / sequence }, (_, i) => {
        const row = tokens.slice(i * sequence, (i + 1) * sequence);
        const about = number(new Uint8Array(row.buffer));
        return 5 + Math.sin(about) - gain * (1 + 0.2 * Math.sin(lot + 7 * about));
      });
    },
  });
  const lab: Workshop = {
    run,
    layout,
    genesis: new Int32Array(layout.elements),
    blobs: new Map([[toHex(sha256Sync(shard)), shard]]),
    validator,
    shards: new Map([[0, TOKENS]]),
    secret: testHash('secret'),
    identity: (name) => testIdentity(`attack ${name}`),
    beacon,
    lots: (round) => testHash(`lots ${round}`),
    *assigned(): Generator<Batch, never> {
      const row = Int32Array.from({ length: training.sequence }, (_, i) => i % 7);
      for (;;) yield { tokens: row, targets: row };
    },
    // Made-up steps do not depend on the state, so there is one for all roots.
    load: async () => zeroRoot,
    state: () => lab.genesis,
    apply: async (root, submissions) =>
      sha256Sync(concatBytes(root, ...submissions.map(({ bytes }) => sha256Sync(bytes)))),
    train: (job) => {
      const key = [toHex(job.contributor), job.round, job.steps, job.carry.id, job.data?.name].join(' ');
      const known = remembered.get(key) ?? train(job);
      remembered.set(key, known);
      return known;
    },
    decode,
    encode,
    meter,
    replays: () => ({
      replay: async ({ job, submission }) => {
        const given = dequantise(step(job.seed, job.innerSteps), layout);
        const sent = dequantise(decode(submission), layout);
        const work = given.every((x, i) => x === sent[i]) ? 0 : LIE;
        return { work, moment1: 0, moment2: 0, sent: 0, steps: 0 };
      },
      close: async () => {},
    }),
    roundLosses: async (head) => {
      const losses = new RoundLosses({
        run,
        meter: meter(),
        elapsed: () => 0,
        readBlob: async () => shard,
        secret: lab.secret,
        beacon,
      });
      await losses.load(head.height, lab.genesis);
      return losses;
    },
    heldOut: async () => 5,
    close: async () => {},
  };
  return lab;
}
