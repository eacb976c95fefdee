/**
 * Who is connected to the host: each WebSocket from its upgrade to its close, with the address that it really comes
 * from and the peer behind it. Bounds handshakes and connections by address and by peer, and what is sent and not read.
 *
 * Everything hangs on the WebSocket: when it closes, its places are free, and {@link Visitors.onGone} lets others free
 * what the peer held.
 */
import type { Connection, MultiaddrConnection } from '@libp2p/interface';
import { addressShare } from './address-share.ts';
import * as limits from './limits.ts';
import { type Admission, Places, type Rank } from './places.ts';
import { TokenBucket } from './token-bucket.ts';

/** Of the `ws` package's socket. */
export interface ServerWebSocket {
  /** Bytes that were sent and that the system has not taken yet. */
  readonly bufferedAmount: number;
  on(event: 'error' | 'close', listener: () => void): unknown;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

interface Visit {
  readonly id: string;
  /** The share that it counts on: an IPv4 address, or the /64 of an IPv6 address. */
  readonly share: string;
  readonly socket: ServerWebSocket;
  transport: MultiaddrConnection | null;
  connection: Connection | null;
  peer: string | null;
  /** Bytes that it does not read, and since when it reads none of them. */
  unread: number;
  stuckSince: number | null;
}

export interface VisitorsOptions {
  /** Peers that take part in the run's topic. */
  readonly subscribers: () => Iterable<string>;
  readonly now?: () => number;
}

/** What is held now, for metrics. */
export interface VisitorFigures {
  readonly handshakes: number;
  readonly connections: number;
  /** Connections of the address with most of them. */
  readonly largestAddress: number;
  /** Bytes sent to all and not read. */
  readonly unreadBytes: number;
  /** Connections that were refused or gave way to another, since start. */
  readonly refused: number;
}

export class Visitors {
  readonly #o: VisitorsOptions;
  readonly #now: () => number;
  readonly #visits = new Map<string, Visit>();
  readonly #byPeer = new Map<string, Visit[]>();
  readonly #byTransport = new WeakMap<object, Visit>();
  readonly #handshakes: Places;
  readonly #connections: Places;
  readonly #arrivals = new Map<string, TokenBucket>();
  readonly #gone = new Set<(peer: string) => void>();
  #members: ReadonlySet<string> = new Set();
  #subscribers: { readonly at: number; readonly peers: ReadonlySet<string> } = {
    at: Number.NEGATIVE_INFINITY,
    peers: new Set(),
  };
  #arriving: Visit | null = null;
  #count = 0;
  #refused = 0;

  constructor(options: VisitorsOptions) {
    this.#o = options;
    this.#now = options.now ?? (() => performance.now());
    this.#handshakes = new Places(limits.HANDSHAKE_PLACES, () => 'idle', this.#now);
    this.#connections = new Places(
      limits.CONNECTION_PLACES,
      (id) => this.rank(this.#visits.get(id)?.peer ?? null),
      this.#now,
    );
  }

