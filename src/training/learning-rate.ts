/**
 * Learning rate of an inner step: linear warm-up, then a cosine to a floor, counted in outer rounds (certificates).
 *
 * Counting certificates rather than inner steps gives every contributor the same schedule, however many steps its
 * machine manages in a round. The rate is a proposal's business only: it need not be equal to the bit anywhere.
 */
import type { Training } from '../protocol/manifest.ts';

/**
 * Inner steps over which a warm-up round climbs. A slow tab may do five steps a round; climbing over the full H would
 * leave it at nearly nothing.
 */
const RAMP_STEPS = 8;

export type LearningRateSettings = Pick<
  Training,
  'learningRate' | 'minLearningRateRatio' | 'warmupRounds' | 'totalRounds' | 'maxInnerSteps'
>;

/** Rate for inner step `innerStep` (from 0) of the round that starts from the state at `height` certificates. */
export function learningRateAt(settings: LearningRateSettings, height: number, innerStep: number): number {
  const { learningRate, minLearningRateRatio: floor, warmupRounds, totalRounds, maxInnerSteps } = settings;
  if (height < warmupRounds) {
    const climbed = Math.min(1, (innerStep + 1) / Math.min(RAMP_STEPS, maxInnerSteps));
    return (learningRate * (height + climbed)) / warmupRounds;
  }
  const position = height - warmupRounds + Math.min(1, innerStep / maxInnerSteps);
  const progress = Math.min(1, position / Math.max(1, totalRounds - warmupRounds));
  return learningRate * (floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
