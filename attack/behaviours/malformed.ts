/** Sealed and served as it should be, but no submission: cut off, disturbed, noise, or bound to another round. */
import type { Behaviour, OthersWork } from '../behaviour.ts';
import { victimOf } from './victim.ts';

export default {
  name: 'malformed',
  summary: 'bytes that are cut off, disturbed, noise or bound to somebody else',
  attacker: (self) => ({
    async act(round) {
      const victim = await victimOf(round, self);
      const own = round.encode(round.decode(victim.bytes));
      const noise = () => Math.floor(256 * round.random());
      const cases: (() => Uint8Array)[] = [
        () => own.subarray(0, own.byteLength >> 1),
        () => own.map((byte) => (round.random() < 0.01 ? noise() : byte)),
        () => own.map(noise),
        () => victim.bytes,
        () => new Uint8Array(1),
      ];
      const bytes = cases[(self.index + round.round) % cases.length]();
      const { tokens, innerSteps }: OthersWork = victim;
      return round.submit({ bytes, tokens, innerSteps });
    },
  }),
} satisfies Behaviour;
