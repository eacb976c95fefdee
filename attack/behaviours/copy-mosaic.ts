/** Free-rider that takes each chunk from another victim, so that no single one is copied by more than a fourth. */
import type { Behaviour } from '../behaviour.ts';
import { mosaic } from '../tools.ts';

const VICTIMS = 4;

export default {
  name: 'copy-mosaic',
  summary: 'puts an update together from the chunks of four honest ones',
  attacker: ({ index }) => ({
    async act(round) {
      const honest = await round.honest();
      const victims = Array.from({ length: VICTIMS }, (_, i) => honest[(index + i) % honest.length]);
      const bytes = round.encode(mosaic(victims.map((victim) => round.decode(victim.bytes))));
      const { tokens, innerSteps } = victims[0];
      return round.submit({ bytes, tokens, innerSteps });
    },
  }),
} satisfies Behaviour;
