/** Honest work that comes too late: in turn a late commit, a late reveal, and one before the round began. */
import type { Behaviour, SubmitOptions } from '../behaviour.ts';

export default {
  name: 'late',
  summary: 'commits or reveals outside the phases',
  attacker: ({ index }) => ({
    async act(round) {
      const cases: SubmitOptions[] = [
        { commitAt: round.commitUntil },
        { revealAt: round.revealUntil },
        { commitAt: round.startsAt - 1 },
      ];
      return round.submit(await round.train(), cases[(index + round.round) % cases.length]);
    },
  }),
} satisfies Behaviour;
