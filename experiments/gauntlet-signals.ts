/**
 * What the Gauntlet's cheap signals look like on real training: overlap of positions between honest contributors and
 * of copies, norms, and loss gains with their noise, for honest, noisy-copied and sign-flipped steps.
 *
 *   node --import ./scripts/register.mjs experiments/gauntlet-signals.ts [--json] [--preset tiny] [--workers 3]
 *     [--rounds 4] [--steps 8] [--sequences 8]
 *
 * Real text, the shipped trainer and inspector; one process plays all workers. Each line is one
 * `{name, value, unit, round, ...}` object with --json. On a software GPU the 1m preset takes minutes.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inspectorFor } from '../src/gauntlet/inspect.ts';
import { lossProblem, lossScore } from '../src/gauntlet/scores.ts';
import { blobPath, prepareData } from '../src/host/prepare.ts';
import { testGpu } from '../src/kernels/testing.ts';
import { nodeGpuEntry } from '../src/kernels/node-gpu.ts';
import { genesisTheta, thetaToFloat } from '../src/model/init.ts';
import { parameterLayout } from '../src/model/layout.ts';
import { preset, presetManifest } from '../src/model/presets.ts';
import { decodeShard } from '../src/model/shards.ts';
import { sha256Sync } from '../src/protocol/bytes.ts';
import type { ShardRef } from '../src/protocol/manifest.ts';
import { overlap } from '../src/sparseloco/stats.ts';
import { randomSource } from '../src/sparseloco/testing.ts';
import { dequantise } from '../src/sparseloco/update.ts';
import { decodeSubmission } from '../src/sparseloco/wire.ts';
import {
  assignedSequences,
  assignmentSeed,
  gatherBatch,
  spacedSequences,
} from '../src/training/assignment.ts';
import { createEngine } from '../src/training/engine.ts';
import type { Batch } from '../src/training/types.ts';
import { Trainer } from '../src/work/pretrain/trainer.ts';

const { values: args } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    preset: { type: 'string', default: 'tiny' },
    workers: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '4' },
    steps: { type: 'string', default: '8' },
    sequences: { type: 'string', default: '8' },
  },
});
const [workers, rounds, steps, sequences] = [args.workers, args.rounds, args.steps, args.sequences].map(
  Number,
);

function print(name: string, value: number, unit: string, more: Record<string, unknown>): void {
  const line = { name, value: Number(value.toPrecision(4)), unit, ...more };
  console.log(args.json ? JSON.stringify(line) : `${name} ${line.value} ${unit} ${JSON.stringify(more)}`);
}

const HOUR_MS = 3_600_000;
const hash = (name: string | number) => sha256Sync(new TextEncoder().encode(String(name)));
const base = preset(args.preset);
const folder = mkdtempSync(join(tmpdir(), 'gauntlet-signals-'));
try {
  const data = await prepareData(folder, {
    vocabSize: base.model.vocabSize,
    sequence: base.training.sequence,
  });
  const key = hash('validator');
  const manifest = presetManifest(base, {
    name: 'experiment',
    description: '',
    organizer: { name: 'experiment', contact: '', key },
    tokenizer: data.tokenizer,
    data,
    genesis: { root: key, checkpoint: data.tokenizer },
    validators: [{ key, weight: 1 }],
    startMs: 0,
  });
  const { model, task, sparseloco, gauntlet } = manifest;
  const layout = parameterLayout(model);
  const shardOf = (ref: ShardRef) =>
    decodeShard(readFileSync(blobPath(folder, ref.hash)), model.vocabSize, ref.tokens);
  const shards = new Map(task.data.train.map((ref, i) => [i, shardOf(ref)]));
  const heldOut = new Map([[0, shardOf(task.data.heldOut)]]);
  const gpu = await testGpu();
  const { sequence } = task.training;
  const theta = genesisTheta(model, 'experiment', sparseloco.fractionBits);
  const crew = await Promise.all(
    Array.from({ length: workers }, async (_, i) => {
      const trainer = new Trainer(await nodeGpuEntry());
      await trainer.open(manifest);
      await trainer.load(theta);
      return { key: hash(`worker ${i}`), trainer };
    }),
  );
  const judge = await createEngine({
    gpu,
    config: model,
    batch: 1,
    sequence,
    accumulation: 1,
    optimizer: task.training,
  });

  /** Loss of each sequence. */
  const lossesOf = async (parameters: Float32Array, rows: readonly Batch[]): Promise<number[]> => {
    judge.setParameters(parameters);
    const losses: number[] = [];
    for (const row of rows) losses.push(await judge.evaluate(row));
    return losses;
  };
  const unassigned = spacedSequences((heldOut.get(0) as Uint16Array).length, sequences, sequence).map((ref) =>
    gatherBatch([ref], heldOut, sequence),
  );
  const { inspect } = inspectorFor({ layout, manifest });

  for (let round = 0; round < rounds; round++) {
    const submissions: Uint8Array[] = [];
    const assignedRows: Batch[][] = [];
    for (const { key: contributor, trainer } of crew) {
      const seed = assignmentSeed(hash('run'), round, hash(round), contributor);
      const shardTokens = task.data.train.map((ref) => ref.tokens);
      const refs = assignedSequences(seed, sequences, { shardTokens, sequence });
      assignedRows.push(refs.map((ref) => gatherBatch([ref], shards, sequence)));
      const taken = (done: number) => done === steps && trainer.stop();
      await trainer.train({ seed, height: round, shards }, Date.now() + HOUR_MS, (p) => taken(p.innerSteps));
      const work = await trainer.finish({ run: hash('run'), round, contributor });
      if (work === null) throw new Error('no work');
      submissions.push(work.submission);
    }

    const inspected = submissions.map((bytes, i) => {
      const result = inspect(bytes, { run: hash('run'), round, contributor: crew[i].key });
      if (!result.ok) throw new Error(result.refusal.note.code);
      return result.inspected;
    });
    const overlaps = inspected.flatMap((a, i) => inspected.slice(i + 1).map((b) => overlap(a, b)));
    const chance = sparseloco.topK / 4096;
    print('overlap.honest.max', Math.max(...overlaps), 'share', {
      round,
      limit: gauntlet.maxOverlap,
      chance,
    });
    const norms = inspected.map(({ norm }) => norm);
    print('norm.max_over_min', Math.max(...norms) / Math.min(...norms), 'ratio', { round, norms });

    const start = thetaToFloat(await crew[0].trainer.theta(), sparseloco.fractionBits);
    const before = await lossesOf(start, unassigned);
    print('loss.held_out', before.reduce((a, b) => a + b, 0) / before.length, 'nats', { round });
    const random = randomSource(round + 1);
    for (const [i, bytes] of submissions.entries()) {
      const update = dequantise(decodeSubmission(bytes, layout, sparseloco).update, layout);
      const scale = sparseloco.alpha * gauntlet.evaluationScale;
      const power = Math.sqrt(
        update.reduce((sum, x) => sum + x * x, 0) / Math.max(1, update.filter((x) => x !== 0).length),
      );
      const kinds: [string, (x: number) => number][] = [
        ['honest', (x) => x],
        ['flipped', (x) => -x],
        ['random_signs', (x) => (random() < 0.5 ? x : -x)],
        ['noisy_copy', (x) => (x === 0 ? 0 : x + power * (random() - 0.5))],
      ];
      const ownBefore = await lossesOf(start, assignedRows[i]);
      for (const [kind, change] of kinds) {
        const stepped = start.map((p, j) => p - scale * change(update[j]));
        const common = lossScore({ before, after: await lossesOf(stepped, unassigned) });
        const own = lossScore({ before: ownBefore, after: await lossesOf(stepped, assignedRows[i]) });
        print(`gain.${kind}`, common.gain, 'nats', {
          round,
          worker: i,
          error: Number(common.error.toPrecision(3)),
          assigned: Number(own.gain.toPrecision(4)),
          refused: lossProblem(common)?.reason ?? null,
        });
      }
    }
    const accepted = submissions.map((bytes) => ({ bytes, weight: 1024 }));
    for (const { trainer } of crew) await trainer.apply(accepted);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
