/** Too much of everything: a norm a thousand times the honest one, or a blob of a megabyte. */
import type { Behaviour } from '../behaviour.ts';
import { scaled } from '../tools.ts';

const FACTOR = 1000;
const BYTES = 1 << 20;

export default {
  name: 'huge',
  summary: 'a step of a thousand times the norm, or a megabyte of bytes',
  attacker: ({ index }) => ({
    async act(round) {
      const work = await round.train();
      const bytes =
        (index + round.round) % 2 === 0
          ? round.encode(scaled(round.decode(work.bytes), FACTOR))
          : new Uint8Array(BYTES);
      return round.submit({ ...work, bytes });
    },
  }),
} satisfies Behaviour;
