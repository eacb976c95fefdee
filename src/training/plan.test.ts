/** Parts of a model on buffers of their own: stages of a pipeline are the whole model, and a forward-only plan is its logits. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { defaultChoice } from '../kernels/choice.ts';
import { encode, type Launch, whole } from '../kernels/program.ts';
import { testGpu } from '../kernels/testing.ts';
import { noise, readBack } from '../kernels/testing-buffers.ts';
import type { ModelConfig } from '../model/config.ts';
import { type ModelPart, parameterLayout, wholeModel } from '../model/layout.ts';
import { createEngine } from './engine.ts';
import { estimateMemory } from './memory.ts';
import { orderByToken } from './plan/embed.ts';
import { STATS } from './plan/frame.ts';
import { type PrepareOptions, preparePlan } from './prepare.ts';
import { distance, REFERENCE_TOLERANCES } from './reference-check.ts';
import { parseReferenceFile } from './reference-file.ts';
import type { Batch } from './types.ts';

const gpu = await testGpu();
const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };
const config: ModelConfig = {
  vocabSize: 192,
  hiddenSize: 64,
  intermediateSize: 64,
  layers: 3,
  heads: 2,
  kvHeads: 1,
  tiedEmbeddings: false,
  ropeTheta: 10_000,
  rmsNormEps: 1e-5,
};
const size = { batch: 1, sequence: 21 };

type Sizes = Pick<PrepareOptions, 'config' | 'batch' | 'sequence'> &
  Partial<Pick<PrepareOptions, 'recompute' | 'forwardOnly'>>;

/** A part of the model, to be run list by list. */
async function partOf(part: ModelPart, sizes: Sizes) {
  const plan = await preparePlan({
    gpu,
    part,
    optimizer,
    accumulation: 1,
    recompute: false,
    choice: defaultChoice(gpu.adapter),
    storage: 'f32',
    ...sizes,
  });
  const { device } = gpu;
  const buffer = (name: string) => {
    const found = plan.buffers.get(name);
    if (found === undefined) throw new Error(`this part has no buffer "${name}"`);
    return found;
  };
  const { cleared } = plan;
  const layout = parameterLayout(sizes.config, part);
  return {
    plan,
    layout,
    read: (name: string) => readBack(gpu, whole(buffer(name))),
    write: (name: string, data: Float32Array | Int32Array) =>
      device.queue.writeBuffer(buffer(name), 0, data.buffer, data.byteOffset, data.byteLength),
    clear() {
      const encoder = device.createCommandEncoder();
      if (cleared !== undefined) encoder.clearBuffer(cleared.buffer, cleared.offset, cleared.size);
      device.queue.submit([encoder.finish()]);
    },
    run(launches: readonly Launch[]) {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const launch of launches) encode(pass, launch);
      pass.end();
      device.queue.submit([encoder.finish()]);
    },
    destroy() {
      for (const b of plan.buffers.values()) b.destroy();
    },
  };
}

/** The part's share of the whole model's parameters. */
function shareOf(parameters: Float32Array, c: ModelConfig, part: ModelPart): Float32Array {
  const [all, own] = [parameterLayout(c), parameterLayout(c, part)];
  const share = new Float32Array(own.elements);
  for (const { name, offset, size: n } of own.tensors) {
    const from = all.byName.get(name)?.offset ?? Number.NaN;
    share.set(parameters.subarray(from, from + n), offset);
  }
  return share;
}

function orderOf(tokens: Int32Array, vocab: number): Int32Array {
  const order = new Int32Array(2 * tokens.length + 2);
  orderByToken(tokens, order, new Int32Array(vocab + 1));
  return order;
}

/** One forward and backward pass down and up a pipeline. Gradients are flat, laid out as the whole model's. */
async function throughStages(
  c: ModelConfig,
  parts: readonly ModelPart[],
  parameters: Float32Array,
  { tokens, targets }: Batch,
  recompute: boolean,
) {
  const count = targets.filter((t) => t >= 0).length;
  const stages = await Promise.all(parts.map((part) => partOf(part, { config: c, ...size, recompute })));
  for (const [i, stage] of stages.entries()) {
    const { layers, embed, head } = parts[i];
    stage.write('parameters', shareOf(parameters, c, parts[i]));
    stage.write('step', Float32Array.of(0, 0, 0, 1 / count));
    if (embed) {
      stage.write('tokens', tokens);
      stage.write('order', orderOf(tokens, c.vocabSize));
    } else stage.write(`${layers[0]}.x`, await stages[i - 1].read(`${layers[0]}.x`));
    if (head) stage.write('targets', targets);
    stage.clear();
    stage.run(stage.plan.forward);
  }
  const all = parameterLayout(c);
  const gradients = new Float32Array(all.elements);
  for (const [i, stage] of [...stages.entries()].reverse()) {
    if (parts[i].head) stage.run(stage.plan.head);
    else stage.write('dx', await stages[i + 1].read('dx'));
    stage.run(stage.plan.backward);
    const own = await stage.read('gradients');
    for (const { name, offset, size: n } of stage.layout.tensors) {
      const into = all.byName.get(name)?.offset ?? Number.NaN;
      // Tied embeddings have a share in the first stage and one in the last.
      for (let k = 0; k < n; k++) gradients[into + k] = gradients[into + k] + own[offset + k];
    }
  }
  const loss = (await stages.at(-1)?.read('stats'))?.[STATS.loss] ?? Number.NaN;
  for (const stage of stages) stage.destroy();
  return { loss: loss / count, gradients };
}

