/** Does half the steps and claims all of them. */
import type { Behaviour } from '../behaviour.ts';

export default {
  name: 'lazy-half',
  summary: 'trains half the steps it claims',
  attacker: () => ({
    async act(round) {
      const { maxInnerSteps } = round.manifest.training;
      const work = await round.train({ steps: Math.max(1, maxInnerSteps >> 1) });
      const claimed = maxInnerSteps / work.innerSteps;
      return round.submit({ ...work, tokens: claimed * work.tokens, innerSteps: maxInnerSteps });
    },
  }),
} satisfies Behaviour;
