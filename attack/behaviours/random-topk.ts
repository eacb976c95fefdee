/** Trains nothing: random positions and signs at the norms of an honest update. Does little harm, costs nothing. */
import type { Behaviour } from '../behaviour.ts';
import { randomised } from '../tools.ts';
import { victimOf } from './victim.ts';

export default {
  name: 'random-topk',
  summary: 'random positions and signs with the norms of an honest update',
  attacker: (self) => ({
    async act(round) {
      const victim = await victimOf(round, self);
      const bytes = round.encode(randomised(round.decode(victim.bytes), round.layout, () => round.random()));
      return round.submit({ ...victim, bytes });
    },
  }),
} satisfies Behaviour;
