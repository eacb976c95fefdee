/** Free-rider: hands in a stronger peer's bytes as its own, re-encoded under its own key. */
import type { Behaviour } from '../behaviour.ts';
import { victimOf } from './victim.ts';

export default {
  name: 'copy',
  summary: "copies an honest peer's update bit for bit",
  attacker: (self) => ({
    async act(round) {
      const victim = await victimOf(round, self);
      return round.submit({ ...victim, bytes: round.encode(round.decode(victim.bytes)) });
    },
  }),
} satisfies Behaviour;
