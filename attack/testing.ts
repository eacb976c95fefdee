/**
 * A lab with made-up training for tests: honest steps pull every coordinate the true way, at positions of their own, and
 * a step's gain is how far it goes that way. Everything else is real: bytes, checks, book, ledger, carry commitments.
 */
import { inspectorFor } from '../src/gauntlet/inspect.ts';
import type { PairedLosses } from '../src/gauntlet/scores.ts';
import type { AuditCase } from '../src/gauntlet/simulation.ts';
import { parameterLayout } from '../src/model/layout.ts';
import { bytesEqual, concatBytes, sha256Sync, toHex } from '../src/protocol/bytes.ts';
import { carryRoot, zeroCarry } from '../src/protocol/carry.ts';
import type { Manifest } from '../src/protocol/manifest.ts';
import { testHash, testIdentity, testManifest } from '../src/protocol/testing.ts';
import { compressCpu } from '../src/sparseloco/compress-cpu.ts';
import { randomDelta, testSettings } from '../src/sparseloco/testing.ts';
import { dequantise, type SparseUpdate } from '../src/sparseloco/update.ts';
import { decodeSubmission, encodeSubmission } from '../src/sparseloco/wire.ts';
import type { Batch } from '../src/training/types.ts';
import { outcomesOf, type TrainJob, type Trained } from './history.ts';
import type { Workshop } from './lab.ts';

const RUN = testHash('attack');
const SEQUENCES = 16;
/** Gain of a whole honest step, nats. */
const GAIN = 0.05;
/** Share of an honest step's values that go the wrong way. */
const WRONG = 0.03;

/** Sign of the way down at a coordinate. */
const truth = (i: number): number => (Math.imul(i + 1, 0x9e3779b1) < 0 ? -1 : 1);
const number = (bytes: Uint8Array): number => new DataView(sha256Sync(bytes).buffer).getUint32(0);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function madeUpManifest(validator: Uint8Array): Manifest {
  const base = testManifest(validator, [{ key: validator, weight: 1 }]);
  return {
    ...base,
    training: { ...base.training, batch: 1, accumulation: 1, maxInnerSteps: 8 },
    sparseloco: testSettings(),
    gauntlet: {
      ...base.gauntlet,
      maxAccepted: 32,
      maxOverlap: 0.55,
      minAgreement: 0.5,
      minGain: 0.2,
      auditsPerRound: 6,
      rampRounds: 4,
    },
    admission: { joinBits: 1, joinTarget: 32, idleRounds: 60 },
    credits: { perRound: 1_000_000, total: 1e12, vestRounds: 50 },
  };
}

export async function madeUpLab(): Promise<Workshop> {
  const validator = await testIdentity('validator');
  const manifest = madeUpManifest(validator.publicKey);
  const { sparseloco, training } = manifest;
  const layout = parameterLayout(manifest.model);
  const { inspect, maxBytes } = inspectorFor(manifest);
  const remembered = new Map<string, Promise<Trained>>();
  const decode = (bytes: Uint8Array) => decodeSubmission(bytes, layout, sparseloco).update;
  const encode = (update: SparseUpdate, contributor: Uint8Array, round: number) =>
    encodeSubmission(update, { run: RUN, round, contributor }, layout, sparseloco);

  /** What `steps` on somebody's text of a round give; other text gives other positions. */
  const step = (contributor: Uint8Array, round: number, steps: number, data: string): SparseUpdate => {
    const seed = number(concatBytes(contributor, text(`${round} ${data}`)));
    const values = randomDelta(layout, seed).map((x, i) => {
      const wrong = Math.imul(i ^ seed, 0x85ebca6b) >>> 0 < WRONG * 2 ** 32;
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
    const update = step(contributor, round, steps, data?.name ?? '');
    const name = `${toHex(contributor).slice(0, 8)} ${round} ${steps} ${data?.name ?? ''}`;
    const error = new Float32Array(layout.elements);
    const after = { id: name, error, moment1: error, moment2: error, step: carry.step + steps };
    return {
      bytes: encode(update, contributor, round),
      tokens: steps * training.sequence,
      innerSteps: steps,
      ...(await outcomesOf(layout, carry, after, update)),
    };
  };

  const whole = gainOf(step(RUN, 0, training.maxInnerSteps, ''));
  function gainOf(update: SparseUpdate): number {
    let sum = 0;
    dequantise(update, layout).forEach((x, i) => {
      sum += x * truth(i);
    });
    return sum;
  }
  const around = (gain: number, seed: number): PairedLosses => {
    const before = Array.from({ length: SEQUENCES }, (_, i) => 5 + Math.sin(i));
    return { before, after: before.map((loss, i) => loss - gain * (1 + 0.2 * Math.sin(seed + 7 * i))) };
  };

  const zero = carryRoot(await zeroCarry(layout.elements));
  return {
    manifest,
    runId: RUN,
    layout,
    validator,
    shards: new Map([[0, Uint16Array.from({ length: 500 }, (_, i) => i % 7)]]),
    identity: (name) => testIdentity(`attack ${name}`),
    beacon: (round) => testHash(`beacon ${round}`),
    lots: (round) => testHash(`lots ${round}`),
    *assigned(): Generator<Batch, never> {
      const row = Int32Array.from({ length: training.sequence }, (_, i) => i % 7);
      for (;;) yield { tokens: row, targets: row };
    },
    state: () => new Int32Array(layout.elements),
    train: (job) => {
      const key = [toHex(job.contributor), job.round, job.steps, job.carry.id, job.data?.name].join(' ');
      const known = remembered.get(key) ?? train(job);
      remembered.set(key, known);
      return known;
    },
    decode,
    encode,
    auditor: async () => ({
      zeroRoot: zero,
      judge: async ({ work, round }: AuditCase) => {
        const replayed = encode(step(work.contributor, round, work.innerSteps, ''), work.contributor, round);
        return bytesEqual(replayed, work.bytes)
          ? { outcome: 'passed', detail: 'as claimed' }
          : { outcome: 'failed', detail: 'not what these steps give' };
      },
    }),
    trainer: () => ({
      inspect,
      maxBytes,
      train: () => {
        throw new Error('peers bring their own work');
      },
      evaluate:
        () =>
        async ({ contributor, bytes }) => {
          const gain = (GAIN * gainOf(decode(bytes))) / whole;
          return {
            unassigned: around(gain, number(contributor)),
            assigned: around(1.3 * gain, number(contributor)),
          };
        },
      apply: (root, submissions) =>
        sha256Sync(concatBytes(root, ...submissions.map(({ bytes }) => sha256Sync(bytes)))),
    }),
    heldOut: async () => 5,
    close: async () => {},
  };
}
