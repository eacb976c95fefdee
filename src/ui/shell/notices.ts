/** What is worth a notification: found by comparing two states of the session, so that nothing else need know of it. */
import type { AppState } from '../../app/state.ts';

/** Milestones of a chain that is read again after a reload are old news. */
const FRESH_MS = 10 * 60_000;

/** Problems that mend themselves soon are none of the person's; these need attention or say why work stopped. */
const SERIOUS = new Set<AppState['problems'][number]['code']>(['device-lost', 'gpu-withdrawn']);

export type Notice =
  | { readonly kind: 'finished'; readonly round: number }
  | { readonly kind: 'problem'; readonly code: AppState['problems'][number]['code'] }
  | { readonly kind: 'milestone'; readonly milestone: AppState['milestones'][number] };

export function noticesOf(before: AppState, now: AppState, time: number): readonly Notice[] {
  const found: Notice[] = [];
  const { finishedRound } = now.control;
  if (finishedRound !== null && finishedRound !== before.control.finishedRound)
    found.push({ kind: 'finished', round: finishedRound });
  // Before Start there is nothing that could have stopped.
  if (now.intent !== 'idle' && now.problems !== before.problems)
    for (const { code, recovering } of now.problems)
      if (
        (!recovering || SERIOUS.has(code)) &&
        !before.problems.some((p) => p.code === code && p.recovering === recovering)
      )
        found.push({ kind: 'problem', code });
  if (now.milestones !== before.milestones)
    for (const milestone of now.milestones.slice(before.milestones.length))
      if (time - milestone.at < FRESH_MS) found.push({ kind: 'milestone', milestone });
  return found;
}
