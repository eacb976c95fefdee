/** The trainer on a real (software) WebGPU device: it learns, its state equals the CPU replica's, and it obeys. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nodeGpuEntry } from '../../kernels/node-gpu.ts';
import { genesisTheta } from '../../model/init.ts';
import { parameterLayout } from '../../model/layout.ts';
import { preset } from '../../model/presets.ts';
import { bytesEqual } from '../../protocol/bytes.ts';
import {
  type Carry,
  carryDigests,
  type CarryDigests,
  carryRoot,
  type CarryRoots,
  zeroCarry,
} from '../../training/carry.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { testManifest } from '../../protocol/testing.ts';
import { CpuReplica } from '../../sparseloco/cpu-replica.ts';
import type { Assignment, TrainProgress } from './trainer-api.ts';
import { Trainer } from './trainer.ts';

const base = preset('tiny');
const tag = { run: new Uint8Array(32).fill(1), round: 3, contributor: new Uint8Array(32).fill(2) };
const run = testManifest(new Uint8Array(32), []);
const manifest: Manifest = {
  ...run,
  model: base.model,
  sparseloco: base.sparseloco,
  task: {
    ...run.task,
    training: { ...base.training, maxInnerSteps: 12, warmupRounds: 1 },
    data: { ...run.task.data, train: [{ hash: new Uint8Array(32), size: 8000, tokens: 4000 }] },
  },
};

/** Text with an easy pattern, so that a few steps show. */
const assignment: Assignment = {
  seed: new Uint8Array(32).fill(7),
  height: 1,
  shards: new Map([[0, Uint16Array.from({ length: 4000 }, (_, i) => (i * 7) % 40)]]),
};
const theta = genesisTheta(base.model, 'trainer test', base.sparseloco.fractionBits);
const far = () => Date.now() + 600_000;

let trainer: Trainer;
beforeAll(async () => {
  trainer = new Trainer(await nodeGpuEntry());
  const { adapter, bytesNeeded } = await trainer.open(manifest);
  console.log(`adapter: ${adapter.vendor} ${adapter.architecture}, software ${adapter.software}`);
  expect(adapter.architecture).not.toBe('');
  expect(bytesNeeded).toBeGreaterThan(4 * parameterLayout(base.model).elements);
});
afterAll(() => trainer.close());

test('a round: inner steps lower the loss, the submission applies to the CPU replica’s root', async () => {
  const cpu = new CpuReplica(parameterLayout(base.model), base.sparseloco);
  await cpu.load(theta);
  expect(bytesEqual(await trainer.load(theta), await cpu.root())).toBe(true);

  const progress: TrainProgress[] = [];
  await trainer.train(assignment, far(), (p) => progress.push(p));
  expect(progress.at(-1)?.innerSteps).toBe(12);
  const { batch, sequence, accumulation } = base.training;
  expect(progress.at(-1)?.tokens).toBe(12 * batch * sequence * accumulation);

  const work = await trainer.finish(tag);
  expect(work?.innerSteps).toBe(12);
  const accepted = [{ bytes: work?.submission as Uint8Array, weight: 1024 }];
  const root = await trainer.apply(accepted);
  expect(bytesEqual(root, await cpu.apply(accepted))).toBe(true);
  expect(await trainer.theta()).toEqual(await cpu.read());

  // One sparse update of many: from the new state the same text is easier.
  const again: TrainProgress[] = [];
  await trainer.train(assignment, far(), (p) => again.push(p));
  expect(again[0]?.loss).toBeLessThan(progress[0]?.loss - 0.1);
});

test('stop ends the inner loop between two steps, and what was done counts', async () => {
  await trainer.load(theta);
  await trainer.train(assignment, far(), (p) => {
    if (p.innerSteps === 3) trainer.stop();
  });
  expect((await trainer.finish(tag))?.innerSteps).toBe(3);
});

test('paused, it does nothing; resumed, it goes on; a pause past the deadline keeps what was done', async () => {
  await trainer.load(theta);
  const seen: number[] = [];
  const training = trainer.train(assignment, Date.now() + 3000, (p) => {
    seen.push(p.innerSteps);
    if (p.innerSteps === 2) trainer.setPaused(true);
  });
  await training;
  expect(seen).toEqual([1, 2]);
  trainer.setPaused(false);
  expect((await trainer.finish(tag))?.innerSteps).toBe(2);
});

test('no step, no submission; a refused one leaves the certified state', async () => {
  const before = await trainer.load(theta);
  await trainer.train(assignment, Date.now() - 1, () => {});
  expect(await trainer.finish(tag)).toBeNull();
  await trainer.train(assignment, far(), (p) => p.innerSteps === 2 && trainer.stop());
  const first = await trainer.finish(tag);
  await trainer.settle('refused');
  expect(await trainer.theta()).toEqual(theta);
  const cpu = new CpuReplica(parameterLayout(base.model), base.sparseloco);
  await cpu.load(theta);
  expect(bytesEqual(before, await cpu.root())).toBe(true);
  expect(first?.submission.byteLength).toBeGreaterThan(0);
});

test('in a run with audits each round starts from what the last one left, however that ended', async () => {
  const audited = new Trainer(await nodeGpuEntry());
  await audited.open({ ...manifest, gauntlet: { ...manifest.gauntlet, auditsPerRound: 1 } });
  await audited.load(theta);
  const round = async (steps: number) => {
    await audited.train(assignment, far(), (p) => p.innerSteps === steps && audited.stop());
  };
  const finish = async (number: number): Promise<CarryRoots> => {
    const work = await audited.finish({ ...tag, round: number });
    if (work?.carry == null) throw new Error('no roots');
    return work.carry;
  };
  const zeros = carryRoot(await zeroCarry(parameterLayout(base.model).elements));

  await round(2);
  const first = await finish(1);
  expect(first.before).toEqual(zeros);
  await audited.settle('refused');
  // An interrupted round never happened: neither its steps nor its moments.
  await round(3);
  await round(2);
  const second = await finish(2);
  expect(second.before).toEqual(first.refused);
  const answer = await audited.carry(2);
  expect(carryRoot(answer?.before?.digests as CarryDigests)).toEqual(second.before);
  expect(carryRoot(answer?.after.digests as CarryDigests)).toEqual(second.accepted);
  expect(await carryDigests(answer?.after as Carry)).toEqual(answer?.after.digests);
  expect(answer?.after.step).toBe(4);
  expect(await audited.carry(1)).toBeNull();

  // Told late that it was accepted after all.
  await audited.settle('refused');
  await audited.settle('accepted');
  await round(1);
  const third = await finish(3);
  expect(third.before).toEqual(second.accepted);
  // Nobody looked at it: error feedback and moments are again what it started from.
  await audited.settle('undone');
  await round(2);
  const fourth = await finish(4);
  expect(fourth.before).toEqual(second.accepted);
  const undone = await audited.carry(4);
  expect(await carryDigests(undone?.before as Carry)).toEqual(answer?.after.digests);
  expect(undone?.after.step).toBe((answer?.after.step ?? 0) + 2);
  await audited.settle('undone');
  await audited.settle('accepted');
  await round(1);
  expect((await finish(5)).before).toEqual(fourth.accepted);
  await audited.settle('reset');
  await round(2);
  const sixth = await finish(6);
  expect(sixth.before).toEqual(zeros);
  await audited.settle('undone');
  await round(1);
  expect((await finish(7)).before).toEqual(zeros);
  await audited.close();
});