const two: readonly ModelPart[] = [
  { layers: [0, 1], embed: true, head: false },
  { layers: [1, 3], embed: false, head: true },
];
const three: readonly ModelPart[] = [
  { layers: [0, 1], embed: true, head: false },
  { layers: [1, 2], embed: false, head: false },
  { layers: [2, 3], embed: false, head: true },
];

describe('stages of a pipeline give the loss and gradients of the whole model, to the bit', () => {
  it.each([
    { name: 'two stages', parts: two, tiedEmbeddings: false, recompute: false },
    { name: 'three stages, tied embeddings', parts: three, tiedEmbeddings: true, recompute: false },
    { name: 'two stages, activations recomputed', parts: two, tiedEmbeddings: true, recompute: true },
  ])('$name', async ({ parts, tiedEmbeddings, recompute }) => {
    const c = { ...config, tiedEmbeddings };
    const layout = parameterLayout(c);
    const parameters = noise(layout.elements, 9).map((x, i) =>
      i < layout.matrixElements ? 0.1 * x : 1 + 0.1 * x,
    );
    const ids = noise(22, 4).map((x) => Math.floor(((x + 1) / 2) * c.vocabSize) % c.vocabSize);
    const batch = { tokens: Int32Array.from(ids.subarray(0, 21)), targets: Int32Array.from(ids.subarray(1)) };
    batch.targets[5] = -1;
    const engine = await createEngine({ gpu, config: c, ...size, accumulation: 1, optimizer, recompute });
    engine.setParameters(parameters);
    await engine.step([batch], 0);
    const { loss, gradients } = await throughStages(c, parts, parameters, batch, recompute);
    expect(loss).toBe((await engine.report()).loss);
    expect(loss).toBeGreaterThan(1);
    expect(gradients).toEqual(await engine.readGradients());
    engine.destroy();
  });
});

it('a part has its own tensors and buffers only', async () => {
  const [first, last] = await Promise.all(two.map((part) => partOf(part, { config, ...size })));
  const names = ({ layout }: typeof first) => layout.tensors.map(({ name }) => name);
  expect(names(first).length + names(last).length).toBe(parameterLayout(config).tensors.length);
  expect(names(first)).toContain('model.layers.0.mlp.up_proj.weight');
  expect(names(last)).not.toContain('model.layers.0.mlp.up_proj.weight');
  expect([first.plan.buffers.has('logits'), last.plan.buffers.has('logits')]).toEqual([false, true]);
  expect([first.plan.buffers.has('tokens'), last.plan.buffers.has('tokens')]).toEqual([true, false]);
  expect([first.plan.head, first.plan.loss, first.plan.logits]).toEqual([[], [], []]);
  first.destroy();
  last.destroy();
});

it('a forward-only plan gives the logits and the loss of PyTorch, in less memory', async () => {
  const file = parseReferenceFile(
    readFileSync(new URL('../../test/vectors/llama-gqa.safetensors', import.meta.url)),
  );
  const { config: c, batchSize: batch, sequence, batch: data } = file;
  const model = await partOf(wholeModel(c), { config: c, batch, sequence, forwardOnly: true });
  model.write('parameters', file.parameters);
  model.write('tokens', data.tokens);
  model.write('targets', data.targets);
  model.write('step', Float32Array.of(0, 0, 0, 1));
  model.run(model.plan.forward);
  const logits = new Float32Array(file.logits.length);
  for (const { launches, first, rows } of model.plan.logits) {
    model.run(launches);
    logits.set((await model.read('logits')).subarray(0, rows * c.vocabSize), first * c.vocabSize);
  }
  expect(distance(logits, file.logits)).toBeLessThan(REFERENCE_TOLERANCES.f32.logits);
  model.run(model.plan.loss);
  const loss = (await model.read('stats'))[STATS.evaluation] / data.targets.filter((t) => t >= 0).length;
  expect(Math.abs(loss / file.losses[0] - 1)).toBeLessThan(REFERENCE_TOLERANCES.f32.loss);

  const { prepare, head, backward, update, cleared, buffers } = model.plan;
  expect({ prepare, head, backward, update, cleared }).toEqual({
    prepare: [],
    head: [],
    backward: [],
    update: [],
    cleared: undefined,
  });
  const allocated = [...buffers.values()].reduce((sum, b) => sum + b.size, 0);
  const maxBinding = gpu.adapter.maxStorageBufferBindingSize;
  const estimate = estimateMemory(c, batch, sequence, { forwardOnly: true, maxBinding });
  expect(estimate.total).toBe(allocated);
  expect(estimate.state).toBe(4 * file.parameters.length);
  expect(allocated).toBeLessThan(estimateMemory(c, batch, sequence, { maxBinding }).total / 2);
  model.destroy();
});