  get figures(): VisitorFigures {
    let unreadBytes = 0;
    for (const visit of this.#visits.values()) unreadBytes += unreadOf(visit);
    return {
      handshakes: this.#handshakes.size,
      connections: this.#connections.size,
      largestAddress: this.#connections.largest(),
      unreadBytes,
      refused: this.#refused,
    };
  }

  /** Calls `gone` when the last connection of a peer has ended. */
  onGone(gone: (peer: string) => void): void {
    this.#gone.add(gone);
  }

  /** Peers that members and validators have lately said to be theirs. */
  vouch(members: ReadonlySet<string>): void {
    this.#members = members;
  }

  isMember(peer: string): boolean {
    return this.#members.has(peer);
  }

  rank(peer: string | null): Rank {
    if (peer === null) return 'idle';
    if (this.#members.has(peer)) return 'member';
    const now = this.#now();
    if (now - this.#subscribers.at >= limits.SUBSCRIBERS_AGE)
      this.#subscribers = { at: now, peers: new Set(this.#o.subscribers()) };
    return this.#subscribers.peers.has(peer) ? 'stranger' : 'idle';
  }

  /** The share that a connected peer counts on; null when it is not connected. */
  shareOf(peer: string): string | null {
    return this.#byPeer.get(peer)?.at(-1)?.share ?? null;
  }

  /** A ban is paid by the address too: it lets fewer new keys in for a while. */
  charge(peer: string): void {
    const share = this.shareOf(peer);
    if (share !== null) this.#arrivalsOf(share).owe(limits.ARRIVALS_PER_BAN);
  }

  /** Whether one more WebSocket of an address may begin; counts it. */
  mayCome(address: string | undefined): boolean {
    const may = this.#arrivalsOf(addressShare(address)).take();
    if (!may) this.#refused++;
    return may;
  }

  /**
   * A WebSocket of `address` begins, and `accept` hands it to libp2p, which calls {@link Visitors.upgrade} from there.
   * It is ended when there is no room for its handshake.
   */
  enter(socket: ServerWebSocket, address: string | undefined, accept: () => void): void {
    const visit: Visit = {
      id: String(this.#count++),
      share: addressShare(address),
      socket,
      transport: null,
      connection: null,
      peer: null,
      unread: 0,
      stuckSince: null,
    };
    if (!this.#seat(this.#handshakes.take(visit.id, visit.share))) {
      socket.terminate();
      return;
    }
    this.#visits.set(visit.id, visit);
    socket.on('close', () => this.#leave(visit));
    this.#arriving = visit;
    try {
      accept();
    } finally {
      this.#arriving = null;
    }
  }

  /** Runs libp2p's upgrade of a connection; one that fails is ended at once, not when the other side pleases. */
  async upgrade(transport: MultiaddrConnection, run: () => Promise<void>): Promise<void> {
    const visit = this.#arriving;
    if (visit === null) throw new Error('a connection without a WebSocket');
    visit.transport = transport;
    this.#byTransport.set(transport, visit);
    try {
      await run();
    } catch (error) {
      visit.socket.terminate();
      throw error;
    } finally {
      this.#handshakes.leave(visit.id);
    }
  }

  /** The gater's question once the peer is known: true refuses the connection. */
  refuses(peer: string, transport: object): boolean {
    const visit = this.#byTransport.get(transport);
    if (visit === undefined || !this.#visits.has(visit.id)) return true;
    visit.peer = peer;
    // A tab that comes back may meet its own dead connection: the newest ones stand.
    const own = this.#byPeer.get(peer) ?? [];
    for (const old of own.slice(0, Math.max(0, own.length - limits.CONNECTIONS_PER_PEER + 1))) this.#end(old);
    if (!this.#seat(this.#connections.take(visit.id, visit.share))) return true;
    this.#byPeer.set(peer, [...(this.#byPeer.get(peer) ?? []), visit]);
    return false;
  }

  /** libp2p opened the connection of a peer: its streams' unread bytes count too. */
  opened(connection: Connection): void {
    const own = this.#byPeer.get(connection.remotePeer.toString()) ?? [];
    const visit = own.findLast((each) => each.connection === null);
    if (visit !== undefined) visit.connection = connection;
  }

  /**
   * Ends who does not read what it is sent: who has read nothing for long, and, when all of it together is too much, the
   * ones with most on the address with most. Called about once a second.
   */
  look(): void {
    const now = this.#now();
    const byShare = new Map<string, { bytes: number; readonly visits: Visit[] }>();
    let all = 0;
    for (const visit of this.#visits.values()) {
      const unread = unreadOf(visit);
      if (unread === 0 || unread < visit.unread) visit.stuckSince = null;
      else visit.stuckSince ??= now;
      visit.unread = unread;
      if (unread === 0) continue;
      if (visit.stuckSince !== null && now - visit.stuckSince >= limits.UNREAD_TIMEOUT) {
        this.#end(visit);
        continue;
      }
      all += unread;
      const held = byShare.get(visit.share) ?? { bytes: 0, visits: [] };
      held.bytes += unread;
      held.visits.push(visit);
      byShare.set(visit.share, held);
    }
    while (all > limits.MAX_UNREAD) {
      const [largest] = [...byShare.values()].sort((a, b) => b.bytes - a.bytes);
      const worst = largest?.visits.sort((a, b) => a.unread - b.unread).pop();
      if (largest === undefined || worst === undefined) return;
      largest.bytes -= worst.unread;
      all -= worst.unread;
      this.#end(worst);
    }
  }

  /** Ends who lost its place to another; false when there was no place. */
  #seat({ taken, left }: Admission): boolean {
    const loser = left === null ? undefined : this.#visits.get(left);
    if (loser !== undefined) this.#end(loser);
    else if (!taken) this.#refused++;
    return taken;
  }

  #end(visit: Visit): void {
    this.#refused++;
    this.#leave(visit); // at once: `close` comes later
    visit.connection?.abort(new Error('made room'));
    visit.socket.terminate();
  }

  #leave(visit: Visit): void {
    if (!this.#visits.delete(visit.id)) return;
    this.#handshakes.leave(visit.id);
    this.#connections.leave(visit.id);
    const { peer } = visit;
    const own = peer === null ? undefined : this.#byPeer.get(peer);
    if (peer === null || own === undefined || !own.includes(visit)) return;
    const rest = own.filter((other) => other !== visit);
    if (rest.length > 0) this.#byPeer.set(peer, rest);
    else {
      this.#byPeer.delete(peer);
      for (const gone of this.#gone) gone(peer);
    }
  }

  #arrivalsOf(share: string): TokenBucket {
    let bucket = this.#arrivals.get(share);
    if (bucket === undefined) {
      bucket = new TokenBucket(limits.ARRIVAL_RATE, limits.ARRIVAL_BURST, this.#now);
      this.#arrivals.set(share, bucket);
      for (const oldest of this.#arrivals.keys()) {
        if (this.#arrivals.size <= limits.MAX_SHARES) break;
        this.#arrivals.delete(oldest);
      }
    }
    return bucket;
  }
}

function unreadOf({ socket, transport, connection }: Visit): number {
  let bytes = socket.bufferedAmount + (transport?.writeBufferLength ?? 0);
  for (const stream of connection?.streams ?? []) bytes += stream.writeBufferLength;
  return bytes;
}
