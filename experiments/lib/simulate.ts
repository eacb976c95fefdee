/**
 * One run: many workers in one process, each with a training engine of its own, taking turns on one device.
 *
 * AdamW data-parallel is computed as what it is: one optimiser on the mean gradient of all workers' micro-batches, here
 * one engine whose batch holds them all. All methods see the same sequences in the same steps.
 */
import { adapterLine, type Gpu } from '../../src/kernels/gpu.ts';
import { genesisTheta, thetaToFloat } from '../../src/model/init.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import { MAX_WEIGHT } from '../../src/protocol/limits.ts';
import { NotFiniteError } from '../../src/sparseloco/types.ts';
import { createEngine } from '../../src/training/engine.ts';
import { innerSteps } from '../../src/training/inner-steps.ts';
import { learningRateAt } from '../../src/training/learning-rate.ts';
import type { Batch, TrainingEngine } from '../../src/training/types.ts';
import { type ByteCorpus, heldOutBatches, joinBatches, workerBatches, workerText } from './data.ts';
import { DenseOuter, type OuterState, SparseOuter } from './outer.ts';
import type { RunResult } from './result.ts';
import {
  DILOCO,
  MIN_LEARNING_RATE_RATIO,
  OPTIMIZER,
  type RunSettings,
  SIZES,
  type SizeName,
  totalTokens,
  warmupRounds,
} from './settings.ts';

/** Resolution of the agreed state, as in the presets; every method starts from the same rounded weights. */
const FRACTION_BITS = 24;
const HELD_OUT_WINDOWS = 128;
const JUDGE_BATCH = 32;
/** Points on a loss curve. */
const CURVE_POINTS = 6;

/** Engines by shape, kept from run to run: compiling costs more than a round of a small model. */
export class EnginePool {
  readonly gpu: Gpu;
  readonly #engines = new Map<string, TrainingEngine[]>();

  constructor(gpu: Gpu) {
    this.gpu = gpu;
  }

  /** `count` engines with zero moments; parameters are the caller's to set. */
  async take(size: SizeName, batch: number, sequence: number, count: number): Promise<TrainingEngine[]> {
    const key = `${size} ${batch} ${sequence}`;
    const engines = this.#engines.get(key) ?? [];
    this.#engines.set(key, engines);
    while (engines.length < count) {
      const config = SIZES[size];
      const options = { gpu: this.gpu, config, batch, sequence, accumulation: 1, optimizer: OPTIMIZER };
      engines.push(await createEngine(options));
    }
    const taken = engines.slice(0, count);
    for (const engine of taken) engine.resetOptimizer();
    return taken;
  }
}

export interface SimulateOptions {
  /** Held-out windows, a multiple of 32; default 128. */
  readonly windows?: number;
  readonly onProgress?: (line: string) => void;
  /** Sees the agreed model at each point of the curve. */
  readonly onParameters?: (parameters: Float32Array) => void;
}

/** Runs one simulation to its end. The same settings on the same adapter give the same losses to the bit. */
export async function simulate(
  s: RunSettings,
  corpus: ByteCorpus,
  pool: EnginePool,
  runtime: string,
  { windows = HELD_OUT_WINDOWS, onProgress, onParameters }: SimulateOptions = {},
): Promise<RunResult> {
  const started = performance.now();
  const config = SIZES[s.size];
  const layout = parameterLayout(config);
  const genesis = genesisTheta(config, `experiment ${s.seed}`, FRACTION_BITS);
  const [judge] = await pool.take(s.size, JUDGE_BATCH, s.sequence, 1);
  const heldOut = heldOutBatches(corpus, windows, JUDGE_BATCH, s.sequence);
  const run =
    s.method === 'adamw'
      ? await dataParallel(s, corpus, pool, thetaToFloat(genesis, FRACTION_BITS))
      : await localSteps(s, corpus, pool, outerState(s, genesis));
  const curve: { round: number; tokens: number; loss: number }[] = [];
  const every = Math.max(1, Math.floor(s.rounds / CURVE_POINTS));
  let diverged = false;
  for (let round = 0; round < s.rounds && !diverged; round++) {
    try {
      await run.round(round);
    } catch (error) {
      if (!(error instanceof NotFiniteError)) throw error;
      diverged = true;
    }
    const last = round === s.rounds - 1;
    if (!diverged && (last || (round + 1) % every === 0)) {
      if (last) run.finish();
      const parameters = await run.parameters();
      onParameters?.(parameters);
      const loss = await heldOutLoss(judge, parameters, heldOut);
      if (Number.isFinite(loss)) {
        curve.push({ round: round + 1, tokens: (totalTokens(s) * (round + 1)) / s.rounds, loss });
        onProgress?.(`round ${round + 1}/${s.rounds}: held-out loss ${loss.toFixed(4)}`);
      } else diverged = true;
    }
  }
  const exchanges = s.method === 'adamw' ? s.rounds * s.innerSteps : s.rounds;
  return {
    settings: s,
    loss: diverged ? null : (curve.at(-1)?.loss ?? null),
    curve,
    parameters: layout.elements,
    bytesSent: run.bytesSent(),
    denseBytes: 4 * layout.elements * exchanges,
    saturated: run.saturated(),
    seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
    adapter: adapterLine(pool.gpu.adapter),
    runtime,
  };
}

