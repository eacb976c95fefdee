/** The engine's contract beside the numbers: accumulation, masks, splits, evaluation, memory, dispatches, lost devices. */
import { describe, expect, it } from 'vitest';
import { openNodeGpu } from '../kernels/node-gpu.ts';
import { testGpu } from '../kernels/testing.ts';
import { noise, relativeError } from '../kernels/testing-buffers.ts';
import type { Gpu } from '../kernels/gpu.ts';
import type { ModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/layout.ts';
import { createEngine } from './engine.ts';
import { DeviceLostError, DoesNotFitError } from './errors.ts';
import { estimateMemory } from './memory.ts';
import { llamaReference } from './reference/llama.ts';
import type { Batch, EngineOptions } from './types.ts';

const config: ModelConfig = {
  vocabSize: 192,
  hiddenSize: 64,
  intermediateSize: 64,
  layers: 1,
  heads: 2,
  kvHeads: 2,
  tiedEmbeddings: false,
  ropeTheta: 10_000,
  rmsNormEps: 1e-5,
};
const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };

const start = (c: ModelConfig) => {
  const layout = parameterLayout(c);
  return noise(layout.elements, 9).map((x, i) => (i < layout.matrixElements ? 0.1 * x : 1 + 0.1 * x));
};

function tokensOf(c: ModelConfig, n: number, seed: number, masked = 0): Batch {
  const raw = noise(n + 1, seed).map((x) => Math.floor(((x + 1) / 2) * c.vocabSize) % c.vocabSize);
  const targets = Int32Array.from(raw.subarray(1));
  targets.fill(-1, 0, masked);
  return { tokens: Int32Array.from(raw.subarray(0, n)), targets };
}

async function engineFor(options: Partial<EngineOptions> = {}) {
  const engine = await createEngine({
    gpu: await testGpu(),
    config,
    batch: 1,
    sequence: 21,
    accumulation: 1,
    optimizer,
    ...options,
  });
  engine.setParameters(start(options.config ?? config));
  engine.resetOptimizer();
  return engine;
}

describe('gradients equal the f64 reference', () => {
  it('over micro-batches whose counted targets differ: the mean is over all of them', async () => {
    const engine = await engineFor({ accumulation: 2 });
    const parts = [tokensOf(config, 21, 1, 15), tokensOf(config, 21, 2)];
    await engine.step(parts, 1e-3);
    const count = 6 + 21;
    const expected = parts.map((p) => llamaReference(config, Float64Array.from(start(config)), p, 1, count));
    const sum = expected[0].gradients.map((x, i) => x + expected[1].gradients[i]);
    expect(relativeError(await engine.readGradients(), sum)).toBeLessThan(1e-5);
    const loss = expected.reduce((total, e) => total + e.loss, 0);
    expect(Math.abs((await engine.report()).loss / loss - 1)).toBeLessThan(1e-5);
    engine.destroy();
  });

  it('with a tied vocabulary and flat buffers bound in several parts, and more than one chunk of rows', async () => {
    const gpu = await testGpu();
    // Bindings hold three quarters of the embedding and two fifths of the parameters. The device itself allows more.
    const small: Gpu = { ...gpu, adapter: { ...gpu.adapter, maxStorageBufferBindingSize: 200_000 } };
    const tied = { ...config, vocabSize: 512, hiddenSize: 128, tiedEmbeddings: true };
    const engine = await engineFor({ gpu: small, config: tied, batch: 2, sequence: 45 });
    const batch = tokensOf(tied, 90, 3, 4);
    await engine.step([batch], 1e-3);
    const expected = llamaReference(tied, Float64Array.from(start(tied)), batch, 2);
    expect(relativeError(await engine.readGradients(), expected.gradients)).toBeLessThan(1e-5);
    engine.destroy();
  });
});

it('the same trajectory with activations kept and recomputed, and evaluation changes nothing', async () => {
  const two = { ...config, layers: 2 };
  const [kept, again] = [await engineFor({ config: two }), await engineFor({ config: two, recompute: true })];
  const batch = tokensOf(two, 21, 4);
  for (let i = 0; i < 3; i++) {
    await kept.step([batch], 1e-2);
    await kept.evaluate(tokensOf(two, 21, 5));
    await again.step([batch], 1e-2);
  }
  const [a, b] = [await kept.readParameters(), await again.readParameters()];
  expect(a).toEqual(b);
  const [first, last] = [
    llamaReference(two, Float64Array.from(start(two)), batch, 1).loss,
    await kept.evaluate(batch),
  ];
  expect(last).toBeLessThan(first - 0.1);
  expect(again.allocatedBytes).toBeLessThan(kept.allocatedBytes);
  kept.destroy();
  again.destroy();
});

it("another engine continues to the bit from parameters and Adam's state, and not without the latter", async () => {
  const [first, second] = [await engineFor(), await engineFor()];
  const batches = [1, 2, 3].map((seed) => tokensOf(config, 21, seed));
  await first.step([batches[0]], 1e-2);
  await first.step([batches[1]], 1e-2);
  const [parameters, state] = [await first.readParameters(), await first.readOptimizer()];
  expect(state.step).toBe(2);
  await first.step([batches[2]], 1e-2);
  second.setParameters(parameters);
  await second.step([batches[2]], 1e-2);
  expect(await second.readParameters()).not.toEqual(await first.readParameters());
  second.setParameters(parameters);
  second.setOptimizer(state);
  await second.step([batches[2]], 1e-2);
  expect(await second.readParameters()).toEqual(await first.readParameters());
  expect(await second.readOptimizer()).toEqual(await first.readOptimizer());
  expect(() => second.setOptimizer({ ...state, m: new Float32Array(3) })).toThrow(RangeError);
  expect(() => second.setOptimizer({ ...state, step: -1 })).toThrow(RangeError);
  first.destroy();
  second.destroy();
});

