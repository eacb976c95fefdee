/** One run, step by step, against PyTorch's (test/vectors/experiments/make.py). */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ByteCorpus, workerBatches, workerText } from '../../experiments/lib/data.ts';
import { SparseOuter } from '../../experiments/lib/outer.ts';
import { parseSettings } from '../../experiments/lib/result.ts';
import { type RunSettings, SIZES } from '../../experiments/lib/settings.ts';
import { EnginePool, rateOf, simulate } from '../../experiments/lib/simulate.ts';
import { testGpu } from '../../src/kernels/testing.ts';
import { genesisTheta } from '../../src/model/init.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import { readSafetensors } from '../../src/model/safetensors.ts';
import { dequantise } from '../../src/sparseloco/update.ts';
import { decodeSubmission } from '../../src/sparseloco/wire.ts';
import { innerSteps } from '../../src/training/inner-steps.ts';

const file = readSafetensors(
  readFileSync(new URL('../vectors/experiments/two-workers.safetensors', import.meta.url)),
);
const meta = (name: string): unknown => JSON.parse(file.metadata.get(name) ?? 'null');
const data = (name: string) => {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) throw new Error(`the vectors have no "${name}"`);
  return tensor.data;
};

const settings: RunSettings = parseSettings(meta('settings'));
const stride = Number(meta('stride'));
const corpus: ByteCorpus = {
  train: Uint8Array.from(data('text')),
  documents: [data('text').length],
  heldOut: Uint8Array.from(data('held_out')),
};
let pool: EnginePool;
beforeAll(async () => {
  pool = new EnginePool(await testGpu());
});

/** Share of places where two vectors differ by more than `tolerance`. */
function differing(a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number): number {
  expect(a.length).toBe(b.length);
  let count = 0;
  for (let i = 0; i < a.length; i++) if (!(Math.abs(a[i] - b[i]) <= tolerance)) count++;
  return count / a.length;
}

const sampled = (values: Float32Array | Int32Array) => values.filter((_, i) => i % stride === 0);

describe('a run of two workers and two rounds equals PyTorch', () => {
  it('step by step: losses, inner steps, what is sent, the agreed state', async () => {
    const { sparseloco: sparse } = settings;
    if (sparse === undefined) throw new Error('the vectors are of a SparseLoCo run');
    const config = SIZES[settings.size];
    const layout = parameterLayout(config);
    const genesis = genesisTheta(config, `experiment ${settings.seed}`, sparse.fractionBits);
    const submissions: Uint8Array[] = [];
    const outer = new SparseOuter(genesis, layout, sparse, {
      onSubmission: (bytes) => submissions.push(bytes),
    });
    const engines = await pool.take(settings.size, settings.batch, settings.sequence, settings.workers);
    const losses: number[] = [];
    for (let round = 0; round < settings.rounds; round++) {
      for (const [w, engine] of engines.entries()) {
        engine.setParameters(outer.start(w));
        const batches = workerBatches(workerText(corpus, settings, w), settings, round, w);
        const plan = { batches, accumulation: 1, rate: rateOf(settings)(round, settings.innerSteps) };
        await innerSteps(engine, plan, settings.innerSteps, {
          after: async () => void losses.push((await engine.report()).loss),
        });
        const end = await engine.readParameters();
        const ends = data(`round${round}.worker${w}.end`);
        // A coordinate whose gradient is nearly zero moves by Adam's sign alone, which rounding may flip.
        expect(differing(sampled(end), ends, 2e-5), `ends of round ${round}, worker ${w}`).toBeLessThan(0.01);
        outer.submit(w, end);

        const bytes = submissions.at(-1) ?? new Uint8Array();
        const sent = dequantise(decodeSubmission(bytes, layout, sparse).update, layout);
        const theirs = new Float32Array(layout.elements);
        const values = data(`round${round}.worker${w}.value`);
        data(`round${round}.worker${w}.index`).forEach((index, i) => {
          theirs[index] = values[i];
        });
        expect(values.length).toBeGreaterThan(2000);
        const wrong = sent.filter((x, i) => Math.abs(x - theirs[i]) > 1e-7).length;
        // Of values nearly equal in size at the edge of the top k, rounding decides which is sent.
        expect(wrong / values.length, `sent in round ${round} by ${w}`).toBeLessThan(0.02);
      }
      outer.step(engines.map(() => 1024));
      const theta = outer.parameters().map((x) => x * 2 ** sparse.fractionBits);
      expect(differing(sampled(theta), data(`round${round}.theta`), 64), `θ after ${round}`).toBeLessThan(
        0.002,
      );
    }
    expect(differing(losses, meta('losses') as number[], 1e-3)).toBe(0);
  });

  it('as one simulation: the held-out loss after each round', async () => {
    const { curve } = await simulate(settings, corpus, pool, 'test', {
      windows: Number(meta('windows')),
    });
    expect(
      differing(
        curve.map(({ loss }) => loss),
        meta('heldOut') as number[],
        1e-3,
      ),
    ).toBe(0);
  });
});
