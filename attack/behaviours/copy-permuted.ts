/** Free-rider that hides a copy from a comparison position by position: every chunk of a matrix changes its place. */
import type { Behaviour } from '../behaviour.ts';
import { withPermutedChunks } from '../tools.ts';
import { victimOf } from './victim.ts';

export default {
  name: 'copy-permuted',
  summary: 'copies an update with its chunks in another order',
  attacker: (self) => ({
    async act(round) {
      const victim = await victimOf(round, self);
      const update = withPermutedChunks(round.decode(victim.bytes), round.layout, () => round.random());
      return round.submit({ ...victim, bytes: round.encode(update) });
    },
  }),
} satisfies Behaviour;
