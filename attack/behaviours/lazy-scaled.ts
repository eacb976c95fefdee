/** Does half the steps, claims all of them, and makes its step as long as theirs: as the norm's check would have it. */
import type { Behaviour } from '../behaviour.ts';
import { scaled } from '../tools.ts';

/** Norm after all steps to that after half of them, as honest peers of the lab show it. */
const LONGER = 1.65;

export default {
  name: 'lazy-scaled',
  summary: 'trains half the steps it claims, and scales its step to the norm of all',
  attacker: () => ({
    async act(round) {
      const { maxInnerSteps } = round.manifest.training;
      const work = await round.train({ steps: Math.max(1, maxInnerSteps >> 1) });
      const claimed = maxInnerSteps / work.innerSteps;
      return round.submit({
        bytes: round.encode(scaled(round.decode(work.bytes), LONGER)),
        tokens: claimed * work.tokens,
        innerSteps: maxInnerSteps,
      });
    },
  }),
} satisfies Behaviour;
