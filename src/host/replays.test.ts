/** The replay process on a real (software) device: opens, compares, ends when it is told to. */
import { afterAll, expect, test } from 'vitest';
import { parameterLayout } from '../model/layout.ts';
import { genesisTheta } from '../model/init.ts';
import { preset } from '../model/presets.ts';
import { testHash, testManifest } from '../protocol/testing.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import { testHeader } from '../sparseloco/testing.ts';
import type { Replays } from '../gauntlet/replays.ts';
import { openReplays } from './replays.ts';

const base = preset('tiny');
const run = testManifest(new Uint8Array(32), []);
const manifest = {
  ...run,
  model: base.model,
  training: base.training,
  sparseloco: base.sparseloco,
  data: { ...run.data, train: [{ hash: new Uint8Array(32), size: 4000, tokens: 2000 }] },
};
let replays: Replays | null = null;
afterAll(() => replays?.close());

/** A busy machine compiles the engine's kernels for its CPU driver for a minute. */
const PATIENCE_MS = 240_000;

test('replays in a process of its own: nothing done is not what training does', {
  timeout: PATIENCE_MS,
}, async () => {
  const opened = await openReplays(manifest, true, new AbortController().signal);
  if ('why' in opened) throw new Error(opened.why);
  console.log(`adapter: ${opened.adapter}`);
  replays = opened.replays;
  const layout = parameterLayout(base.model);
  const theta = genesisTheta(base.model, 'replays test', base.sparseloco.fractionBits);
  const replica = new CpuReplica(layout, base.sparseloco);
  await replica.load(theta);
  const { bytes } = await replica.compress(replica.parameters(), testHeader());
  const nothing = new Float32Array(layout.elements);
  const after = { error: nothing, moment1: nothing, moment2: nothing, step: 1 };
  const shards = new Map([[0, Uint16Array.from({ length: 2000 }, (_, i) => (i * 7) % 300)]]);
  const job = { theta, before: null, seed: testHash('seed'), height: 1, innerSteps: 1, shards };
  const figures = await replays.replay({ job, claim: { before: null, after }, submission: bytes });
  expect(figures).toMatchObject({ work: 1, moment1: 1, moment2: 1, steps: 0 });
  await expect(
    replays.replay({ job, claim: { before: null, after }, submission: new Uint8Array(9) }),
  ).rejects.toThrow();
});

test('called off while it opens, it says so and leaves nothing behind', async () => {
  const leaving = new AbortController();
  const opening = openReplays(manifest, true, leaving.signal);
  leaving.abort();
  expect(await opening).toMatchObject({ why: expect.stringContaining('stopping') });
});
