/**
 * Surrounds a third of the honest peers: all their neighbours but the host are attackers, who delay, cut and repeat
 * whatever passes, and serve wrong bytes under the victims' hashes. The victims' own link to the host is left to them.
 */
import { type Behaviour, NOTHING } from '../behaviour.ts';
import { sha256Sync } from '../../src/protocol/bytes.ts';

/** Messages whose sender's key begins so low pass the attackers: one in three. */
const SURROUNDED = 256 / 3;

export default {
  name: 'eclipse',
  summary: 'delays, cuts and repeats what a third of the peers say, and serves wrong bytes in their name',
  route(from, delivery) {
    if (from[0] >= SURROUNDED) return [delivery];
    const { at, bytes } = delivery;
    const cut = bytes.subarray(0, bytes.byteLength - 1);
    const changed = bytes.map((byte, i) => (i === bytes.byteLength - 1 ? byte ^ 1 : byte));
    // What the attackers send on comes first; the victim's own word reaches the host by its own link.
    return [
      { at: at - 2, bytes: cut },
      { at: at - 1, bytes: changed },
      delivery,
      { at: at + 600_000, bytes },
    ];
  },
  attacker: () => ({
    async act(round) {
      const serve = (await round.honest())
        .filter(({ contributor }) => contributor[0] < SURROUNDED)
        .map(({ bytes }) => ({ hash: sha256Sync(bytes), bytes: bytes.map((byte) => byte ^ 0x55) }));
      return { ...NOTHING, serve };
    },
  }),
} satisfies Behaviour;
