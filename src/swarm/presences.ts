/** Who has lately shown a sign of life: the newest presence of each key, bounded, forgotten when it grows old. */
import { toHex } from '../protocol/bytes.ts';
import type { MessageOf } from '../protocol/messages.ts';
import type { GossipVerdict } from './types.ts';

/** A peer's last sign of life. */
export type Presence = MessageOf<'presence'> & { readonly contributor: string; readonly heardAt: number };

/** A peer that was silent this long is gone from the picture. */
const TTL_MS = 20_000;
const MAX_PRESENCES = 4096;

export class PresenceBook {
  readonly #round: () => number;
  readonly #now: () => number;
  readonly #newest = new Map<string, Presence>();

  /** `round`: the one that is open, by the swarm's clock. */
  constructor(round: () => number, now: () => number = Date.now) {
    this.#round = round;
    this.#now = now;
  }

  take(message: MessageOf<'presence'>, sender: Uint8Array): GossipVerdict {
    // What a key once signed anybody can send again later: of a validator's tab that was closed long ago, say.
    if (Math.abs(message.round - Math.max(0, this.#round())) > 1) return 'ignore';
    const contributor = toHex(sender);
    const known = this.#newest.get(contributor);
    if (known === undefined && this.#newest.size >= MAX_PRESENCES) return 'ignore';
    // Not every presence lists links; the last list stands until the next.
    const links = message.links ?? known?.links ?? [];
    this.#newest.set(contributor, { ...message, links, contributor, heardAt: this.#now() });
    return 'accept';
  }

  list(): Presence[] {
    const oldest = this.#now() - TTL_MS;
    for (const [key, { heardAt }] of this.#newest) if (heardAt < oldest) this.#newest.delete(key);
    return [...this.#newest.values()];
  }
}
