/**
 * Loss scores: how much a submission improves the model, whether it makes it worse beyond doubt, and whether it improves
 * it far less than the round's other submissions do.
 *
 * A validator measures the loss of the same sequences before and after a scaled step with the submission
 * (Gauntlet, arXiv 2505.21684: smaller steps rank more stably than full ones). Differences are taken sequence by
 * sequence: how hard a text is cancels, and what remains tells its own noise.
 */
import { leastScale, lowerMedian } from './checks.ts';
import { type Refusal, refusal } from './notes.ts';

/** Mean loss of each sequence in nats per token; both lists in the same order. */
export interface PairedLosses {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export interface LossMeasurement {
  /** On sequences of the data that was assigned to the sender. */
  readonly assigned: PairedLosses;
  /** On sequences that nobody was assigned, the same for all senders of the round. */
  readonly unassigned: PairedLosses;
}

export interface LossScore {
  /** Mean of before minus after: positive is better. */
  readonly gain: number;
  /** Standard error of the mean over the sequences; 0 when there is only one. */
  readonly error: number;
  /** Sequences. */
  readonly count: number;
}

/** Differences below this (nats) are rounding of two f32 forward passes, not learning. */
const ROUNDING = 1e-5;

/**
 * Standard errors by which a mean of `count` values must be off to be so beyond doubt: honest work fails one time in 700
 * at worst. Student's t for the tail of three standard deviations (Cornish and Fisher's expansion).
 */
export function doubt(count: number): number {
  const freedom = Math.max(1, count - 1);
  return 3 + 7.5 / freedom + 17.25 / freedom ** 2 + 30.2 / freedom ** 3;
}

/** Throws RangeError when the lists differ in length or are empty. NaN and infinity pass through. */
export function lossScore(losses: PairedLosses): LossScore {
  const { before, after } = losses;
  if (before.length === 0 || after.length !== before.length)
    throw new RangeError(`${before.length} losses before, ${after.length} after`);
  return scoreOf(gainsOf(losses));
}

const gainsOf = ({ before, after }: PairedLosses): number[] => before.map((loss, i) => loss - after[i]);

function scoreOf(gains: readonly number[]): LossScore {
  const count = gains.length;
  const gain = gains.reduce((sum, g) => sum + g, 0) / count;
  const squares = gains.reduce((sum, g) => sum + (g - gain) ** 2, 0);
  return { gain, error: count > 1 ? Math.sqrt(squares / (count - 1) / count) : 0, count };
}

const isWorse = ({ gain, error, count }: LossScore): boolean => gain + doubt(count) * error < -ROUNDING;

/**
 * Refuses a step that makes unassigned text worse beyond doubt. A step that shows no effect passes here: early on, and
 * for a phone's two inner steps, the gain drowns in noise.
 */
export function lossProblem(unassigned: LossScore): Refusal | null {
  if (!Number.isFinite(unassigned.gain)) return refusal('loss', 'loss-undefined');
  if (!isWorse(unassigned)) return null;
  return refusal('loss', 'loss-worse', { nats: -unassigned.gain, noise: unassigned.error });
}

/** A submission's gains on the text common to the round, for the tokens it claims. */
export interface Gained {
  readonly unassigned: PairedLosses;
  readonly tokens: number;
}

/**
 * How gains grow with tokens at least. They grow faster, since a few steps' top-k is mostly noise: a quarter of the steps
 * gained 0.05 to 0.2 of all steps' gain, half of them 0.15 to 0.5.
 */
const inProportion = (ratio: number): number => ratio;

/**
 * Refuses a step whose gain is beyond doubt under `least` times the median of the others', each scaled to its
 * tokens. Compared sequence by sequence, so that the text's own difficulty cancels.
 */
export function gainProblem(own: Gained, others: readonly Gained[], least: number): Refusal | null {
  if (others.length === 0) return null;
  const gains = gainsOf(own.unassigned);
  const theirs = others.map(({ unassigned, tokens }) => ({
    gains: gainsOf(unassigned),
    factor: leastScale(own.tokens, tokens, inProportion),
  }));
  const medians = gains.map((_, s) =>
    lowerMedian(theirs.filter((other) => s < other.gains.length).map((o) => o.factor * o.gains[s])),
  );
  const expected = medians.filter((median) => Number.isFinite(median));
  if (expected.length < medians.length) return null;
  const short = scoreOf(gains.map((gain, s) => gain - least * medians[s]));
  if (!isWorse(short)) return null;
  const [gain, theirGain] = [gains, medians].map((list) => scoreOf(list).gain);
  return refusal('loss', 'gain-short', { gain, others: theirGain, noise: short.error, least });
}
