/** onnxruntime-web and WebGPU: the same losses, and the same verdict on the same round. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testGpu } from '../kernels/testing.ts';
import { toHex } from '../protocol/bytes.ts';
import { GpuLossMeter } from './gpu-losses.ts';
import type { LossMeter } from '../gauntlet/loss-meter.ts';
import { OrtLossMeter } from './ort-losses.ts';
import { RoundLosses } from './round-losses.ts';
import { judgeRound, makeTestRound, type TestRound } from '../work/pretrain/testing.ts';

let round: TestRound;
const meters: LossMeter[] = [];
beforeAll(async () => {
  round = await makeTestRound();
  const { model, sparseloco, task } = round.run.manifest;
  const options = { model, sparseloco, sequence: task.training.sequence };
  meters.push(
    new OrtLossMeter({ ...options, threads: 1 }),
    await GpuLossMeter.open(await testGpu(), options),
  );
});
afterAll(async () => {
  for (const meter of meters) await meter.close();
});

const verdictBy = async (meter: LossMeter) => {
  const { run, secret, blobs, theta, seen } = round;
  const readBlob = async (ref: { hash: Uint8Array }) => blobs.get(toHex(ref.hash)) ?? null;
  const losses = new RoundLosses({ run, meter, elapsed: () => 0, secret, readBlob });
  return judgeRound(run, seen, losses, theta);
};

test('before a state is loaded there is no loss', async () => {
  const { tokens, targets } = { tokens: new Int32Array(32), targets: new Int32Array(32) };
  for (const meter of meters) await expect(meter.losses({ tokens, targets })).rejects.toThrow('no state');
});

test('losses of a state and of a step differ by less than 1e-3 nats', async () => {
  const tokens = Int32Array.from({ length: 96 }, (_, i) => (i * 7) % 200);
  const targets = Int32Array.from({ length: 96 }, (_, i) => ((i + 1) * 7) % 200);
  const [, bytes] = [...round.seen.served.values()];
  const [ort, gpu] = await Promise.all(
    meters.map(async (meter) => {
      await meter.load(round.theta);
      const step = { bytes, scale: 0.5 };
      return [
        ...(await meter.losses({ tokens, targets })),
        ...(await meter.losses({ tokens, targets }, step)),
      ];
    }),
  );
  expect(ort).toHaveLength(6);
  ort.forEach((loss, i) => expect(Math.abs(loss - gpu[i])).toBeLessThan(1e-3));
  expect(ort[0]).not.toBeCloseTo(ort[3], 3);
});

test('the same round gets the same verdict', async () => {
  const [ort, gpu] = [await verdictBy(meters[0]), await verdictBy(meters[1])];
  expect(ort.accepted.map((entry) => entry.contributor)).toEqual([round.good]);
  const reasons = new Map(ort.refused.map((r) => [toHex(r.contributor), r.reason]));
  expect(reasons.get(toHex(round.harmful))).toBe('loss');
  expect(reasons.get(toHex(round.silent))).toBe('not-revealed');
  expect(gpu.accepted).toEqual(ort.accepted);
  expect(gpu.refused.map(({ contributor, reason }) => [contributor, reason])).toEqual(
    ort.refused.map(({ contributor, reason }) => [contributor, reason]),
  );
  ort.scores.forEach((score, i) => {
    expect(Math.abs(score.assigned - gpu.scores[i].assigned)).toBeLessThan(1e-3);
    expect(Math.abs(score.unassigned - gpu.scores[i].unassigned)).toBeLessThan(1e-3);
  });
});
