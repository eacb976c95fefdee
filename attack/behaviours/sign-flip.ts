/** Trains honestly and hands in the opposite. */
import type { Behaviour } from '../behaviour.ts';
import { withFlippedSigns } from '../tools.ts';

export default {
  name: 'sign-flip',
  summary: 'trains, and hands in the opposite step',
  attacker: () => ({
    async act(round) {
      const work = await round.train();
      return round.submit({
        ...work,
        bytes: round.encode(withFlippedSigns(round.decode(work.bytes), 1, () => 0)),
      });
    },
  }),
} satisfies Behaviour;
