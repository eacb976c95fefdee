/**
 * The {@link Swarm} of a running libp2p node: what peers and the host have in common. How links come about differs and
 * lives in peer-node.ts and host-node.ts.
 */
import type { GossipSub } from '@libp2p/gossipsub';
import type { Connection, Libp2p, ServiceMap } from '@libp2p/interface';
import type { Ping } from '@libp2p/ping';
import { isUsable, pathOf } from './addresses.ts';
import type { BanList } from './bans.ts';
import { BlobExchange } from './blobs.ts';
import { Gossip, type GossipHandler } from './gossip.ts';
import { CHANGE_INTERVAL, CLOSE_TIMEOUT, MAX_ON_DEMAND } from './limits.ts';
import type { Meter } from './meter.ts';
import type { RateLimit } from './rate-limit.ts';
import { sample } from './rendezvous.ts';
import type { FetchOptions, HostState, LinkPath, PeerLink, Swarm, SwarmEvents, Traffic } from './types.ts';

export interface SwarmServices extends ServiceMap {
  identify: unknown;
  ping: Ping;
  pubsub: GossipSub;
}

export interface PeerSwarmOptions {
  readonly node: Libp2p<SwarmServices>;
  readonly topic: string;
  readonly bans: BanList;
  /** Shared with the node's gossip service, which fills it too. */
  readonly meter: Meter;
  /** What the volunteer allows; default no limit. */
  readonly limit?: RateLimit | undefined;
  /** Peer ids of hosts: never banned, and asked for blobs last. Empty on the host itself. */
  readonly hosts: ReadonlySet<string>;
  readonly hostState: HostState;
  /** On whose account a peer's blobs are served: the host's, by address. */
  readonly accountOf?: (peer: string) => string;
}

/** Best path first, when a peer has several connections. */
const PATH_ORDER: readonly LinkPath[] = ['direct', 'host', 'relayed'];

