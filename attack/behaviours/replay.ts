/** Hands in what the last certificate applied, under its own key: real training, but somebody's and already paid. */
import { type Behaviour, NOTHING } from '../behaviour.ts';

export default {
  name: 'replay',
  summary: "hands in again an update of the round before, of somebody else's",
  attacker: ({ index }) => ({
    async act(round) {
      const { certified } = round;
      if (certified.length === 0) return NOTHING;
      const byWork = [...certified].sort((a, b) => b.tokens - a.tokens);
      const old = byWork[index % byWork.length];
      return round.submit({ ...old, bytes: round.encode(round.decode(old.bytes)) });
    },
  }),
} satisfies Behaviour;
