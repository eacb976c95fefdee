/** What the opinions of a round say together. */
import type { MessageOf } from '../protocol/messages.ts';

/** The middle of what validators measured of the state that a round started from; null when none did. */
export function heldOutLossOf(opinions: readonly MessageOf<'opinion'>[]): number | null {
  const losses = opinions
    .flatMap(({ heldOutLoss }) => (heldOutLoss === null ? [] : [heldOutLoss]))
    .sort((a, b) => a - b);
  return losses[losses.length >> 1] ?? null;
}
