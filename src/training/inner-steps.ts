/**
 * The inner steps of a round: the one loop that trains. A contributor's trainer, a validator's replay of its work, the
 * attack lab and the experiments all run it, so that a replay takes the very steps it checks.
 */
import type { Task } from '../protocol/manifest.ts';
import { assignedBatches } from './assignment.ts';
import { learningRateAt } from './learning-rate.ts';
import type { Batch, TrainingEngine } from './types.ts';

/** What a round's steps are made of, whichever engine takes them. */
export interface StepPlan {
  /** Micro-batches in the order that they are trained on. */
  readonly batches: Iterator<Batch, unknown>;
  /** Micro-batches of a step. */
  readonly accumulation: number;
  /** Learning rate of a step, counted from 0. */
  readonly rate: (step: number) => number;
}

/** Which text a contributor was given, and the schedule it trains by. */
export interface AssignedRound {
  /** Of the contributor's assignment. */
  readonly seed: Uint8Array;
  /** Certificates before the state that the round starts from. */
  readonly height: number;
  /** The shards that the seed selects, by index into manifest.data.train. */
  readonly shards: ReadonlyMap<number, Uint16Array>;
}

/** The steps that a contributor's assignment asks for. Throws AssignmentError when a shard is missing. */
export function assignedSteps(
  { training, data }: Pick<Task, 'training' | 'data'>,
  { seed, height, shards }: AssignedRound,
): StepPlan {
  const assigned = { shardTokens: data.train.map(({ tokens }) => tokens), sequence: training.sequence };
  return {
    batches: assignedBatches(seed, assigned, training.batch, shards),
    accumulation: training.accumulation,
    rate: (step) => learningRateAt(training, height, step),
  };
}

/** What may happen between steps: pauses, deadlines, reports. */
export interface StepHooks {
  /** Awaited before each step; false ends the loop. `taken`: steps so far. */
  readonly before?: (taken: number) => boolean | Promise<boolean>;
  /** Awaited after each step, with its micro-batches. `taken`: steps so far, this one included. */
  readonly after?: (taken: number, micro: readonly Batch[]) => void | Promise<void>;
}

/**
 * Takes at most `steps` inner steps on the engine's present parameters and moments. Resolves to the number taken, once
 * the last is submitted. Rejects with RangeError where the data ends within a step, and with what the engine rejects.
 */
export async function innerSteps(
  engine: Pick<TrainingEngine, 'step'>,
  { batches, accumulation, rate }: StepPlan,
  steps: number,
  { before = () => true, after }: StepHooks = {},
): Promise<number> {
  let taken = 0;
  while (taken < steps && (await before(taken))) {
    const micro: Batch[] = [];
    while (micro.length < accumulation) {
      const next = batches.next();
      if (next.done === true) throw new RangeError(`the data ended after ${taken} inner steps`);
      micro.push(next.value);
    }
    await engine.step(micro, rate(taken));
    taken++;
    await after?.(taken, micro);
  }
  return taken;
}
