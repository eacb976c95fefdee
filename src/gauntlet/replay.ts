/**
 * The comparison behind an audit: what a contributor says it did against what a replay of its round gives.
 *
 * Floats differ between GPUs, so nothing here is exact but the step count; each figure is a relative error with a bound
 * between what honest machines of other kinds show and what the cheapest lies do (decision 9 has the table).
 * Pure: claims and replays come from elsewhere (replayer.ts).
 */
import type { ParameterLayout } from '../model/layout.ts';
import type { Carry } from '../training/carry.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import type { Note } from '../protocol/messages.ts';
import { compressCpu } from '../sparseloco/compress-cpu.ts';
import { l2 } from '../sparseloco/cpu-replica.ts';
import { NotFiniteError } from '../sparseloco/types.ts';
import { addScaled, type SparseUpdate } from '../sparseloco/update.ts';
import { note } from './notes.ts';

/** What a contributor answers an audit with, and what it submitted in that round. */
export interface RoundClaim {
  /** Null: zeros. */
  readonly before: Carry | null;
  /** As after an accepted round: what was sent is out of the error feedback. */
  readonly after: Carry;
  readonly sent: SparseUpdate;
  readonly innerSteps: number;
}

/** What the replayed inner steps left. */
export interface ReplayedRound {
  /** Pseudo-gradient Δ = θ(round start) - θ(after the inner steps), `[elements]`. */
  readonly delta: Float32Array;
  readonly moment1: Float32Array;
  readonly moment2: Float32Array;
}

/** Relative L2 errors: |claimed - replayed| / |replayed|. */
export interface ReplayFigures {
  /** Of the pseudo-gradient that the claim implies: e after + sent - β e before. */
  readonly work: number;
  readonly moment1: number;
  readonly moment2: number;
  /** Of what was sent, against compressing the claimed e after + sent once more. */
  readonly sent: number;
  /** Adam's step count after, minus what it should be. */
  readonly steps: number;
}

/**
 * Bounds of the figures: 200 times what the f32 of two drivers differs by, a fifth of what one wrong fact in a round's
 * text shows; decision 9 has both. What was sent is exact but for ties.
 */
export const REPLAY_BOUNDS = { work: 0.003, moment1: 0.003, moment2: 0.003, sent: 0.02 } as const;

/** Compares a claim with a replay. Figures are infinite or NaN for claims that hold no numbers. */
export function compareReplay(
  claim: RoundClaim,
  replayed: ReplayedRound,
  layout: ParameterLayout,
  settings: SparseLoco,
): ReplayFigures {
  const { before, after, sent } = claim;
  const accumulated = after.error.slice();
  addScaled(accumulated, sent, layout, 1);
  const delta = Float32Array.from(accumulated, (a, i) => a - settings.beta * (before?.error[i] ?? 0));
  return {
    work: relativeError(delta, replayed.delta),
    moment1: relativeError(after.moment1, replayed.moment1),
    moment2: relativeError(after.moment2, replayed.moment2),
    sent: compressionError(accumulated, sent, layout, settings),
    steps: after.step - (before?.step ?? 0) - claim.innerSteps,
  };
}

/** How far what was sent is from what compressing `accumulated` sends. */
function compressionError(
  accumulated: Float32Array,
  sent: SparseUpdate,
  layout: ParameterLayout,
  settings: SparseLoco,
): number {
  // compressCpu takes a model's movement; with θ = 0 and no error feedback, that is `accumulated` itself.
  const zeros = new Float32Array(layout.elements);
  const input = {
    theta: new Int32Array(layout.elements),
    parameters: accumulated.map((a) => -a),
    error: zeros,
  };
  try {
    const honest = new Float32Array(layout.elements);
    const claimed = zeros;
    addScaled(honest, compressCpu(input, layout, settings).update, layout, 1);
    addScaled(claimed, sent, layout, 1);
    return relativeError(claimed, honest);
  } catch (error) {
    if (error instanceof NotFiniteError) return Number.NaN;
    throw error;
  }
}

function relativeError(claimed: Float32Array, replayed: Float32Array): number {
  return l2(claimed.map((x, i) => x - replayed[i])) / l2(replayed);
}

/** Passed when every figure is within its bound (`slack` times it, for tests of what the bounds are worth). */
export function judgeReplay(
  { work, moment1, moment2, sent, steps }: ReplayFigures,
  slack = 1,
): { readonly outcome: 'passed' | 'failed'; readonly note: Note } {
  const figures = { work, moment1, moment2, sent };
  // Not a number fails too.
  const within = FIGURES.every((name) => figures[name] <= slack * REPLAY_BOUNDS[name]);
  return {
    outcome: within && steps === 0 ? 'passed' : 'failed',
    note: note('replayed', { ...figures, steps }),
  };
}

const FIGURES = ['work', 'moment1', 'moment2', 'sent'] as const;
