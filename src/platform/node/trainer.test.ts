/** The trainer in its process: the same numbers as in this one, calls side by side, and an end at any moment. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nodeGpuEntry } from '../../kernels/node-gpu.ts';
import { genesisTheta } from '../../model/init.ts';
import { preset } from '../../model/presets.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { testManifest } from '../../protocol/testing.ts';
import type { Assignment, TrainProgress } from '../../work/pretrain/trainer-api.ts';
import type { TrainerClient } from '../../work/pretrain/trainer-api.ts';
import { Trainer } from '../../work/pretrain/trainer.ts';
import { chooseDevice, startTrainer } from './trainer.ts';

const base = preset('tiny');
const run = testManifest(new Uint8Array(32), []);
const STEPS = 4;
const manifest: Manifest = {
  ...run,
  model: base.model,
  sparseloco: base.sparseloco,
  task: {
    kind: 'pretrain',
    training: { ...base.training, maxInnerSteps: STEPS, warmupRounds: 1 },
    data: { ...run.task.data, train: [{ hash: new Uint8Array(32), size: 8000, tokens: 4000 }] },
  },
};
const assignment: Assignment = {
  seed: new Uint8Array(32).fill(7),
  height: 1,
  shards: new Map([[0, Uint16Array.from({ length: 4000 }, (_, i) => (i * 7) % 40)]]),
};
const tag = { run: new Uint8Array(32).fill(1), round: 3, contributor: new Uint8Array(32).fill(2) };
const genesis = () => genesisTheta(base.model, 'node trainer test', base.sparseloco.fractionBits);
const far = () => Date.now() + 600_000;

let trainer: TrainerClient;
beforeAll(() => {
  trainer = startTrainer('cpu');
});
afterAll(() => trainer.terminate());

it('keeps the name and the message of an error that the trainer throws', async () => {
  await expect(trainer.theta()).rejects.toMatchObject({
    name: 'Error',
    message: expect.stringMatching(/not open/),
  });
});

it('keeps code and facts of a typed error: a model that does not fit', async () => {
  const large = { ...manifest.model, vocabSize: 65_536, hiddenSize: 65_536, heads: 1024, kvHeads: 1024 };
  await expect(trainer.open({ ...manifest, model: large })).rejects.toMatchObject({
    name: 'DoesNotFitError',
    facts: { misfit: { most: expect.any(Number) }, batch: 2, sequence: 64 },
  });
});

// Both sides compile every kernel on the processor.
it('trains in another process with the numbers of this one, and reports progress', async () => {
  const { adapter, bytesNeeded } = await trainer.open(manifest);
  expect(adapter.software).toBe(true);
  const here = new Trainer(await nodeGpuEntry());
  expect(await here.open(manifest)).toEqual({ adapter, bytesNeeded });

  expect(await trainer.load(genesis())).toEqual(await here.load(genesis()));
  const progress: TrainProgress[] = [];
  await trainer.train(assignment, far(), (p) => progress.push(p));
  await here.train(assignment, far(), () => {});
  expect(progress.map((p) => p.innerSteps)).toEqual([1, 2, 3, 4]);
  expect(progress.at(-1)?.loss).toBeGreaterThan(0);

  const [there, mine] = [await trainer.finish(tag), await here.finish(tag)];
  expect(there?.submission).toEqual(mine?.submission);
  const submissions = [{ bytes: there?.submission as Uint8Array, weight: 1 }];
  expect(await trainer.apply(submissions)).toEqual(await here.apply(submissions));
  const theta = await trainer.theta();
  expect(theta).toBeInstanceOf(Int32Array);
  expect(theta).toEqual(await here.theta());
  await here.close();
}, 180_000);

it('takes calls while it trains', async () => {
  const answers: Promise<void>[] = [];
  // Paused it would wait for minutes: that it ends shows that both calls arrive.
  await trainer.train(assignment, far(), () => {
    if (answers.length === 0) answers.push(trainer.setPaused(true), trainer.stop());
  });
  await Promise.all(answers);
  await trainer.setPaused(false);
});

it('fails every call when it is ended in the middle of a step, and this process goes on', async () => {
  const reading = Promise.withResolvers<Promise<unknown>>();
  const training = trainer.train(assignment, far(), () => {
    reading.resolve(trainer.theta());
    trainer.terminate();
  });
  await expect(training).rejects.toMatchObject({ name: 'PlatformError', code: 'trainer-ended' });
  await expect(reading.promise).rejects.toMatchObject({ code: 'trainer-ended' });
  await expect(trainer.theta()).rejects.toMatchObject({ code: 'trainer-ended', facts: { cause: 'killed' } });
});

it('chooses the processor where SwiftShader is, and says what to install where it is not', async () => {
  expect(await chooseDevice('cpu')).toMatchObject({ kind: 'cpu', adapter: { software: true } });
  await expect(chooseDevice('cpu', '/none.json')).rejects.toMatchObject({
    code: 'no-gpu',
    facts: { wanted: 'cpu', install: 'chromium' },
  });
});
