/** Harms too little to be seen in one round: an honest step with a fifth of its signs turned round. */
import type { Behaviour } from '../behaviour.ts';
import { withFlippedSigns } from '../tools.ts';

const FLIPPED = 0.2;

export default {
  name: 'slow-poison',
  summary: 'trains, and turns a fifth of the signs round',
  attacker: () => ({
    async act(round) {
      const work = await round.train();
      const bytes = round.encode(withFlippedSigns(round.decode(work.bytes), FLIPPED, () => round.random()));
      return round.submit({ ...work, bytes });
    },
  }),
} satisfies Behaviour;