export class PeerSwarm implements Swarm {
  readonly peerId: string;
  readonly node: Libp2p<SwarmServices>;
  readonly meter: Meter;
  /** Measured round-trip times by peer, in milliseconds. */
  readonly rtt = new Map<string, number>();
  failedDials = 0;
  /** Links to a peer that a blob is wanted of; false when it cannot be had. Must not reject. */
  connect: ((peer: string) => Promise<boolean>) | null = null;
  readonly #blobs: BlobExchange;
  readonly #gossip: Gossip;
  readonly #bans: BanList;
  readonly #hosts: ReadonlySet<string>;
  readonly #listeners = new Set<() => void>();
  readonly #stoppers: (() => void)[] = [];
  readonly #topic: string;
  #hostState: HostState;
  #changeTimer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(options: PeerSwarmOptions) {
    this.node = options.node;
    this.meter = options.meter;
    this.peerId = options.node.peerId.toString();
    this.#bans = options.bans;
    this.#hosts = options.hosts;
    this.#hostState = options.hostState;
    const onAbuse = (peer: string, reason: string): void => this.ban(peer, reason);
    this.#blobs = new BlobExchange({
      node: this.node,
      meter: this.meter,
      onAbuse,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      ...(options.accountOf === undefined ? {} : { accountOf: options.accountOf }),
    });
    this.#gossip = new Gossip({ pubsub: this.node.services.pubsub, topic: options.topic, onAbuse });
    this.#topic = options.topic;
  }

  /** Registers the protocols, starts the node and joins the topic. */
  async start(): Promise<void> {
    await this.#blobs.start();
    const onChange = (): void => this.changed();
    this.node.addEventListener('connection:open', onChange);
    this.node.addEventListener('connection:close', onChange);
    this.node.addEventListener('peer:disconnect', ({ detail }) => this.#forget(detail.toString()));
    await this.node.start();
    this.#gossip.start();
  }

  /** Runs `stop` when the swarm stops. */
  onStop(stop: () => void): void {
    this.#stoppers.push(stop);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get hostState(): HostState {
    return this.#hostState;
  }

  setHostState(state: HostState): void {
    if (state === this.#hostState) return;
    this.#hostState = state;
    this.changed();
  }

  /** Connections that may carry bulk and gossip, of one path. */
  connections(path: LinkPath): Connection[] {
    return this.node
      .getConnections()
      .filter((connection) => isUsable(connection) && pathOf(connection) === path);
  }

  /** Peers with at least one connection of this path. */
  peers(path: LinkPath): Set<string> {
    return new Set(this.connections(path).map((connection) => connection.remotePeer.toString()));
  }

  /** Peers that listen to the run's topic. */
  subscribers(): string[] {
    return this.node.services.pubsub.getSubscribers(this.#topic).map((peer) => peer.toString());
  }

  /** Blob bytes that are on their way out. */
  get blobBytesInFlight(): number {
    return this.#blobs.bytesInFlight;
  }

  links(): PeerLink[] {
    const byPeer = new Map<string, { path: LinkPath; openedAt: number }>();
    for (const connection of this.node.getConnections()) {
      if (connection.status !== 'open') continue;
      const peer = connection.remotePeer.toString();
      const path = pathOf(connection);
      const known = byPeer.get(peer);
      if (known === undefined || PATH_ORDER.indexOf(path) < PATH_ORDER.indexOf(known.path))
        byPeer.set(peer, { path, openedAt: connection.timeline.open });
    }
    return [...byPeer].map(([peer, { path, openedAt }]) => {
      const bytes = this.meter.peer(peer);
      const rttMs = path === 'relayed' ? null : (this.rtt.get(peer) ?? null);
      return { peer, path, rttMs, bytesIn: bytes.in, bytesOut: bytes.out, openedAt };
    });
  }

  traffic(): Traffic {
    return this.meter.traffic();
  }

  publish(message: Uint8Array): Promise<number> {
    return this.#gossip.publish(message);
  }

  onMessage(handler: GossipHandler): void {
    this.#gossip.setHandler(handler);
  }

  serve(hash: Uint8Array, bytes: Uint8Array): void {
    this.#blobs.serve(hash, bytes);
  }

  forget(hash: Uint8Array): void {
    this.#blobs.forget(hash);
  }

  async fetch(hash: Uint8Array, options: FetchOptions): Promise<Uint8Array<ArrayBuffer>> {
    const prefer = (options.prefer ?? []).filter((peer) => this.#isSource(peer) && !this.#hosts.has(peer));
    const stages = [
      () => this.#neighbours(prefer),
      () => this.#reach(prefer),
      () =>
        options.allowHost === false ? [] : [...this.peers('host')].filter((peer) => this.#hosts.has(peer)),
    ];
    return await this.#blobs.fetch(hash, stages, options);
  }

  #isSource(peer: string): boolean {
    return peer !== this.peerId && !this.#bans.has(peer);
  }

  /** Linked peers: preferred ones first, the rest in random order, so that no one of them gets all questions. */
  #neighbours(prefer: readonly string[]): string[] {
    const linked = this.peers(this.#hosts.size === 0 ? 'host' : 'direct');
    const first = prefer.filter((peer) => linked.has(peer));
    return [...first, ...sample([...linked], linked.size)].filter((peer) => this.#isSource(peer));
  }

  /** Preferred peers that were not linked and could be linked now: in a big swarm an author is rarely a neighbour. */
  async #reach(prefer: readonly string[]): Promise<string[]> {
    const { connect } = this;
    const linked = this.peers('direct');
    if (connect === null) return [];
    const tried = await Promise.all(
      prefer
        .filter((peer) => !linked.has(peer))
        .slice(0, MAX_ON_DEMAND)
        .map(async (peer) => ((await connect(peer)) ? [peer] : [])),
    );
    return tried.flat();
  }

  on<E extends keyof SwarmEvents>(_event: E, listener: SwarmEvents[E]): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the listeners, at most once in {@link CHANGE_INTERVAL}. */
  changed(): void {
    if (this.#stopped) return;
    this.#changeTimer ??= setTimeout(() => {
      this.#changeTimer = undefined;
      for (const listener of this.#listeners) listener();
    }, CHANGE_INTERVAL);
  }

  /** A host is never banned: it is a tab's only way to meet others, and what it says is checked by hash and signature. */
  ban(peer: string, reason: string): void {
    if (peer === this.peerId || this.#hosts.has(peer)) return;
    this.#bans.add(peer, reason);
    this.hangUp(peer, `banned: ${reason}`);
    this.changed();
  }

  /**
   * Ends every connection to a peer at once. In a browser libp2p cannot abort a WebSocket (it closes with code 1006,
   * which throws), so those are closed in order first.
   */
  hangUp(peer: string, reason: string): void {
    for (const connection of this.node.getConnections()) {
      if (connection.remotePeer.toString() !== peer) continue;
      const abort = (): void => connection.abort(new Error(reason));
      if (pathOf(connection) === 'host' && this.#hosts.has(peer))
        connection.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT) }).then(abort, abort);
      else abort();
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#changeTimer);
    this.#listeners.clear();
    for (const stop of this.#stoppers) stop();
    await this.node.stop();
  }

  #forget(peer: string): void {
    this.rtt.delete(peer);
    this.meter.forget(peer);
    this.#blobs.forgetPeer(peer);
    this.#gossip.forgetPeer(peer);
    this.changed();
  }
}
