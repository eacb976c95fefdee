/**
 * Poisons by way of a round that nobody can look at: commits to a made-up error feedback and reveals too late, so that the
 * round is refused and not audited; in the next one it works honestly, and sends what it had made up.
 */
import type { Behaviour } from '../behaviour.ts';
import { scaled, withFlippedSigns } from '../tools.ts';

const FLIPPED = 0.2;
/** Beside one honest step of the next round half of this is left (β 0.5): what was made up decides. */
const TIMES = 3;

export default {
  name: 'launder',
  summary: 'hides altered signs in the error feedback of a round that it reveals too late',
  attacker: () => ({
    async act(round) {
      const work = await round.train();
      if (round.round % 2 === 0) return round.submit(work);
      const altered = withFlippedSigns(round.decode(work.bytes), FLIPPED, () => round.random());
      return round.submit(work, { feedback: scaled(altered, TIMES), revealAt: round.revealUntil });
    },
  }),
} satisfies Behaviour;
