/** An audit on a real (software) WebGPU device: the trainer's round against the replayer, true and false. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compareReplay, judgeReplay, type ReplayedRound, type RoundClaim } from '../../gauntlet/replay.ts';
import { Replayer } from '../../measure/replayer.ts';
import { nodeGpuEntry } from '../../kernels/node-gpu.ts';
import { testGpu } from '../../kernels/testing.ts';
import { genesisTheta } from '../../model/init.ts';
import { parameterLayout } from '../../model/layout.ts';
import { preset } from '../../model/presets.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import { testHash, testManifest } from '../../protocol/testing.ts';
import { compressCpu } from '../../sparseloco/compress-cpu.ts';
import { addScaled } from '../../sparseloco/update.ts';
import { decodeSubmission } from '../../sparseloco/wire.ts';
import type { Assignment } from './trainer-api.ts';
import { Trainer } from './trainer.ts';

const base = preset('tiny');
const run = testManifest(new Uint8Array(32), []);
const STEPS = 4;
const manifest: Manifest = {
  ...run,
  model: base.model,
  sparseloco: base.sparseloco,
  gauntlet: { ...run.gauntlet, auditsPerRound: 1 },
  task: {
    ...run.task,
    training: { ...base.training, maxInnerSteps: STEPS },
    data: { ...run.task.data, train: [{ hash: new Uint8Array(32), size: 16_000, tokens: 8000 }] },
  },
};
const layout = parameterLayout(base.model);
const shards = new Map([[0, Uint16Array.from({ length: 8000 }, (_, i) => (i * i * 31 + i * 7) % 300)]]);
const assignment = (round: number): Assignment => ({
  seed: testHash(`seed ${round}`),
  height: round,
  shards,
});

let replayer: Replayer;
let trainer: Trainer;
/** The state that round 2 starts from. */
let theta: Int32Array;
beforeAll(async () => {
  replayer = await Replayer.open(await testGpu(), manifest);
  trainer = new Trainer(await nodeGpuEntry());
  await trainer.open(manifest);
});
afterAll(async () => {
  replayer.close();
  await trainer.close();
});

/** What the trainer hands in and shows after `steps` inner steps from the state it holds. */
async function contribute(round: number, as: Assignment, steps: number) {
  await trainer.train(as, Date.now() + 600_000, (p) => p.innerSteps === steps && trainer.stop());
  const work = await trainer.finish({ run: new Uint8Array(32), round, contributor: new Uint8Array(32) });
  const shown = await trainer.carry(round);
  if (work === null || shown === null) throw new Error('no work');
  const sent = decodeSubmission(work.submission, layout, manifest.sparseloco).update;
  const claim: RoundClaim = { before: shown.before, after: shown.after, sent, innerSteps: STEPS };
  return { claim, submission: work.submission };
}

/** Round 2 as its assignment says it is. */
function replay({ before, innerSteps }: RoundClaim): Promise<ReplayedRound> {
  const { seed, height } = assignment(2);
  return replayer.replay({ theta, before, seed, height, innerSteps, shards });
}

function examine(claim: RoundClaim, replayed: ReplayedRound) {
  const figures = compareReplay(claim, replayed, layout, manifest.sparseloco);
  return { figures, ...judgeReplay(figures) };
}

test('an honest round passes; less work, other data and made-up submissions do not', async () => {
  await trainer.load(genesisTheta(base.model, 'audit test', base.sparseloco.fractionBits));
  const { submission } = await contribute(1, assignment(1), STEPS);
  await trainer.apply([{ bytes: submission, weight: 1 }]);
  theta = await trainer.theta();
  const { claim: honest } = await contribute(2, assignment(2), STEPS);
  expect(honest.before?.step).toBe(STEPS);
  const truth = await replay(honest);
  const passed = examine(honest, truth);
  expect(passed).toMatchObject({ outcome: 'passed' });
  expect(passed.figures.work).toBeLessThan(1e-4);
  // One driver, one loop of inner steps: the replay is the trainer's work to the bit.
  expect(truth.moment1).toEqual(honest.after.moment1);
  expect(truth.moment2).toEqual(honest.after.moment2);

  // The lies start over from zeros, as a newcomer does; the state is the same.
  await trainer.settle('reset');
  const { claim: short } = await contribute(2, assignment(2), STEPS - 1);
  const fresh = await replay(short);
  expect(examine(short, fresh).figures.steps).toBe(-1);
  const { after } = short;
  const counted = examine({ ...short, after: { ...after, step: after.step + 1 } }, fresh);
  expect(counted).toMatchObject({ outcome: 'failed', figures: { steps: 0 } });
  expect(counted.figures.work).toBeGreaterThan(0.06);
  await trainer.settle('reset');
  const { claim: other } = await contribute(2, assignment(3), STEPS);
  expect(examine(other, fresh)).toMatchObject({ outcome: 'failed', figures: { steps: 0 } });

  // Honest work, but something else was sent and the error feedback bent so that both add up.
  const poison = compressCpu(
    {
      theta: new Int32Array(layout.elements),
      parameters: Float32Array.from({ length: layout.elements }, (_, i) => 1e-3 * Math.sin(i * 12.9898)),
      error: new Float32Array(layout.elements),
    },
    layout,
    manifest.sparseloco,
  ).update;
  const bent = honest.after.error.slice();
  addScaled(bent, honest.sent, layout, 1);
  addScaled(bent, poison, layout, -1);
  const poisoned = examine({ ...honest, sent: poison, after: { ...honest.after, error: bent } }, truth);
  expect(poisoned.figures.work).toBeLessThan(1e-4);
  expect(poisoned).toMatchObject({ outcome: 'failed' });
  expect(poisoned.note.figures.sent).toBeGreaterThan(0.02);

  // No numbers at all.
  const nothing = new Float32Array(layout.elements).fill(Number.NaN);
  const broken = examine({ ...honest, after: { ...honest.after, error: nothing } }, truth);
  expect(broken.outcome).toBe('failed');
});
