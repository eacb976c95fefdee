/** A validator in Chromium's worker: both ways to measure losses give the verdict that Node gives. */
import { releaseProxy, wrap } from 'comlink';
import { expect, test } from 'vitest';
import { makeTestRound } from '../gauntlet/testing-round.ts';
import { toHex } from '../protocol/bytes.ts';
import type { ValidatorApi } from './validator.worker.ts';

test('a round is judged in a worker, with onnxruntime-web and with WebGPU, to one verdict', async () => {
  const { manifest, runId, secret, blobs, theta, seen, good, harmful, silent } = await makeTestRound();
  for (const evaluator of ['ort', 'webgpu'] as const) {
    const worker = new Worker(new URL('./validator.worker.ts', import.meta.url), { type: 'module' });
    const remote = wrap<ValidatorApi>(worker);
    const work = { manifest, runId, secret, blobs, theta, height: 0, evaluator };
    const { verdict, machine } = await remote.judge(work, seen);
    console.log(`${evaluator}: ${machine}`);
    remote[releaseProxy]();
    worker.terminate();
    expect(verdict.accepted.map((entry) => toHex(entry.contributor))).toEqual([toHex(good)]);
    // The same as in src/gauntlet/loss-meters.test.ts, which runs in Node.
    const reasons = new Map(verdict.refused.map((r) => [toHex(r.contributor), r.reason]));
    expect(reasons).toEqual(
      new Map([
        [toHex(harmful), 'loss'],
        [toHex(silent), 'not-revealed'],
      ]),
    );
  }
});
