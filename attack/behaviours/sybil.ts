/** One worker behind ten identities: each gets a tenth of the training, and claims that it did all. */
import type { Behaviour } from '../behaviour.ts';

const IDENTITIES = 10;

export default {
  name: 'sybil',
  summary: 'one worker with ten identities, each of which claims a whole round of training',
  oneWorker: true,
  identities: () => IDENTITIES,
  attacker: () => ({
    async act(round) {
      const { maxInnerSteps } = round.manifest.training;
      const work = await round.train({ steps: Math.max(1, Math.round(maxInnerSteps / IDENTITIES)) });
      const claimed = maxInnerSteps / work.innerSteps;
      return round.submit({ ...work, tokens: claimed * work.tokens, innerSteps: maxInnerSteps });
    },
  }),
} satisfies Behaviour;
