/** Free-rider that copies at twice the norm: within what clipping allows, and unlike the victim's bytes. */
import type { Behaviour } from '../behaviour.ts';
import { scaled } from '../tools.ts';
import { victimOf } from './victim.ts';

export default {
  name: 'copy-scaled',
  summary: 'copies an update at twice its norm',
  attacker: (self) => ({
    async act(round) {
      const victim = await victimOf(round, self);
      return round.submit({ ...victim, bytes: round.encode(scaled(round.decode(victim.bytes), 2)) });
    },
  }),
} satisfies Behaviour;
