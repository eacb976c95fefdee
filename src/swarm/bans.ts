/** Who is refused for a while, and the connection gater that refuses them. */
import type { ConnectionGater, PeerId } from '@libp2p/interface';
import { BAN_DURATION, MAX_BANS } from './limits.ts';

export class BanList {
  readonly #until = new Map<string, { at: number; reason: string }>();
  readonly #now: () => number;

  constructor(now: () => number = () => Date.now()) {
    this.#now = now;
  }

  add(peer: string, reason: string): void {
    this.#until.delete(peer); // so that a repeated ban moves to the end of the eviction order
    this.#until.set(peer, { at: this.#now() + BAN_DURATION, reason });
    for (const oldest of this.#until.keys()) {
      if (this.#until.size <= MAX_BANS) break;
      this.#until.delete(oldest);
    }
  }

  has(peer: string): boolean {
    const entry = this.#until.get(peer);
    if (entry === undefined) return false;
    if (entry.at > this.#now()) return true;
    this.#until.delete(peer);
    return false;
  }
}

/** What a node may ask of its gater beyond the deny list. */
export interface GaterRules {
  /** Addresses that may be dialled. Peers advertise addresses freely; only ours are followed. */
  readonly mayDial: (address: string) => boolean;
  /** Whether one more peer may come in by the relay, which is how WebRTC links begin. */
  readonly mayAcceptRelayed: (peer: string) => boolean;
  /** Whether there is room for one more connection of a peer, which comes by this transport. */
  readonly mayConnect?: (peer: string, transport: object) => boolean;
  /** A relay's: whether there is room for a peer's reservation, and whether it may carry one more link. */
  readonly mayReserve?: (peer: PeerId) => boolean;
  readonly mayRelay?: (from: string, to: string) => boolean;
}

export function createGater(bans: BanList, rules: GaterRules): ConnectionGater {
  const banned = (peer: PeerId): boolean => bans.has(peer.toString());
  return {
    denyDialPeer: banned,
    denyDialMultiaddr: (address) => !rules.mayDial(address.toString()),
    denyInboundEncryptedConnection: (peer, transport) =>
      banned(peer) || rules.mayConnect?.(peer.toString(), transport) === false,
    denyInboundUpgradedConnection: banned,
    denyOutboundUpgradedConnection: banned,
    denyInboundRelayReservation: (peer) => banned(peer) || rules.mayReserve?.(peer) === false,
    denyOutboundRelayedConnection: (source, destination) =>
      banned(source) ||
      banned(destination) ||
      rules.mayRelay?.(source.toString(), destination.toString()) === false,
    denyInboundRelayedConnection: (_relay, remote) =>
      banned(remote) || !rules.mayAcceptRelayed(remote.toString()),
  };
}
