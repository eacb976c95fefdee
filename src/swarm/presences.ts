/**
 * Who has lately shown a sign of life: the newest presence of each key, bounded, forgotten when it grows old. Keys are free:
 * strangers have a small room of their own, stand behind those whom the chain knows, and are passed on to nobody.
 */
import { toHex } from '../protocol/bytes.ts';
import type { MessageOf } from '../protocol/messages.ts';
import type { GossipVerdict } from './types.ts';

/** A peer's last sign of life. */
export type Presence = MessageOf<'presence'> & { readonly contributor: string; readonly heardAt: number };

/** A peer that was silent this long is gone from the picture. */
const TTL_MS = 20_000;
/** When more are there than this, whoever was silent longest goes. */
const MAX_PRESENCES = 4096;
const MAX_STRANGERS = 256;

/** Whom a presence came from. */
export interface PresenceSource {
  readonly sender: Uint8Array;
  /** The peer that published it. */
  readonly from: string;
  /** Whether the chain knows the sender. */
  readonly known: boolean;
}

export class PresenceBook {
  readonly #round: () => number;
  readonly #now: () => number;
  /** By hex key, both in the order in which they were last heard. */
  readonly #known = new Map<string, Presence>();
  readonly #strangers = new Map<string, Presence>();

  /** `round`: the one that is open, by the swarm's clock. */
  constructor(round: () => number, now: () => number = Date.now) {
    this.#round = round;
    this.#now = now;
  }

  take(message: MessageOf<'presence'>, { sender, from, known }: PresenceSource): GossipVerdict {
    // What a key once signed anybody can send again, later or from elsewhere: of a validator's tab that was closed, say.
    if (message.peer !== from) return 'ignore';
    if (Math.abs(message.round - Math.max(0, this.#round())) > 1) return 'ignore';
    const contributor = toHex(sender);
    const before = this.#known.get(contributor) ?? this.#strangers.get(contributor);
    // Not every presence lists links; the last list stands until the next.
    const links = message.links ?? before?.links ?? [];
    this.#known.delete(contributor);
    this.#strangers.delete(contributor);
    const room = known ? this.#known : this.#strangers;
    room.set(contributor, { ...message, links, contributor, heardAt: this.#now() });
    trim(room, known ? MAX_PRESENCES : MAX_STRANGERS);
    return known ? 'accept' : 'ignore';
  }

  /** Those whom the chain knows first. */
  list(): Presence[] {
    const oldest = this.#now() - TTL_MS;
    for (const room of [this.#known, this.#strangers])
      for (const [key, { heardAt }] of room) if (heardAt < oldest) room.delete(key);
    return [...this.#known.values(), ...this.#strangers.values()];
  }

  /** How many are held: of the known, and of strangers. */
  get sizes(): { readonly known: number; readonly strangers: number } {
    return { known: this.#known.size, strangers: this.#strangers.size };
  }
}

function trim(room: Map<string, Presence>, most: number): void {
  for (const key of room.keys()) {
    if (room.size <= most) return;
    room.delete(key);
  }
}
