/**
 * The places of one bounded thing (connections, reservations, handshakes), shared out by address.
 *
 * A key costs nothing, an address costs something: so an address has a share, and strangers together leave room for
 * members. Whoever comes when it is full is not simply refused, or the first who sat down would sit for ever: somebody
 * goes. The address with most gives way to others at once; within a share idle ones go first, then strangers that had
 * their time. Members never go.
 */

/** How much a holder counts: a connection that does nothing, a peer that takes part, a member or validator. */
export type Rank = 'idle' | 'stranger' | 'member';

export interface PlacesOptions {
  /** Places in all. */
  readonly total: number;
  /** Of these, room that only members fill. */
  readonly kept: number;
  /** Most that strangers of one address hold. */
  readonly perAddress: number;
  /** An idle holder has this many milliseconds to become more. */
  readonly graceMs: number;
  /** A stranger keeps its place this many milliseconds, whoever waits. */
  readonly stayMs: number;
  /** A full share gives up one such place in so many milliseconds, so that a room with too many tabs does not churn. */
  readonly yieldMs: number;
}

export interface Admission {
  /** False: there is no room. */
  readonly taken: boolean;
  /** Who lost its place for it; whoever asked ends what that one held. */
  readonly left: string | null;
}

interface Holder {
  readonly id: string;
  readonly address: string;
  readonly since: number;
}

/** Share of all addresses together, for {@link PlacesOptions.yieldMs}. */
const EVERYBODY = '*';

export class Places {
  readonly #o: PlacesOptions;
  readonly #rank: (id: string) => Rank;
  readonly #now: () => number;
  /** In order of arrival. */
  readonly #holders = new Map<string, Holder>();
  /** When a share last gave up a place of a stranger that was not idle. */
  readonly #yielded = new Map<string, number>();

  /** `rank` is asked when places are short, and may change with time. `now`: milliseconds. */
  constructor(
    options: PlacesOptions,
    rank: (id: string) => Rank,
    now: () => number = () => performance.now(),
  ) {
    this.#o = options;
    this.#rank = rank;
    this.#now = now;
  }

  /** Places held now. */
  get size(): number {
    return this.#holders.size;
  }

  has(id: string): boolean {
    return this.#holders.has(id);
  }

  /** Places that the address with most of them holds. */
  largest(): number {
    let most = 0;
    for (const held of byAddress(this.#holders.values())) most = Math.max(most, held[1].length);
    return most;
  }

  /** Gives `id` a place on the share of `address`. A second call of the same id changes nothing. */
  take(id: string, address: string): Admission {
    if (this.#holders.has(id)) return { taken: true, left: null };
    const { total, kept, perAddress } = this.#o;
    let left: string | null = null;
    // Below both bounds nobody needs to be counted.
    if (this.#holders.size >= Math.min(perAddress, total - kept)) {
      const strangers = [...this.#holders.values()].filter((holder) => this.#rank(holder.id) !== 'member');
      const own = strangers.filter((holder) => holder.address === address);
      const full = strangers.length >= total - kept || this.#holders.size >= total;
      if (own.length >= perAddress || full) {
        const goes =
          own.length >= perAddress ? this.#turn(own, address) : this.#makeRoom(own.length, strangers);
        if (goes === null) return { taken: false, left: null };
        this.#holders.delete(goes.id);
        left = goes.id;
      }
    }
    this.#holders.set(id, { id, address, since: this.#now() });
    return { taken: true, left };
  }

  leave(id: string): void {
    this.#holders.delete(id);
  }

  /** Who goes for an address that holds `own` places when there are none left: of the address with most, or whose turn it is. */
  #makeRoom(own: number, strangers: readonly Holder[]): Holder | null {
    let most: readonly Holder[] = [];
    for (const [, held] of byAddress(strangers)) if (held.length > most.length) most = held;
    if (most.length > own + 1) return most.find((holder) => this.#isIdle(holder)) ?? most[0] ?? null;
    return this.#turn(strangers, EVERYBODY);
  }

  /** Whose turn it is to go, of a share's holders in order of arrival; null while all may stay. */
  #turn(holders: readonly Holder[], share: string): Holder | null {
    const now = this.#now();
    const idle = holders.find((holder) => now - holder.since >= this.#o.graceMs && this.#isIdle(holder));
    if (idle !== undefined) return idle;
    const [oldest] = holders;
    if (oldest === undefined || now - oldest.since < this.#o.stayMs) return null;
    for (const [other, at] of this.#yielded) if (now - at >= this.#o.yieldMs) this.#yielded.delete(other);
    if (this.#yielded.has(share)) return null;
    this.#yielded.set(share, now);
    return oldest;
  }

  #isIdle(holder: Holder): boolean {
    return this.#rank(holder.id) === 'idle';
  }
}

function byAddress(holders: Iterable<Holder>): Map<string, Holder[]> {
  const found = new Map<string, Holder[]>();
  for (const holder of holders) {
    const held = found.get(holder.address);
    if (held === undefined) found.set(holder.address, [holder]);
    else held.push(holder);
  }
  return found;
}
