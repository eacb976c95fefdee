/** The trainer worker in Chromium: comlink, transfers, progress and errors across the thread, roots as on the CPU. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { genesisTheta } from '../model/init.ts';
import { parameterLayout } from '../model/layout.ts';
import { preset } from '../model/presets.ts';
import { bytesEqual } from '../protocol/bytes.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { testManifest } from '../protocol/testing.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import type { TrainerClient } from '../work/pretrain/trainer-api.ts';
import { startTrainer } from './client.ts';

const base = preset('tiny');
const run = testManifest(new Uint8Array(32), []);
const manifest: Manifest = {
  ...run,
  model: base.model,
  task: {
    kind: 'pretrain',
    training: { ...base.training, maxInnerSteps: 4 },
    data: { ...run.task.data, train: [{ hash: new Uint8Array(32), size: 8000, tokens: 4000 }] },
  },
  sparseloco: base.sparseloco,
};

let trainer: TrainerClient;
beforeAll(() => {
  trainer = startTrainer();
});
afterAll(() => trainer.terminate());

test('errors keep their names across the thread', async () => {
  await expect(trainer.theta()).rejects.toThrow('not open');
  const far = {
    ...manifest,
    model: { ...base.model, vocabSize: 1 << 20, hiddenSize: 8192, heads: 64, kvHeads: 64 },
  };
  await expect(trainer.open(far)).rejects.toMatchObject({ name: 'DoesNotFitError' });
});

test('a round in the worker gives the CPU replica’s root', async () => {
  const { adapter } = await trainer.open(manifest);
  console.log(
    `adapter: ${adapter.vendor} ${adapter.architecture} (${adapter.description}), software ${adapter.software}`,
  );
  expect(adapter.architecture).toContain('swiftshader');

  const theta = genesisTheta(base.model, 'browser test', base.sparseloco.fractionBits);
  const cpu = new CpuReplica(parameterLayout(base.model), base.sparseloco);
  await cpu.load(theta);
  expect(bytesEqual(await trainer.load(theta), await cpu.root())).toBe(true);

  const steps: number[] = [];
  const shards = new Map([[0, Uint16Array.from({ length: 4000 }, (_, i) => (i * 7) % 40)]]);
  const assignment = { seed: new Uint8Array(32).fill(7), height: 1, shards };
  await trainer.train(assignment, Date.now() + 60_000, (p) => steps.push(p.innerSteps));
  expect(steps.at(-1)).toBe(4);
  const work = await trainer.finish({
    run: new Uint8Array(32).fill(1),
    round: 1,
    contributor: new Uint8Array(32).fill(2),
  });
  const accepted = [{ bytes: work?.submission as Uint8Array, weight: 7 }];
  expect(bytesEqual(await trainer.apply(accepted), await cpu.apply(accepted))).toBe(true);
  expect(await trainer.theta()).toEqual(await cpu.read());
});

test('ending a trainer fails the calls under way and all later ones: nobody waits for a hanging driver', async () => {
  const hanging = startTrainer();
  const opening = hanging.open(manifest);
  hanging.terminate();
  await expect(opening).rejects.toMatchObject({ name: 'WorkerEndedError' });
  await expect(hanging.theta()).rejects.toMatchObject({ name: 'WorkerEndedError' });
  hanging.terminate();
});
