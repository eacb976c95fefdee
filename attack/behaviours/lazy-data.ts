/** Trains, but on the text that was assigned to somebody else: in life, on whatever it has at hand. */
import type { Behaviour } from '../behaviour.ts';
import { victimOf } from './victim.ts';

export default {
  name: 'lazy-data',
  summary: "trains on other people's text instead of its own",
  attacker: (self) => ({
    async act(round) {
      const { contributor } = await victimOf(round, self);
      const data = { name: `of ${self.index}'s victim`, batches: round.assigned(contributor) };
      return round.submit(await round.train({ data }));
    },
  }),
} satisfies Behaviour;
