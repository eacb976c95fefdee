/**
 * Loss scores: how much a submission improves the model, and whether it makes it worse beyond doubt.
 *
 * A validator measures the loss of the same sequences before and after a scaled step with the submission
 * (Gauntlet, arXiv 2505.21684: smaller steps rank more stably than full ones). Differences are taken sequence by
 * sequence: how hard a text is cancels, and what remains tells its own noise.
 */
import { type Refusal, refusal } from './checks.ts';

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
}

/** Standard errors by which a submission must be worse to be refused: honest work fails one time in 700 at worst. */
const DOUBT = 3;
/** Differences below this (nats) are rounding of two f32 forward passes, not learning. */
const ROUNDING = 1e-5;

/** Throws RangeError when the lists differ in length or are empty. NaN and infinity pass through. */
export function lossScore({ before, after }: PairedLosses): LossScore {
  const n = before.length;
  if (n === 0 || after.length !== n) throw new RangeError(`${n} losses before, ${after.length} after`);
  const gains = before.map((loss, i) => loss - after[i]);
  const gain = gains.reduce((sum, g) => sum + g, 0) / n;
  const squares = gains.reduce((sum, g) => sum + (g - gain) ** 2, 0);
  return { gain, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0 };
}

/**
 * Refuses a step that makes unassigned text worse beyond doubt. A step that shows no effect passes: early on, and for
 * a phone's two inner steps, the gain drowns in noise, and proof of work is a matter of many rounds (standings.ts).
 */
export function lossProblem(unassigned: LossScore): Refusal | null {
  if (!Number.isFinite(unassigned.gain)) return refusal('loss', 'the loss is no number after this step');
  if (unassigned.gain + DOUBT * unassigned.error >= -ROUNDING) return null;
  const by = (-unassigned.gain).toPrecision(3);
  return refusal('loss', `makes the loss worse by ${by} nats, noise ${unassigned.error.toPrecision(2)}`);
}
