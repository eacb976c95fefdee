/** Commits and then says nothing, or reveals what nobody serves: may it hold up the round? */
import type { Behaviour } from '../behaviour.ts';

export default {
  name: 'silent',
  summary: 'commits, and then reveals nothing or serves nothing',
  attacker: ({ index }) => ({
    async act(round) {
      const { say, serve } = await round.submit(await round.train());
      return (index + round.round) % 2 === 0 ? { say: say.slice(0, 1), serve } : { say, serve: [] };
    },
  }),
} satisfies Behaviour;
