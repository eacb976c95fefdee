/** The loop of inner steps: which batches and rates an engine gets, and when the loop ends. */
import { expect, it } from 'vitest';
import { testHash, testManifest } from '../protocol/testing.ts';
import { assignedBatches } from './assignment.ts';
import { assignedSteps, innerSteps } from './inner-steps.ts';
import { learningRateAt } from './learning-rate.ts';
import type { Batch } from './types.ts';

const numbered = (n: number): Batch => ({ tokens: Int32Array.of(n), targets: Int32Array.of(n) });
function* counting(end = Number.POSITIVE_INFINITY): Generator<Batch, void> {
  for (let n = 0; n < end; n++) yield numbered(n);
}

function recorder() {
  const seen: { micro: readonly Batch[]; rate: number }[] = [];
  const step = async (micro: readonly Batch[], rate: number) => void seen.push({ micro, rate });
  return { seen, step };
}

it('takes micro-batches in order and asks for the rate of each step', async () => {
  const engine = recorder();
  const plan = { batches: counting(), accumulation: 2, rate: (step: number) => 10 + step };
  expect(await innerSteps(engine, plan, 3)).toBe(3);
  expect(engine.seen).toEqual([
    { micro: [numbered(0), numbered(1)], rate: 10 },
    { micro: [numbered(2), numbered(3)], rate: 11 },
    { micro: [numbered(4), numbered(5)], rate: 12 },
  ]);
});

it('waits for its hooks, ends when told to, and draws no batch for a step that it does not take', async () => {
  const engine = recorder();
  const calls: string[] = [];
  const batches = counting();
  const taken = await innerSteps(engine, { batches, accumulation: 1, rate: () => 1 }, 9, {
    before: async (n) => {
      await Promise.resolve();
      calls.push(`before ${n}`);
      return n < 2;
    },
    after: async (n, micro) => {
      await Promise.resolve();
      calls.push(`after ${n} of ${micro[0].tokens[0]}`);
    },
  });
  expect(taken).toBe(2);
  expect(calls).toEqual(['before 0', 'after 1 of 0', 'before 1', 'after 2 of 1', 'before 2']);
  expect(batches.next().value).toEqual(numbered(2));
});

it('rejects where the data ends within a step, and with what the engine rejects', async () => {
  const engine = recorder();
  const plan = { batches: counting(3), accumulation: 2, rate: () => 1 };
  await expect(innerSteps(engine, plan, 2)).rejects.toThrow('the data ended after 1 inner steps');
  expect(engine.seen).toHaveLength(1);
  const lost = { step: () => Promise.reject(new Error('the GPU was lost')) };
  const more = { batches: counting(), accumulation: 1, rate: () => 1 };
  await expect(innerSteps(lost, more, 2)).rejects.toThrow('the GPU was lost');
});

it("an assignment's steps are its batches and the round's learning rates", async () => {
  const { task } = testManifest(new Uint8Array(32), []);
  const { training } = task;
  const shards = new Map(
    task.data.train.map(({ tokens }, i) => [i, Uint16Array.from({ length: tokens }, (_, n) => n % 50)]),
  );
  const round = { seed: testHash('assignment'), height: 2, shards };
  const engine = recorder();
  await innerSteps(engine, assignedSteps(task, round), 2);
  const data = {
    shardTokens: task.data.train.map(({ tokens }) => tokens),
    sequence: training.sequence,
  };
  const batches = assignedBatches(round.seed, data, training.batch, shards);
  for (const [step, { micro, rate }] of engine.seen.entries()) {
    expect(micro).toEqual(Array.from({ length: training.accumulation }, () => batches.next().value));
    expect(rate).toBe(learningRateAt(training, 2, step));
  }
  expect(engine.seen).toHaveLength(2);
});
