/** Experiments are only worth something if a run is what it says: the same again, and the true algorithms. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type ByteCorpus, workerBatches, workerText } from '../../experiments/lib/data.ts';
import { runsOf, EXPERIMENTS, DEFAULT } from '../../experiments/lib/named.ts';
import { DenseOuter, SparseOuter } from '../../experiments/lib/outer.ts';
import {
  BASE_SCALE,
  type RunSettings,
  SIZES,
  settingsKey,
  totalTokens,
} from '../../experiments/lib/settings.ts';
import { EnginePool, rateOf, simulate } from '../../experiments/lib/simulate.ts';
import { testGpu } from '../../src/kernels/testing.ts';
import { genesisTheta, thetaToFloat } from '../../src/model/init.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import { CpuReplica } from '../../src/sparseloco/cpu-replica.ts';
import { randomDelta, smallLayout, testHeader, randomTheta } from '../../src/sparseloco/testing.ts';

const text = (words: number, first: number) =>
  new TextEncoder().encode(
    Array.from({ length: words }, (_, i) => `${(first + i * i) % 97} times ${i % 7}`).join(', '),
  );
const corpus: ByteCorpus = { train: text(600, 1), documents: [3000, 3000], heldOut: text(300, 5) };
const base: RunSettings = {
  ...BASE_SCALE,
  method: 'sparseloco',
  seed: 3,
  workers: 2,
  rounds: 2,
  innerSteps: 2,
  sequence: 32,
  learningRate: 1e-2,
  sparseloco: DEFAULT,
};
const { sparseloco: _, ...dense } = base;

let pool: EnginePool;
beforeAll(async () => {
  pool = new EnginePool(await testGpu());
});

describe('simulate', () => {
  it('gives the same losses and bytes to the bit for the same seed, and others for another', async () => {
    const first = await simulate(base, corpus, pool, 'test', { windows: 32 });
    const again = await simulate(base, corpus, pool, 'test', { windows: 32 });
    expect(again.curve).toEqual(first.curve);
    expect(again.bytesSent).toBe(first.bytesSent);
    const other = await simulate({ ...base, seed: 4 }, corpus, pool, 'test', { windows: 32 });
    expect(other.loss).not.toBe(first.loss);
  });

  it('AdamW data-parallel with one worker is the plain engine', async () => {
    const s: RunSettings = { ...dense, method: 'adamw', workers: 1 };
    const [engine] = await pool.take(s.size, s.batch, s.sequence, 1);
    engine.setParameters(thetaToFloat(genesisTheta(SIZES[s.size], 'experiment 3', 24), 24));
    for (let round = 0; round < s.rounds; round++) {
      const stream = workerBatches(workerText(corpus, s, 0), s, round, 0);
      for (let step = 0; step < s.innerSteps; step++)
        await engine.step([stream.next().value], rateOf(s)(round, s.innerSteps)(step));
    }
    const plain = await engine.readParameters();
    const seen: Float32Array[] = [];
    await simulate(s, corpus, pool, 'test', { windows: 32, onParameters: (p) => seen.push(p) });
    expect(seen.at(-1)).toEqual(plain);
  });

  it('DiLoCo with one worker, one inner step, α 1 and no momentum is AdamW', async () => {
    const s: RunSettings = { ...dense, method: 'diloco', workers: 1, innerSteps: 1, rounds: 3 };
    const averaged = await simulate({ ...s, diloco: { alpha: 1, momentum: 0 } }, corpus, pool, 'test', {
      windows: 32,
    });
    const plain = await simulate({ ...s, method: 'adamw' }, corpus, pool, 'test', { windows: 32 });
    expect(averaged.loss).toBeCloseTo(plain.loss ?? Number.NaN, 5);
  });

  it('counts what a dense exchange sends, and far less for SparseLoCo', async () => {
    const own = await simulate(base, corpus, pool, 'test', { windows: 32 });
    expect(own.denseBytes).toBe(4 * parameterLayout(SIZES[base.size]).elements * base.rounds);
    expect(own.denseBytes / own.bytesSent).toBeGreaterThan(200);
    expect(own.saturated).toBe(0);
    const diloco = await simulate({ ...dense, method: 'diloco' }, corpus, pool, 'test', { windows: 32 });
    expect(diloco.bytesSent).toBe(diloco.denseBytes);
  });
});

describe('outer steps', () => {
  it("SparseLoCo's is the replica's, to the bit", async () => {
    const layout = smallLayout();
    const genesis = randomTheta(layout, 1);
    const outer = new SparseOuter(genesis, layout, DEFAULT);
    const replicas = [0, 1, 2].map(() => new CpuReplica(layout, DEFAULT));
    for (const replica of replicas) await replica.load(genesis);
    for (let round = 0; round < 3; round++) {
      const accepted = [];
      for (const [w, replica] of replicas.entries()) {
        const delta = randomDelta(layout, 10 * round + w);
        const end = outer.start(w).map((x, i) => x - delta[i]);
        outer.submit(w, end);
        const { bytes } = await replica.compress(end, testHeader(round, w));
        accepted.push({ bytes, weight: 100 + w });
      }
      outer.step([100, 101, 102]);
      for (const replica of replicas) await replica.apply(accepted);
      expect(outer.parameters()).toEqual(replicas[0].parameters());
    }
  });

  it("DiLoCo's is SGD with Nesterov momentum, in PyTorch's form", () => {
    const outer = new DenseOuter(Float32Array.of(1), { alpha: 0.5, momentum: 0.9 });
    // Gradients 0.5, 0.25: buffer 0.5, then 0.7; steps α (g + 0.9 buffer).
    for (const gradient of [0.5, 0.25]) {
      outer.submit(0, Float32Array.of(outer.parameters()[0] - gradient));
      outer.step([1024]);
    }
    expect(outer.parameters()[0]).toBeCloseTo(1 - 0.5 * (0.5 + 0.45) - 0.5 * (0.25 + 0.63), 6);
  });

  it('a late update reaches workers one round later, and keeps their own progress of the round between', () => {
    const layout = smallLayout();
    const genesis = randomTheta(layout, 2);
    const outer = new SparseOuter(genesis, layout, DEFAULT, { late: true });
    const start = outer.start(0);
    const end = start.map((x) => x - 0.01);
    outer.submit(0, end);
    outer.step([1024]);
    expect(outer.parameters()).toEqual(start);
    const next = outer.start(0);
    for (const i of [0, 1000, layout.elements - 1]) expect(next[i]).toBeCloseTo(end[i], 6);
    outer.submit(0, next);
    outer.step([1024]);
    expect(outer.parameters()).not.toEqual(start);
    // It did not move in the second round, so it stands at the agreed state.
    expect(outer.start(0)).toEqual(outer.parameters());
  });
});

describe('data', () => {
  it('heterogeneous workers have documents of their own; windows depend on seed, round and worker', () => {
    const s = { ...base, data: 'documents' as const };
    const [a, b] = [0, 1].map((w) => workerText(corpus, s, w));
    expect([...a, ...b]).toEqual([...corpus.train.subarray(0, 6000)]);
    const first = (settings: RunSettings, round: number, w: number) =>
      workerBatches(workerText(corpus, base, w), settings, round, w).next().value.tokens;
    expect(first(base, 0, 0)).toEqual(first(base, 0, 0));
    for (const other of [first({ ...base, seed: 4 }, 0, 0), first(base, 1, 0), first(base, 0, 1)])
      expect(other).not.toEqual(first(base, 0, 0));
  });
});

describe('experiments', () => {
  it('compare at equal tokens, unless the number of tokens is the question', () => {
    for (const experiment of EXPERIMENTS.values()) {
      if (['workers', 'longer'].includes(experiment.name)) continue;
      const runs = runsOf(experiment, { corpora: ['a', 'b'], seeds: [1, 2], scale: {} });
      const lengths = Map.groupBy(runs, totalTokens);
      // The rates are swept for three lengths of run, and at each the methods are swept alike.
      expect(lengths.size, experiment.name).toBe(experiment.name === 'lr' ? 3 : 1);
      if (experiment.name === 'lr')
        for (const same of lengths.values()) {
          const rates = Map.groupBy(same, (run) => run.method);
          const swept = [...rates.values()].map((of) => of.map((run) => run.learningRate));
          expect(swept).toHaveLength(3);
          expect(new Set(swept.map(String)).size).toBe(1);
        }
      for (const { unequalSteps: own, innerSteps, workers } of runs)
        if (own !== undefined) expect(own.reduce((a, b) => a + b)).toBe(innerSteps * workers);
      expect(new Set(runs.map(settingsKey)).size, experiment.name).toBe(runs.length);
    }
  });
});
