/** Free-rider that disturbs what it copies: a third of the positions moved, a tenth of the signs flipped. */
import type { Behaviour } from '../behaviour.ts';
import { withFlippedSigns, withMovedPositions } from '../tools.ts';
import { victimOf } from './victim.ts';

const MOVED = 1 / 3;
const FLIPPED = 0.1;

export default {
  name: 'copy-noise',
  summary: 'copies an update with a third of its positions moved and a tenth of its signs flipped',
  attacker: (self) => ({
    async act(round) {
      const victim = await victimOf(round, self);
      const moved = withMovedPositions(round.decode(victim.bytes), round.layout, MOVED, () => round.random());
      const bytes = round.encode(withFlippedSigns(moved, FLIPPED, () => round.random()));
      return round.submit({ ...victim, bytes });
    },
  }),
} satisfies Behaviour;
