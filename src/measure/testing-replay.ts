/** For tests of what answers replays: the tiny model, and a claim of one inner step for which nothing was done. */
import type { Run } from '../chain/run.ts';
import { testRun } from '../chain/testing.ts';
import { genesisTheta } from '../model/init.ts';
import { preset } from '../model/presets.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { testHeader } from '../sparseloco/testing.ts';
import type { ReplayRequest } from './replays.ts';

/** Figures of {@link makeIdleReplay}: everything claimed is 100 % off, but the step count. */
export const IDLE_FIGURES = { work: 1, moment1: 1, moment2: 1, steps: 0 };

export async function makeIdleReplay(): Promise<{ run: Run; request: ReplayRequest }> {
  const { model, training, sparseloco } = preset('tiny');
  const base = testManifest(new Uint8Array(32), []);
  const data = { ...base.task.data, train: [{ hash: new Uint8Array(32), size: 4000, tokens: 2000 }] };
  const run = testRun({ ...base, model, sparseloco, task: { ...base.task, training, data } });
  const theta = genesisTheta(model, 'replays test', sparseloco.fractionBits);
  const replica = new CpuReplica(run.layout, sparseloco);
  await replica.load(theta);
  const { bytes } = await replica.compress(replica.parameters(), testHeader());
  const nothing = new Float32Array(run.layout.elements);
  const after = { error: nothing, moment1: nothing, moment2: nothing, step: 1 };
  const shards = new Map([[0, Uint16Array.from({ length: 2000 }, (_, i) => (i * 7) % 300)]]);
  const job = { theta, before: null, seed: testHash('seed'), height: 1, innerSteps: 1, shards };
  return { run, request: { job, claim: { before: null, after }, submission: bytes } };
}
