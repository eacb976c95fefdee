/** What a contributor carries from round to round, and what a round's submission makes of it. */
import type { ParameterLayout } from '../src/model/layout.ts';
import { addScaled, type SparseUpdate } from '../src/sparseloco/update.ts';
import { type Carry, carryDigests, carryRoot, type CarryRoots, zeroCarry } from '../src/training/carry.ts';
import type { Batch } from '../src/training/types.ts';
import type { CarrySnapshot, HashedCarry } from '../src/work/pretrain/carry-keeper.ts';

/** `id` names the history that led to it, 'new' is zeros. */
export interface History extends HashedCarry {
  readonly id: string;
}

export async function newHistory(elements: number): Promise<History> {
  const zeros = () => new Float32Array(elements);
  const digests = await zeroCarry(elements);
  return { id: 'new', error: zeros(), moment1: zeros(), moment2: zeros(), step: 0, digests };
}

export interface TrainJob {
  readonly contributor: Uint8Array;
  readonly round: number;
  /** The certified state that the round starts from. */
  readonly root: Uint8Array;
  readonly height: number;
  readonly carry: History;
  readonly steps: number;
  /** Other data than what is assigned; `name` tells it apart from all other data. */
  readonly data?: { readonly name: string; readonly batches: Iterator<Batch, unknown> };
}

/** Both ways on from a round, and the commitment to them. */
export interface Outcomes {
  readonly carry: CarryRoots;
  /** What was carried before, and what is when the submission was applied, and when not. */
  readonly before: History;
  readonly accepted: History;
  readonly refused: History;
}

export interface Trained extends Outcomes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tokens: number;
  readonly innerSteps: number;
}

/** `after`: what is carried when the submission `sent` is accepted. */
export async function outcomesOf(
  layout: ParameterLayout,
  before: History,
  after: Carry & { readonly id: string },
  sent: SparseUpdate,
): Promise<Outcomes> {
  const owed = after.error.slice();
  addScaled(owed, sent, layout, 1);
  const { id, error, moment1, moment2, step } = after;
  const moments = { moment1, moment2, step };
  const accepted = { id: `${id}+`, error, ...moments, digests: await carryDigests({ error, ...moments }) };
  const unsent = { error: owed, ...moments };
  const refused = { id: `${id}-`, ...unsent, digests: await carryDigests(unsent) };
  const [was, is, isNot] = [before, accepted, refused].map(({ digests }) => carryRoot(digests));
  return { carry: { before: was, accepted: is, refused: isNot }, before, accepted, refused };
}

/** What an audit of a round is answered with. */
export const shownOf = ({ before, accepted }: Outcomes): CarrySnapshot => ({
  before: before.id === 'new' ? null : before,
  after: accepted,
});
