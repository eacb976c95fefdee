/** What a contributor carries from round to round, and what a round's submission makes of it. */
import type { ParameterLayout } from '../src/model/layout.ts';
import { type Carry, carryDigests, carryRoot, type CarryRoots } from '../src/protocol/carry.ts';
import type { ChainHead } from '../src/protocol/certificate.ts';
import { addScaled, type SparseUpdate } from '../src/sparseloco/update.ts';
import type { Batch } from '../src/training/types.ts';

/** `id` names the history that led to it, 'new' is zeros. */
export interface History extends Carry {
  readonly id: string;
}

export function newHistory(elements: number): History {
  const zeros = () => new Float32Array(elements);
  return { id: 'new', error: zeros(), moment1: zeros(), moment2: zeros(), step: 0 };
}

export interface TrainJob {
  readonly contributor: Uint8Array;
  readonly round: number;
  readonly head: ChainHead;
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
  readonly bytes: Uint8Array;
  readonly tokens: number;
  readonly innerSteps: number;
}

/** `after`: what is carried when the submission `sent` is accepted. */
export async function outcomesOf(
  layout: ParameterLayout,
  before: History,
  after: History,
  sent: SparseUpdate,
): Promise<Outcomes> {
  const owed = after.error.slice();
  addScaled(owed, sent, layout, 1);
  const accepted = { ...after, id: `${after.id}+` };
  const refused = { ...after, id: `${after.id}-`, error: owed };
  const roots = await Promise.all(
    [before, accepted, refused].map(async (carry) => carryRoot(await carryDigests(carry))),
  );
  const carry = { before: roots[0], accepted: roots[1], refused: roots[2] };
  return { carry, before, accepted, refused };
}
