/** One worker behind ten identities: one training, and nine copies of it with 70 % of their positions moved. */
import type { Behaviour, Claimed } from '../behaviour.ts';
import { withMovedPositions } from '../tools.ts';

const IDENTITIES = 10;
/** What is left in common stays under the limit of a copy. */
const MOVED = 0.7;

export default {
  name: 'sybil-copies',
  summary: 'one worker with ten identities: one honest step and nine blurred copies of it',
  oneWorker: true,
  identities: () => IDENTITIES,
  attacker({ index, allies }) {
    return {
      async act(round) {
        if (index === 0) allies.set(String(round.round), round.train());
        const work = await (allies.get(String(round.round)) as Promise<Claimed>);
        if (index === 0) return round.submit(work);
        const update = withMovedPositions(round.decode(work.bytes), round.layout, MOVED, () =>
          round.random(),
        );
        return round.submit({ ...work, bytes: round.encode(update) });
      },
    };
  },
} satisfies Behaviour;
