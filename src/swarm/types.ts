/** What the rest of the app may ask of the peer-to-peer layer. It knows bytes, hashes and peers, not tensors. */

/** How a link to a peer runs. `host`: the WebSocket to the organizer's host. */
export type LinkPath = 'direct' | 'relayed' | 'host';

/** Which way bytes flow, seen from here. */
export type Direction = 'in' | 'out';

export interface PeerLink {
  readonly peer: string;
  readonly path: LinkPath;
  /** Round-trip time in milliseconds, when known. */
  readonly rttMs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly openedAt: number;
}

export interface Traffic {
  /** Totals since start, by path; payload bytes of our own protocols and gossip. */
  readonly bytesIn: Readonly<Record<LinkPath, number>>;
  readonly bytesOut: Readonly<Record<LinkPath, number>>;
}

export type HostState = 'connecting' | 'connected' | 'unreachable';

/**
 * What a topic handler thinks of a message. Only what is accepted is passed on. `unwanted`: it may be nobody's fault, but no
 * honest peer brings many of them; beyond a few they count as rejected.
 */
export type GossipVerdict = 'accept' | 'ignore' | 'unwanted' | 'reject';

export interface SwarmEvents {
  /** Peers, paths or the host's reachability changed. */
  change: () => void;
}

export interface FetchOptions {
  /** Expected size in bytes; a source that says otherwise is refused. */
  readonly size: number;
  /** Peers to ask first. */
  readonly prefer?: readonly string[];
  /** Whether the host may be asked when no direct peer has it (its upload is the scarce one). Default true. */
  readonly allowHost?: boolean;
  readonly signal?: AbortSignal;
}

/** Nobody who can be reached serves these bytes. */
export class BlobUnavailableError extends Error {
  static override readonly name = 'BlobUnavailableError';
  override readonly name = 'BlobUnavailableError';
}

export interface Swarm {
  readonly peerId: string;
  readonly hostState: HostState;
  /** Dials of hosts that failed so far. */
  readonly failedDials: number;
  links(): PeerLink[];
  traffic(): Traffic;
  /** Gossips up to MAX_GOSSIP_BYTES to the run's topic. Resolves to the number of peers it was sent to. */
  publish(message: Uint8Array): Promise<number>;
  /** One handler for the topic; it must not throw. Own messages are not delivered. */
  onMessage(handler: (message: Uint8Array, from: string) => GossipVerdict | Promise<GossipVerdict>): void;
  /** Starts serving bytes under their SHA-256; `forget` stops. */
  serve(hash: Uint8Array, bytes: Uint8Array): void;
  forget(hash: Uint8Array): void;
  /** Fetches by hash over direct streams, verified; tries every source. Throws {@link BlobUnavailableError}. */
  fetch(hash: Uint8Array, options: FetchOptions): Promise<Uint8Array<ArrayBuffer>>;
  on<E extends keyof SwarmEvents>(event: E, listener: SwarmEvents[E]): () => void;
  /** Hangs up on a peer and refuses it for a while (bad bytes, floods). */
  ban(peer: string, reason: string): void;
  stop(): Promise<void>;
}