/** Held-out loss of a model, the mean over equal batches. */
async function heldOutLoss(
  judge: TrainingEngine,
  parameters: Float32Array,
  batches: readonly Batch[],
): Promise<number> {
  judge.setParameters(parameters);
  let sum = 0;
  for (const batch of batches) sum += await judge.evaluate(batch);
  return sum / batches.length;
}

interface Rounds {
  round(round: number): Promise<void>;
  parameters(): Promise<Float32Array>;
  finish(): void;
  /** Bytes that one worker has sent, the mean over workers. */
  bytesSent(): number;
  saturated(): number;
}

/** Learning rate of an inner step, counted from 0, by round and by the steps of this worker in the round. */
export const rateOf = (s: RunSettings) => (round: number, steps: number) => (step: number) =>
  learningRateAt(
    {
      learningRate: s.learningRate,
      minLearningRateRatio: MIN_LEARNING_RATE_RATIO,
      warmupRounds: warmupRounds(s),
      totalRounds: s.rounds,
      maxInnerSteps: steps,
    },
    round,
    step,
  );

async function dataParallel(
  s: RunSettings,
  corpus: ByteCorpus,
  pool: EnginePool,
  genesis: Float32Array,
): Promise<Rounds> {
  const [engine] = await pool.take(s.size, s.workers * s.batch, s.sequence, 1);
  engine.setParameters(genesis);
  const rate = rateOf(s);
  const texts = Array.from({ length: s.workers }, (_, w) => workerText(corpus, s, w));
  let bytes = 0;
  return {
    async round(round) {
      const batches = joined(texts.map((text, w) => workerBatches(text, s, round, w)));
      const plan = { batches, accumulation: 1, rate: rate(round, s.innerSteps) };
      bytes += 4 * engine.layout.elements * (await innerSteps(engine, plan, s.innerSteps));
    },
    parameters: () => engine.readParameters(),
    finish() {},
    bytesSent: () => bytes,
    saturated: () => 0,
  };
}

/** All workers' next batches as one, step after step. */
function* joined(streams: readonly Iterator<Batch, never>[]): Generator<Batch, never> {
  for (;;) yield joinBatches(streams.map((stream) => stream.next().value));
}

function outerState(s: RunSettings, genesis: Int32Array): OuterState {
  if (s.method === 'diloco') {
    return new DenseOuter(thetaToFloat(genesis, FRACTION_BITS), s.diloco ?? DILOCO);
  }
  if (s.sparseloco === undefined) throw new RangeError('a SparseLoCo run needs its settings');
  if (s.sparseloco.fractionBits !== FRACTION_BITS)
    throw new RangeError(`fractionBits is ${FRACTION_BITS} here`);
  return new SparseOuter(genesis, parameterLayout(SIZES[s.size]), s.sparseloco, {
    late: s.late === true,
  });
}

/** Whether a joiner takes worker `w`'s place in this round; the places are taken in turn. */
const joinsIn = ({ joiners = 0, workers }: RunSettings, round: number, w: number): boolean =>
  round > 0 && (w + workers - ((round * joiners) % workers)) % workers < joiners;

async function localSteps(
  s: RunSettings,
  corpus: ByteCorpus,
  pool: EnginePool,
  outer: OuterState,
): Promise<Rounds> {
  const engines = await pool.take(s.size, s.batch, s.sequence, s.workers);
  const rate = rateOf(s);
  const texts = engines.map((_, w) => workerText(corpus, s, w));
  const stepsOf = engines.map((_, w) => s.unequalSteps?.[w] ?? s.innerSteps);
  const most = Math.max(...stepsOf);
  const weights = stepsOf.map((n) =>
    s.weights === 'equal' ? MAX_WEIGHT : Math.max(1, Math.round((MAX_WEIGHT * n) / most)),
  );
  let bytes = 0;
  return {
    async round(round) {
      for (const [w, engine] of engines.entries()) {
        if (joinsIn(s, round, w)) {
          engine.resetOptimizer();
          outer.forget(w);
        }
        engine.setParameters(outer.start(w));
        const batches = workerBatches(texts[w], s, round, w);
        await innerSteps(engine, { batches, accumulation: 1, rate: rate(round, stepsOf[w]) }, stepsOf[w]);
        bytes += outer.submit(w, await engine.readParameters()) / engines.length;
      }
      outer.step(weights);
    },
    parameters: () => Promise.resolve(outer.parameters()),
    finish: () => outer.finish(),
    bytesSent: () => bytes,
    saturated: () => outer.saturated,
  };
}
