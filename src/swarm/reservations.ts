/**
 * The relay's reservations: who can be reached through the host.
 *
 * libp2p keeps a reservation for its whole time, whoever asked for it and whether that peer is still there. Here it ends
 * with the peer's last connection, and an address has a share of them.
 */
import type { CircuitRelayService } from '@libp2p/circuit-relay-v2';
import type { PeerId } from '@libp2p/interface';
import { RESERVATION_PLACES } from './limits.ts';
import { Places } from './places.ts';
import type { Visitors } from './visitors.ts';

export class Reservations {
  readonly #visitors: Visitors;
  readonly #places: Places;
  readonly #ids = new Map<string, PeerId>();
  #relay: CircuitRelayService | null = null;

  constructor(visitors: Visitors, now?: () => number) {
    this.#visitors = visitors;
    this.#places = new Places(RESERVATION_PLACES, (peer) => visitors.rank(peer), now);
    visitors.onGone((peer) => this.#end(peer));
  }

  /** The relay's own book, once the node is made. */
  attach(relay: CircuitRelayService): void {
    this.#relay = relay;
  }

  /** Reservations that the relay holds, reachable or not. */
  get held(): number {
    return this.#relay?.reservations.size ?? 0;
  }

  /** Those of the address with most of them. */
  get largest(): number {
    return this.#places.largest();
  }

  /** Peers that can be reached. */
  peers(): string[] {
    return [...(this.#relay?.reservations.keys() ?? [])]
      .map((peer) => peer.toString())
      .filter((peer) => this.#visitors.shareOf(peer) !== null);
  }

  /** The gater's question: true refuses a reservation. */
  refuses(id: PeerId): boolean {
    const peer = id.toString();
    const share = this.#visitors.shareOf(peer);
    if (share === null) return true; // it has left in the meantime
    const { taken, left } = this.#places.take(peer, share);
    if (left !== null) this.#end(left);
    if (!taken) return true;
    // libp2p would only reset the timer of an older one, whose first timer then ends whatever the peer holds.
    this.#drop(id);
    this.#ids.set(peer, id);
    return false;
  }

  #end(peer: string): void {
    this.#places.leave(peer);
    const id = this.#ids.get(peer);
    this.#ids.delete(peer);
    if (id !== undefined) this.#drop(id);
  }

  #drop(id: PeerId): void {
    const reservations = this.#relay?.reservations;
    reservations?.get(id)?.signal.clear();
    reservations?.delete(id);
  }
}
