/** The loss worker on the real runtime: the same losses as the evaluator alone, and what a scaled step does to them. */
import { afterAll, expect, test } from 'vitest';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { createOrtEvaluator } from '../model/ort-evaluator.ts';
import { preset } from '../model/presets.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { testHeader } from '../sparseloco/testing.ts';
import type { Batch } from '../training/types.ts';
import { createLossMeter } from './losses.ts';

const { model, sparseloco } = preset('tiny');
const sequence = 16;
const meter = createLossMeter({ model, sparseloco, sequence });
afterAll(() => meter.close());

const theta = genesisTheta(model, 'losses test', sparseloco.fractionBits);
const batch: Batch = {
  tokens: Int32Array.from({ length: 3 * sequence }, (_, i) => (i * 7) % 50),
  targets: Int32Array.from({ length: 3 * sequence }, (_, i) => ((i + 1) * 7) % 50),
};

test('one loss a sequence, equal to the evaluator’s', async () => {
  await meter.load(theta);
  const losses = await meter.losses(batch);
  expect(losses).toHaveLength(3);
  const alone = await createOrtEvaluator(model, { batch: 3, sequence });
  const parameters = Float32Array.from(theta, (x) => x * 2 ** -sparseloco.fractionBits);
  const mean = await alone.evaluate(parameters, batch.tokens, batch.targets);
  await alone.close();
  expect(losses.reduce((a, b) => a + b) / 3).toBeCloseTo(mean, 5);
  expect(mean).toBeGreaterThan(5); // about ln 512 for a fresh model
});

test('a scaled step changes the loss; a whole one equals the applied state', async () => {
  const layout = parameterLayout(model);
  const replica = new CpuReplica(layout, sparseloco);
  await replica.load(theta);
  const parameters = replica.parameters();

  for (let token = 50; token < model.vocabSize; token++)
    for (let i = 0; i < model.hiddenSize; i++) {
      const at = token * model.hiddenSize + i;
      parameters[at] = parameters[at] * 0.2;
    }
  const { bytes } = await replica.compress(parameters, testHeader());
  const [before, half, whole] = [
    await meter.losses(batch),
    await meter.losses(batch, { bytes, scale: 0.5 }),
    await meter.losses(batch, { bytes, scale: 1 }),
  ];
  const none = await meter.losses(batch, { bytes, scale: 1e-9 });
  none.forEach((loss, i) => {
    expect(loss).toBeCloseTo(before[i], 5);
  });
  half.forEach((loss, i) => {
    expect(Math.abs(loss - before[i])).toBeGreaterThan(1e-6);
    expect(Math.abs(whole[i] - before[i])).toBeGreaterThan(1e-6);
  });
  // A whole step is exactly the state that every replica has after applying this submission alone.
  await replica.apply([{ bytes, weight: 1 }]);
  await meter.load(await replica.read());
  const applied = await meter.losses(batch);
  applied.forEach((loss, i) => {
    expect(loss).toBeCloseTo(whole[i], 4);
  });
});

test('bytes that do not decode are an error of that measurement only', async () => {
  await expect(meter.losses(batch, { bytes: new Uint8Array(50), scale: 1 })).rejects.toThrow();
  expect(await meter.losses(batch)).toHaveLength(3);
});
