/** A validator's worker in Chromium: both ways to measure losses give the verdict that Node gives, and ticks come. */
import { expect, test } from 'vitest';
import { adapterLine } from '../kernels/gpu.ts';
import { RoundLosses } from '../measure/round-losses.ts';
import { IDLE_FIGURES, makeIdleReplay } from '../measure/testing-replay.ts';
import { toHex } from '../protocol/bytes.ts';
import { judgeRound, makeTestRound } from '../work/pretrain/testing.ts';
import { openWorkerReplays, WorkerLossMeter } from './validator-client.ts';

test('losses from a worker, by onnxruntime-web and by WebGPU, give one verdict', async () => {
  const { run, secret, blobs, theta, seen, good, harmful, silent } = await makeTestRound();
  for (const kind of ['ort', 'webgpu'] as const) {
    let ticks = 0;
    const meter = new WorkerLossMeter(run.manifest, kind, { ms: 5, callback: () => ticks++ });
    const { name, fallback } = await meter.opened();
    console.log(`${kind}: ${name}`);
    expect(fallback).toBeNull();
    const readBlob = async (ref: { hash: Uint8Array }) => blobs.get(toHex(ref.hash)) ?? null;
    const losses = new RoundLosses({ run, meter, elapsed: () => performance.now(), secret, readBlob });
    const verdict = await judgeRound(run, seen, losses, theta);
    expect(verdict.accepted.map((entry) => toHex(entry.contributor))).toEqual([toHex(good)]);
    // The same as in src/measure/loss-meters.test.ts, which runs in Node.
    const reasons = new Map(verdict.refused.map((r) => [toHex(r.contributor), r.reason]));
    expect(reasons).toEqual(
      new Map([
        [toHex(harmful), 'loss'],
        [toHex(silent), 'not-revealed'],
      ]),
    );
    await expect.poll(() => ticks).toBeGreaterThan(0);
    await meter.close();
    await expect(meter.load(theta)).rejects.toThrow('stopped');
  }
});

test('by itself it prefers onnxruntime-web to a software GPU and says so; so do audits', async () => {
  const { manifest } = (await makeTestRound()).run;
  const meter = new WorkerLossMeter(manifest);
  const { name, fallback } = await meter.opened();
  const opened = await openWorkerReplays(manifest, false);
  const none = 'why' in opened ? opened : null;
  // On a machine with a real GPU neither falls back.
  if (fallback === null) expect(none).toBeNull();
  else {
    expect(name).toMatch(/onnxruntime-web/);
    expect(fallback.why).toBe('software-gpu');
    expect(none?.why).toBe('software-gpu');
  }
  await meter.close();
});

test('a worker replays a round: nothing done is not what training does', async () => {
  const { run, request } = await makeIdleReplay();
  const opened = await openWorkerReplays(run.manifest, true);
  if ('why' in opened) throw new Error(opened.why);
  console.log(`adapter: ${adapterLine(opened.adapter)}`);
  expect(await opened.replays.replay(request)).toMatchObject(IDLE_FIGURES);
  await opened.replays.close();
  await expect(opened.replays.replay(request)).rejects.toMatchObject({ code: 'ended' });
});
