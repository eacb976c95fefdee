/** Drowns the validator: noise, everybody's old messages, and a stream of different commits. */
import type { Behaviour } from '../behaviour.ts';

const NOISE = 200;
const COMMITS = 20;

export default {
  name: 'flooder',
  summary: 'hundreds of junk messages, replayed envelopes and different commits a round',
  attacker: () => ({
    async act(round) {
      const at = () => round.startsAt + Math.floor(round.random() * (round.revealUntil - round.startsAt));
      const noise = Array.from({ length: NOISE }, () => ({
        at: at(),
        bytes: Uint8Array.from({ length: 200 }, () => Math.floor(256 * round.random())),
      }));
      const old = round.heard.slice(-NOISE).map((bytes) => ({ at: at(), bytes }));
      const { innerSteps, tokens } = (await round.honest())[0];
      const own = await Promise.all(
        Array.from({ length: COMMITS }, (_, i) =>
          round.submit({ bytes: new Uint8Array(100).fill(i), innerSteps, tokens }, { commitAt: at() }),
        ),
      );
      return {
        say: [...noise, ...old, ...own.flatMap(({ say }) => say)],
        serve: own.flatMap(({ serve }) => serve),
      };
    },
  }),
} satisfies Behaviour;
