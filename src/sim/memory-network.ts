/**
 * A swarm without sockets: every peer of a simulation joins one network and gets the {@link Swarm} that it expects.
 *
 * It is a full mesh, so everybody hears an author directly, as in a small swarm. A message that its handler accepts is
 * also passed on, to those that the author has no link to: a peer that lost the host still hears it through others. One
 * that is ignored or rejected is not. Blobs are asked for in the order, with the hedging and under the checks of the real
 * exchange (swarm/race-sources.ts, swarm/blobs.ts), but sources are not sampled: those that joined first come first.
 *
 * Left out: line rates, limits on floods, bans for rejected gossip, and the dialling of links.
 */
import * as v from 'valibot';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import { decodeCanonical } from '../protocol/codec.ts';
import { HASH_BYTES, MAX_BLOB_BYTES, MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import { type MessageKind, type MessageOf, type Message, MessageSchema } from '../protocol/messages.ts';
import { type Clock, pause, withDeadline } from '../protocol/timer.ts';
import { BanList } from '../swarm/bans.ts';
import * as limits from '../swarm/limits.ts';
import { raceSources } from '../swarm/race-sources.ts';
import {
  BlobUnavailableError,
  type FetchOptions,
  type GossipVerdict,
  type HostState,
  type LinkPath,
  type PeerLink,
  type Swarm,
  type SwarmEvents,
  type Traffic,
} from '../swarm/types.ts';

export interface MemoryNetworkOptions {
  /** One way, ms. Default 0: at the same moment, but after everything that is under way. */
  readonly latencyMs?: number;
}

export interface MemoryPeerOptions {
  /** A host is linked to every tab, asked for blobs last, and never banned. Default `tab`. */
  readonly role?: 'tab' | 'host';
  /** A source with a mind of its own: asked before what the peer serves is looked up. */
  readonly answer?: Answer;
}

/**
 * What a source sends for a hash. Null: "not here"; undefined: what it serves. One that never resolves is a peer that
 * stalls.
 */
export type Answer = (hash: Uint8Array, size: number, asker: string) => Sent | Promise<Sent>;

type Sent = Uint8Array | null | undefined;

/** A message on its way to one peer: when it arrives (swarm time, ms) and what arrives. */
export interface Arrival {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/**
 * Decides what becomes of a message from its author to one peer that would arrive at `at`: an empty list loses it for
 * good, a later time delays it, several arrivals multiply it. A time that is past counts as now.
 */
export type Route = (from: string, to: string, bytes: Uint8Array, at: number) => readonly Arrival[];

/** A message that was published. */
export interface Published {
  readonly from: string;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** What a peer's handler thought of a message. */
export interface Judged {
  readonly from: string;
  readonly to: string;
  readonly at: number;
  readonly verdict: GossipVerdict;
  /** What the handler threw, which counts as `ignore`. A handler must not throw. */
  readonly error?: unknown;
}

type Handler = Parameters<Swarm['onMessage']>[0];

/** A message under way, and the peers that it was sent to or that it comes from. */
interface Post {
  readonly from: string;
  readonly bytes: Uint8Array;
  readonly sent: Set<string>;
}

export class MemoryNetwork {
  readonly clock: Clock;
  readonly latencyMs: number;
  /** All messages published so far, oldest first. */
  readonly published: Published[] = [];
  /** All verdicts so far, in the order they were reached. */
  readonly verdicts: Judged[] = [];
  /** In the order of joining. */
  readonly #peers = new Map<string, MemoryPeer>();
  readonly #routes = new Set<Route>();
  /** Peer to number of its group; those that are not named are together. */
  #groups: ReadonlyMap<string, number> = new Map();
  #hadHost = false;
  readonly #decoded = new WeakMap<Published, Message | null>();

  constructor(clock: Clock, options: MemoryNetworkOptions = {}) {
    this.clock = clock;
    this.latencyMs = options.latencyMs ?? 0;
  }

  /** A new peer's end of the network. Throws when the peer is there already. */
  join(peerId: string, options: MemoryPeerOptions = {}): Swarm {
    if (this.#peers.has(peerId)) throw new Error(`${peerId} is in the network already`);
    const peer = new MemoryPeer(this, peerId, options);
    this.#peers.set(peerId, peer);
    if (peer.isHost) this.#hadHost = true;
    this.changed();
    return peer;
  }

  /** Peers in the network, in the order of joining. */
  peers(): string[] {
    return [...this.#peers.keys()];
  }

  /** Puts a route in the way of all messages, behind those that are there. Returns the function that takes it out. */
  addRoute(route: Route): () => void {
    this.#routes.add(route);
    return () => this.#routes.delete(route);
  }

  /** Cuts all links between groups; peers that are in none form one more. Messages under way still arrive. */
  partition(...groups: readonly (readonly string[])[]): void {
    this.#groups = new Map(groups.flatMap((group, i) => group.map((peer) => [peer, i] as const)));
    this.changed();
  }

  heal(): void {
    this.partition();
  }

  /** What tabs see of the host; without `connected` they have no link to it. Default for all tabs that are there. */
  setHostState(state: HostState, tabs: readonly string[] = this.peers()): void {
    for (const tab of tabs) {
      const peer = this.#peers.get(tab);
      if (peer !== undefined && !peer.isHost) peer.hostSeen = state;
    }
    this.changed();
  }

  /** Published messages of one kind, decoded but not checked, oldest first. */
  messages<K extends MessageKind>(kind: K): { from: string; at: number; message: MessageOf<K> }[] {
    return this.published.flatMap((entry) => {
      let message = this.#decoded.get(entry);
      if (message === undefined) {
        message = decodeUnchecked(entry.bytes);
        this.#decoded.set(entry, message);
      }
      if (message?.kind !== kind) return [];
      return [{ from: entry.from, at: entry.at, message: message as MessageOf<K> }];
    });
  }

  /** For {@link MemoryPeer}, as is all below: the peers that `peer` has a link to. */
  linked(peer: MemoryPeer): MemoryPeer[] {
    return [...this.#peers.values()].filter((other) => this.areLinked(peer, other));
  }

  areLinked(a: MemoryPeer, b: MemoryPeer): boolean {
    if (a === b || this.#peers.get(a.peerId) !== a || this.#peers.get(b.peerId) !== b) return false;
    if (this.#groups.get(a.peerId) !== this.#groups.get(b.peerId)) return false;
    if (a.isHost !== b.isHost && (a.isHost ? b : a).hostSeen !== 'connected') return false;
    return !a.bans.has(b.peerId) && !b.bans.has(a.peerId);
  }

  find(peerId: string): MemoryPeer | undefined {
    return this.#peers.get(peerId);
  }

  /** Without any host since the beginning, all peers are told that theirs is there. */
  hostStateOf(peer: MemoryPeer): HostState {
    if (peer.isHost || !this.#hadHost || peer.hostSeen !== 'connected') return peer.hostSeen;
    return this.linked(peer).some(({ isHost }) => isHost) ? 'connected' : 'unreachable';
  }

  publish(author: MemoryPeer, message: Uint8Array): number {
    const bytes = message.slice();
    this.published.push({ from: author.peerId, at: this.clock.now(), bytes });
    return this.#spread({ from: author.peerId, bytes, sent: new Set([author.peerId]) }, author);
  }

  /** Sends to all that `via` has a link to and that it was not sent to before; their number. */
  #spread(post: Post, via: MemoryPeer): number {
    const next = this.linked(via).filter(({ peerId }) => !post.sent.has(peerId));
    for (const { peerId } of next) post.sent.add(peerId);
    for (const peer of next) {
      let arrivals: readonly Arrival[] = [{ at: this.clock.now() + this.latencyMs, bytes: post.bytes }];
      for (const route of this.#routes)
        arrivals = arrivals.flatMap(({ at, bytes }) => route(post.from, peer.peerId, bytes, at));
      for (const { at, bytes } of arrivals) {
        this.count(via, peer, bytes.byteLength);
        this.clock.at(at, () => void this.#arrive({ ...post, bytes }, peer));
      }
    }
    return next.length;
  }

  /** Never rejects. */
  async #arrive(post: Post, peer: MemoryPeer): Promise<void> {
    if (peer.handler === null || this.#peers.get(peer.peerId) !== peer) return;
    let judged: Pick<Judged, 'verdict' | 'error'>;
    try {
      judged = { verdict: await peer.handler(post.bytes.slice(), post.from) };
    } catch (error) {
      judged = { verdict: 'ignore', error };
    }
    this.verdicts.push({ from: post.from, to: peer.peerId, at: this.clock.now(), ...judged });
    if (judged.verdict === 'accept') this.#spread(post, peer);
  }

  /** Books bytes that go from one peer to another, at both ends. */
  count(from: MemoryPeer, to: MemoryPeer, bytes: number): void {
    from.bytesTo(to).out += bytes;
    to.bytesTo(from).in += bytes;
  }

  leave(peer: MemoryPeer): void {
    if (this.#peers.get(peer.peerId) === peer) this.#peers.delete(peer.peerId);
    this.changed();
  }

  /** Tells every peer's listeners soon. */
  changed(): void {
    for (const peer of this.#peers.values()) peer.changed();
  }
}

/** One peer's {@link Swarm}. */
class MemoryPeer implements Swarm {
  readonly peerId: string;
  readonly isHost: boolean;
  readonly bans: BanList;
  handler: Handler | null = null;
  hostSeen: HostState = 'connected';
  readonly #network: MemoryNetwork;
  readonly #answer: Answer | undefined;
  readonly #joinedAt: number;
  readonly #served = new Map<string, Uint8Array>();
  readonly #bytes = new Map<string, { path: LinkPath; in: number; out: number }>();
  /** Wrong blobs that a peer has sent. */
  readonly #faults = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  #willTell = false;

  constructor(network: MemoryNetwork, peerId: string, options: MemoryPeerOptions) {
    this.#network = network;
    this.peerId = peerId;
    this.isHost = options.role === 'host';
    this.#answer = options.answer;
    this.#joinedAt = network.clock.now();
    this.bans = new BanList(() => network.clock.now());
  }

  get hostState(): HostState {
    return this.#network.hostStateOf(this);
  }

  /** One a second while the host is out of reach. */
  get failedDials(): number {
    return this.hostState === 'unreachable' ? Math.floor(this.#network.clock.now() / 1000) : 0;
  }

  links(): PeerLink[] {
    return this.#network.linked(this).map((peer) => ({
      peer: peer.peerId,
      path: this.#pathTo(peer),
      rttMs: 2 * this.#network.latencyMs,
      bytesIn: this.bytesTo(peer).in,
      bytesOut: this.bytesTo(peer).out,
      openedAt: Math.max(this.#joinedAt, peer.#joinedAt),
    }));
  }

  traffic(): Traffic {
    const bytesIn = { direct: 0, relayed: 0, host: 0 };
    const bytesOut = { direct: 0, relayed: 0, host: 0 };
    for (const bytes of this.#bytes.values()) {
      bytesIn[bytes.path] += bytes.in;
      bytesOut[bytes.path] += bytes.out;
    }
    return { bytesIn, bytesOut };
  }

  async publish(message: Uint8Array): Promise<number> {
    if (message.byteLength > MAX_GOSSIP_BYTES)
      throw new RangeError(
        `a gossip message has at most ${MAX_GOSSIP_BYTES} bytes, got ${message.byteLength}`,
      );
    return this.#network.find(this.peerId) === this ? this.#network.publish(this, message) : 0;
  }

  onMessage(handler: Handler): void {
    this.handler = handler;
  }

  serve(hash: Uint8Array, bytes: Uint8Array): void {
    if (hash.byteLength !== HASH_BYTES)
      throw new RangeError(`a blob's hash has ${HASH_BYTES} bytes, got ${hash.byteLength}`);
    if (bytes.byteLength === 0 || bytes.byteLength > MAX_BLOB_BYTES)
      throw new RangeError(`a blob has 1 to ${MAX_BLOB_BYTES} bytes, got ${bytes.byteLength}`);
    const name = toHex(hash);
    if (!this.#served.has(name)) this.#served.set(name, bytes);
  }

  forget(hash: Uint8Array): void {
    this.#served.delete(toHex(hash));
  }

  async fetch(hash: Uint8Array, options: FetchOptions): Promise<Uint8Array<ArrayBuffer>> {
    options.signal?.throwIfAborted();
    const name = toHex(hash).slice(0, 12);
    const own = this.#served.get(toHex(hash));
    if (own !== undefined && own.byteLength === options.size) return new Uint8Array(own);
    if (!Number.isInteger(options.size) || options.size < 1 || options.size > MAX_BLOB_BYTES)
      throw new BlobUnavailableError(`blob ${name}: a size of ${options.size} bytes is not allowed`);
    const failures: string[] = [];
    for (const stage of [() => this.#sources(options.prefer ?? []), () => this.#hosts(options)]) {
      const result = await raceSources<MemoryPeer, Uint8Array<ArrayBuffer>>({
        clock: this.#network.clock,
        sources: stage(),
        attempt: (source, signal) => this.#pull(source, hash, options.size, signal),
        hedgeDelay: limits.HEDGE_DELAY,
        maxParallel: limits.MAX_PARALLEL_SOURCES,
        onFailure: (source, error) => failures.push(`${source.peerId}: ${String(error)}`),
        signal: options.signal,
      });
      if (result !== null) return result;
    }
    const why = failures.length === 0 ? 'no peer is connected' : failures.join('; ');
    throw new BlobUnavailableError(`nobody serves blob ${name} (${options.size} bytes): ${why}`);
  }

  on<E extends keyof SwarmEvents>(_event: E, listener: SwarmEvents[E]): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  ban(peer: string, reason: string): void {
    if (peer === this.peerId || this.#network.find(peer)?.isHost === true) return;
    this.bans.add(peer, reason);
    this.#network.changed();
  }

  async stop(): Promise<void> {
    this.#listeners.clear();
    this.#network.leave(this);
  }

  /** The account of bytes with another peer. */
  bytesTo(peer: MemoryPeer): { in: number; out: number } {
    let account = this.#bytes.get(peer.peerId);
    if (account === undefined) {
      account = { path: this.#pathTo(peer), in: 0, out: 0 };
      this.#bytes.set(peer.peerId, account);
    }
    return account;
  }

  /** Tells the listeners, at most once in {@link limits.CHANGE_INTERVAL}. */
  changed(): void {
    if (this.#willTell || this.#listeners.size === 0) return;
    this.#willTell = true;
    const { clock } = this.#network;
    clock.at(clock.now() + limits.CHANGE_INTERVAL, () => {
      this.#willTell = false;
      for (const listener of this.#listeners) listener();
    });
  }

  #pathTo(peer: MemoryPeer): LinkPath {
    return this.isHost || peer.isHost ? 'host' : 'direct';
  }

  /** Tabs to ask: the preferred ones first. */
  #sources(prefer: readonly string[]): MemoryPeer[] {
    const tabs = this.#network.linked(this).filter(({ isHost }) => !isHost);
    const first = prefer.flatMap((peer) => tabs.filter(({ peerId }) => peerId === peer));
    return [...new Set([...first, ...tabs])].slice(0, limits.MAX_SOURCES);
  }

  #hosts(options: FetchOptions): MemoryPeer[] {
    if (options.allowHost === false) return [];
    return this.#network.linked(this).filter(({ isHost }) => isHost);
  }

  /** A blob from one source, verified. Rejects with the fault, or with the signal's reason. */
  async #pull(
    source: MemoryPeer,
    hash: Uint8Array,
    size: number,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { clock, latencyMs } = this.#network;
    const patience = clock.now() + limits.FIRST_PIECE_TIMEOUT;
    const bytes = await withDeadline(clock, patience, signal, async (patient) => {
      await pause(clock, 2 * latencyMs, patient);
      patient.throwIfAborted();
      if (!this.#network.areLinked(this, source)) throw new Error('no connection');
      const sent = await unlessAborted(source.#answer?.(hash, size, this.peerId), patient);
      return sent === undefined ? source.#served.get(toHex(hash)) : sent;
    });
    if (bytes === null || bytes === undefined) throw new Error('not here');
    this.#network.count(source, this, bytes.byteLength);
    const copy = new Uint8Array(bytes);
    if (copy.byteLength !== size || !bytesEqual(await sha256(copy), hash)) {
      this.#blame(source.peerId);
      throw new Error('the bytes do not have this size and hash');
    }
    return copy;
  }

  #blame(peer: string): void {
    const count = (this.#faults.get(peer) ?? 0) + 1;
    this.#faults.set(peer, count);
    if (count < limits.MAX_BLOB_FAULTS) return;
    this.#faults.delete(peer);
    this.ban(peer, `served wrong blob bytes ${count} times`);
  }
}

/** Settles as `value` does, or rejects with the signal's reason once that aborts. */
function unlessAborted<T>(value: T | Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    Promise.resolve(value)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The message in an envelope, whoever signed it; null for anything else. */
export function decodeUnchecked(envelope: Uint8Array): Message | null {
  const outer = decodeCanonical(envelope, MAX_GOSSIP_BYTES);
  if (!outer.ok || !Array.isArray(outer.value)) return null;
  const inner: unknown = outer.value[3];
  if (!(inner instanceof Uint8Array)) return null;
  const body = decodeCanonical(inner, MAX_GOSSIP_BYTES);
  if (!body.ok) return null;
  const message = v.safeParse(MessageSchema, body.value);
  return message.success ? message.output : null;
}