it('a batch without any counted target changes parameters only by decay', async () => {
  const engine = await engineFor();
  await engine.step([tokensOf(config, 21, 1, 21)], 0.1);
  expect(await engine.report()).toEqual({ loss: 0, gradientNorm: 0 });
  const decayed = start(config).map((x, i) => (i < engine.layout.matrixElements ? x * (1 - 0.1 * 0.1) : x));
  expect(relativeError(await engine.readParameters(), decayed)).toBeLessThan(1e-6);
  engine.destroy();
});

it('refuses wrong input before touching the GPU', async () => {
  const engine = await engineFor();
  await expect(engine.step([], 1e-3)).rejects.toThrow(RangeError);
  const bad = tokensOf(config, 21, 1);
  bad.tokens[3] = config.vocabSize;
  await expect(engine.step([bad], 1e-3)).rejects.toThrow('outside the vocabulary');
  expect(() => engine.setParameters(new Float32Array(3))).toThrow(RangeError);
  const { device, adapter } = await testGpu();
  const without = { device, adapter: { ...adapter, shaderF16: false } };
  await expect(engineFor({ gpu: without, storage: 'f16' })).rejects.toThrow('shader-f16');
  expect(await engine.readParameters()).toEqual(start(config));
  engine.destroy();
});

describe('memory', () => {
  it('the estimate is what is allocated', async () => {
    for (const recompute of [false, true]) {
      const engine = await engineFor({ recompute });
      const { maxStorageBufferBindingSize: maxBinding } = engine.gpu.adapter;
      expect(estimateMemory(config, 1, 21, { recompute, maxBinding }).total).toBe(engine.allocatedBytes);
      engine.destroy();
    }
  });

  it('124 M parameters at sequence 1024 fit in 4 GiB', () => {
    const big: ModelConfig = {
      ...config,
      vocabSize: 50_304,
      hiddenSize: 768,
      intermediateSize: 2048,
      layers: 12,
      heads: 12,
      kvHeads: 12,
      tiedEmbeddings: true,
    };
    expect(parameterLayout(big).elements).toBeGreaterThan(123e6);
    expect(estimateMemory(big, 1, 1024).total).toBeLessThan(4 * 2 ** 30);
  });

  it('what cannot fit is refused with the numbers and the largest preset that can', async () => {
    const wide = {
      ...config,
      vocabSize: 64_000,
      hiddenSize: 4096,
      intermediateSize: 8192,
      heads: 32,
      kvHeads: 32,
    };
    const attempt = engineFor({ config: wide });
    await expect(attempt).rejects.toThrow(DoesNotFitError);
    await expect(attempt).rejects.toMatchObject({
      facts: { misfit: { bytes: expect.any(Number), most: expect.any(Number) }, largest: expect.any(String) },
    });
    await expect(engineFor({ budgetBytes: 100_000 })).rejects.toMatchObject({
      facts: { misfit: { of: 'budget', most: 100_000 } },
    });
  });
});

it('12 layers take at most 300 dispatches a step', async () => {
  const engine = await engineFor({ config: { ...config, layers: 12 } });
  expect(engine.dispatchesPerStep).toBeLessThanOrEqual(300);
  engine.destroy();
});

it('steps create no GPU object and the queue stays short', async () => {
  const gpu = await testGpu();
  const engine = await engineFor();
  const batch = tokensOf(config, 21, 6);
  await engine.step([batch], 1e-3);
  const made: string[] = [];
  const device = gpu.device as unknown as Record<string, unknown>;
  const names = ['createBuffer', 'createBindGroup', 'createComputePipeline', 'createComputePipelineAsync'];
  for (const name of names) {
    device[name] = (...args: unknown[]) => {
      made.push(name);
      return (Object.getPrototypeOf(gpu.device) as Record<string, (...a: unknown[]) => unknown>)[name]?.apply(
        gpu.device,
        args,
      );
    };
  }
  try {
    for (let i = 0; i < 20; i++) await engine.step([batch], 1e-3);
    await engine.report();
  } finally {
    for (const name of names) delete device[name];
  }
  expect(made).toEqual([]);
  engine.destroy();
});

it('a lost device fails every call, under way or later, with DeviceLostError', async () => {
  const gpu = await openNodeGpu();
  const engine = await engineFor({ gpu });
  const batch = tokensOf(config, 21, 7);
  await engine.step([batch], 1e-3);
  const pending = [engine.step([batch], 1e-3), engine.report(), engine.readParameters()];
  const settled = Promise.allSettled(pending);
  gpu.device.destroy();
  for (const result of await settled) {
    if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(DeviceLostError);
  }
  expect((await settled).some((r) => r.status === 'rejected')).toBe(true);
  await expect(engine.step([batch], 1e-3)).rejects.toBeInstanceOf(DeviceLostError);
  await expect(engine.evaluate(batch)).rejects.toBeInstanceOf(DeviceLostError);
});

it('calls after destroy() fail and do not hang', async () => {
  const engine = await engineFor();
  const reading = engine.readParameters().then(
    () => 'done',
    () => 'failed',
  );
  engine.destroy();
  expect(['done', 'failed']).toContain(await reading);
});
