/** Works from another state than the certified one, and says so, or hides it under the true root. */
import type { Behaviour } from '../behaviour.ts';
import { sha256Sync } from '../../src/protocol/bytes.ts';

export default {
  name: 'wrong-root',
  summary: 'names a state root that nobody certified',
  attacker: () => ({
    async act(round) {
      return round.submit(await round.train(), { baseRoot: sha256Sync(round.head.root) });
    },
  }),
} satisfies Behaviour;
