/** A validator's worker in Chromium: both ways to measure losses give the verdict that Node gives, and ticks come. */
import { expect, test } from 'vitest';
import { RoundLosses } from '../gauntlet/round-losses.ts';
import { judgeRound } from '../gauntlet/testing-judge.ts';
import { IDLE_FIGURES, makeIdleReplay } from '../gauntlet/testing-replay.ts';
import { makeTestRound } from '../gauntlet/testing-round.ts';
import { toHex } from '../protocol/bytes.ts';
import { openWorkerReplays, WorkerLossMeter } from './validator-client.ts';

test('losses from a worker, by onnxruntime-web and by WebGPU, give one verdict', async () => {
  const { manifest, runId, secret, blobs, theta, seen, good, harmful, silent } = await makeTestRound();
  for (const kind of ['ort', 'webgpu'] as const) {
    let ticks = 0;
    const meter = new WorkerLossMeter(manifest, kind, { ms: 5, callback: () => ticks++ });
    const { name, fallback } = await meter.opened();
    console.log(`${kind}: ${name}`);
    expect(fallback).toBeNull();
    const readBlob = async (ref: { hash: Uint8Array }) => blobs.get(toHex(ref.hash)) ?? null;
    const losses = new RoundLosses({ manifest, runId, meter, secret, readBlob });
    await losses.load(0, theta);
    const verdict = await judgeRound(manifest, runId, seen, losses);
    expect(verdict.accepted.map((entry) => toHex(entry.contributor))).toEqual([toHex(good)]);
    // The same as in src/gauntlet/loss-meters.test.ts, which runs in Node.
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
  const { manifest } = await makeTestRound();
  const meter = new WorkerLossMeter(manifest);
  const { name, fallback } = await meter.opened();
  const opened = await openWorkerReplays(manifest, false);
  const why = 'why' in opened ? opened.why : null;
  // On a machine with a real GPU neither falls back.
  if (fallback === null) expect(why).toBeNull();
  else {
    expect(name).toMatch(/onnxruntime-web/);
    expect(fallback).toMatch(/software GPU/);
    expect(why).toMatch(/software GPU/);
  }
  await meter.close();
});

test('a worker replays a round: nothing done is not what training does', async () => {
  const { manifest, request } = await makeIdleReplay();
  const opened = await openWorkerReplays(manifest, true);
  if ('why' in opened) throw new Error(opened.why);
  console.log(`adapter: ${opened.adapter}`);
  expect(await opened.replays.replay(request)).toMatchObject(IDLE_FIGURES);
  await opened.replays.close();
  await expect(opened.replays.replay(request)).rejects.toThrow('stopped');
});
