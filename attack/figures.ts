/** What an attack gained, as the figures that the targets are set on. Pure functions. */
import type { RunOutcome } from './swarm.ts';

/** Most that each figure may be; a run that exceeds one has failed. */
interface Targets {
  readonly lossIncrease: number;
  readonly creditRatio: number;
  readonly honestRefused: number;
  readonly roundsLost: number;
}

const TARGETS: Targets = { lossIncrease: 0.01, creditRatio: 0.05, honestRefused: 0.01, roundsLost: 0 };

/** One worker behind many identities may together earn what one honest worker does. */
const targetsFor = (oneWorker: boolean): Targets => (oneWorker ? { ...TARGETS, creditRatio: 1 } : TARGETS);

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target: number;
  readonly met: boolean;
  /** Of several seeds: the least and the greatest; `value` is the mean then. */
  readonly least?: number;
  readonly most?: number;
}

/** The figures of an attacked run beside the clean one. `oneWorker`: all identities' credits count together. */
export function figuresOf(clean: RunOutcome, attacked: RunOutcome, oneWorker: boolean): Figure[] {
  const targets = targetsFor(oneWorker);
  // A worker behind many identities has one device, which may be as fast as the fastest of the honest ones.
  const honest = oneWorker ? Math.max(...attacked.honestCredits) : mean(attacked.honestCredits);
  const taken = oneWorker ? sum(attacked.attackerCredits) : mean(attacked.attackerCredits);
  let refused = 0;
  for (const n of attacked.honestRefused.values()) refused += n;
  const figure = (name: string, value: number, unit: string, target: number): Figure => ({
    name: `attack.${name}`,
    value,
    unit,
    target,
    // A loss that is no number misses every target.
    met: value <= target,
  });
  return [
    figure('loss_increase', attacked.heldOutLoss / clean.heldOutLoss - 1, 'share', targets.lossIncrease),
    figure(
      'credit_ratio',
      honest === 0 ? Number.POSITIVE_INFINITY : taken / honest,
      'ratio',
      targets.creditRatio,
    ),
    figure(
      'honest_refused',
      refused / Math.max(1, attacked.honestSubmissions),
      'share',
      targets.honestRefused,
    ),
    figure('rounds_lost', attacked.roundsLost, 'rounds', targets.roundsLost),
  ];
}

/**
 * The means of one attack's figures over several seeds, each seed's in the same order. One seed's loss is noisy, so the
 * target is for the mean; one seed's figures stay as they are.
 */
export function overSeeds(runs: readonly (readonly Figure[])[]): Figure[] {
  if (runs.length === 1) return [...runs[0]];
  return runs[0].map((first, i) => {
    const values = runs.map((figures) => figures[i].value);
    const value = mean(values);
    const met = value <= first.target;
    return { ...first, value, met, least: Math.min(...values), most: Math.max(...values) };
  });
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => (values.length === 0 ? 0 : sum(values) / values.length);
