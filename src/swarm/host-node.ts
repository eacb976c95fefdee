/**
 * The host's swarm node: relay for signalling, rendezvous, a gossip peer, and a blob peer over each tab's WebSocket.
 *
 * It shares the page's port: {@link HostSwarm.attach} takes WebSocket upgrades from the HTTP server. (Its own listener
 * is bound to a random loopback port, because libp2p's WebSocket listener wants one.)
 */
import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type CircuitRelayServerComponents,
  type CircuitRelayServerInit,
  type CircuitRelayService,
  circuitRelayServer,
} from '@libp2p/circuit-relay-v2';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Listener, Transport, Upgrader } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { type WebSocketsComponents, webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2p } from 'libp2p';
import { clientAddress, TrustedProxies } from './address-share.ts';
import { BanList, createGater } from './bans.ts';
import { gossipService } from './gossip.ts';
import { HANDOVER_PROTOCOL, handoverHandler, type HandoverTaker } from './handover.ts';
import * as limits from './limits.ts';
import { Meter } from './meter.ts';
import { PeerSwarm, type SwarmServices } from './peer-swarm.ts';
import { RelayMeter } from './relay-meter.ts';
import { type Reachable, RENDEZVOUS_PROTOCOL, rendezvousHandler } from './rendezvous.ts';
import { Reservations } from './reservations.ts';
import type { Swarm, Traffic } from './types.ts';
import { tapService } from './tap-streams.ts';
import { keepRtt } from './upkeep.ts';
import { type ServerWebSocket, type VisitorFigures, Visitors } from './visitors.ts';

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** What {@link HostSwarm.attach} needs of a node:http or node:https server. */
export interface UpgradeSource {
  on(event: 'upgrade', listener: UpgradeListener): unknown;
  off(event: 'upgrade', listener: UpgradeListener): unknown;
}

export interface HostSwarmOptions {
  /** 32 bytes kept with the host's data: the peer id must outlive restarts. */
  readonly privateKeySeed: Uint8Array;
  readonly topic: string;
  /** Server whose WebSocket upgrades are ours; more can be attached later. */
  readonly server?: UpgradeSource;
  /** Port of its own for the WebSocket, when it must not share the page's. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Multiaddrs to tell peers about, without `/p2p/ID`. Tabs do not need them: they go by the page's URL. */
  readonly announce?: readonly string[];
  /** Proxies that are believed about where a WebSocket comes from. Default: those on this machine. */
  readonly trusted?: TrustedProxies | undefined;
}

/** What strangers and members hold of the host's node now, for metrics. */
export interface HostSwarmFigures extends VisitorFigures {
  /** Reservations that the relay holds, and those of the address with most of them. */
  readonly reservations: number;
  readonly largestReservations: number;
  /** Peers that libp2p remembers, here or gone. */
  readonly rememberedPeers: number;
  /** Relayed links that were refused or cut off since start. */
  readonly relayRefused: number;
  /** Blob bytes that are being sent. */
  readonly blobBytesInFlight: number;
}

export interface HostSwarm extends Swarm {
  /** Own multiaddrs, with peer id. With a shared port, build them from the page's URL instead (hostMultiaddr). */
  readonly multiaddrs: string[];
  /** Bytes that went through the relay since start, both ways: signalling only. */
  relayedBytes(): number;
  /** Reservations that the relay holds. */
  readonly reservations: number;
  figures(): Promise<HostSwarmFigures>;
  /** Says which connected peers belong to members and validators now: they come first, and strangers never in their way. */
  vouch(peers: ReadonlySet<string>): void;
  /** Blob bytes that the host itself received and sent. */
  blobTraffic(): Traffic;
  /** Who takes certificates that a validator's tab hands over; until it is set, tabs are told to try again. */
  onHandover(take: HandoverTaker): void;
  /** Takes over a server's WebSocket upgrades; returns the undo. */
  attach(server: UpgradeSource): () => void;
}

/** libp2p's WebSocket listener, as far as an upgrade from another server needs it. */
interface UpgradingListener extends Listener {
  onUpgrade: UpgradeListener;
  onWsServerConnection(socket: ServerWebSocket, request: IncomingMessage): void;
  readonly wsServer: { readonly options: { maxPayload?: number } };
  /** Its own port. */
  readonly server: Server;
}

interface HostServices extends SwarmServices {
  relay: CircuitRelayService;
}

/** Starts the host's node. Throws RangeError on a seed that has not 32 bytes, libp2p's error when the port is taken. */
export async function createHostSwarm(options: HostSwarmOptions): Promise<HostSwarm> {
  if (options.privateKeySeed.byteLength !== 32)
    throw new RangeError(`the host's key seed has 32 bytes, got ${options.privateKeySeed.byteLength}`);
  const privateKey = await generateKeyPairFromSeed('Ed25519', options.privateKeySeed);
  const listen = options.listen ?? { host: '127.0.0.1', port: 0 };
  const family = listen.host.includes(':') ? 'ip6' : 'ip4';
  const bans = new BanList();
  const meter = new Meter();
  const visitors = new Visitors({ subscribers: () => swarm.subscribers() });
  const reservations = new Reservations(visitors);
  const relayed = new RelayMeter({
    shareOf: (peer) => visitors.shareOf(peer),
    isMember: (peer) => visitors.isMember(peer),
    onAbuse: (peer) => swarm.ban(peer, 'used the relay for more than signalling'),
  });
  const upgrades = webSocketsWithUpgrades(visitors, {
    trusted: options.trusted ?? new TrustedProxies(),
    ownPort: options.listen !== undefined,
  });

  const node: Libp2p<HostServices> = await createLibp2p({
    start: false,
    privateKey,
    addresses: {
      listen: [`/${family}/${listen.host}/tcp/${listen.port}/ws`],
      ...(options.announce === undefined ? {} : { announce: [...options.announce] }),
    },
    transports: [upgrades.transport],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxInboundStreams: limits.MAX_STREAMS_IN })],
    connectionGater: createGater(bans, {
      mayDial: () => false,
      mayAcceptRelayed: () => false,
      mayConnect: (peer, transport) => !visitors.refuses(peer, transport),
      mayReserve: (peer) => !reservations.refuses(peer),
      mayRelay: (from, to) => relayed.mayLink(from, to),
    }),
    connectionMonitor: { pingTimeout: { minTimeout: limits.MONITOR_PING_TIMEOUT } },
    connectionManager: {
      maxConnections: limits.CONNECTION_PLACES.total,
      inboundConnectionThreshold: limits.INBOUND_CONNECTIONS_PER_SECOND,
      maxIncomingPendingConnections: limits.MAX_PENDING_CONNECTIONS,
      inboundUpgradeTimeout: limits.DIAL_TIMEOUT,
      outboundStreamProtocolNegotiationTimeout: limits.DIAL_TIMEOUT,
      inboundStreamProtocolNegotiationTimeout: limits.DIAL_TIMEOUT,
      reconnectRetries: 0, // tabs come to the host, never the other way
    },
    services: {
      identify: identify({ timeout: limits.DIAL_TIMEOUT }),
      ping: ping({ timeout: limits.PING_TIMEOUT }),
      pubsub: gossipService(options.topic, 'host', meter),
      relay: meteredRelay(relayed, {
        hopTimeout: limits.DIAL_TIMEOUT,
        maxInboundHopStreams: limits.MAX_HOP_STREAMS,
        maxOutboundStopStreams: limits.MAX_STOP_STREAMS,
        reservations: {
          maxReservations: limits.MAX_TABS,
          reservationTtl: limits.RESERVATION_TTL,
          defaultDurationLimit: limits.RELAY_DURATION_LIMIT,
          defaultDataLimit: BigInt(limits.RELAY_DATA_LIMIT),
        },
      }),
    },
  });
  reservations.attach(node.services.relay);

  const swarm = new HostPeerSwarm({
    node,
    topic: options.topic,
    bans,
    meter,
    relayed,
    visitors,
    reservations,
    onUpgrade: upgrades.onUpgrade,
  });
  await swarm.start();
  if (options.server !== undefined) swarm.attach(options.server);
  keepRtt(swarm);
  return swarm;
}

interface UpgradeRules {
  readonly trusted: TrustedProxies;
  /** Whether peers may come by the listener's own port. */
  readonly ownPort: boolean;
}

/** The WebSocket transport, with a way in for upgrade requests that another HTTP server received. */
function webSocketsWithUpgrades(visitors: Visitors, { trusted, ownPort }: UpgradeRules) {
  let listener: UpgradingListener | undefined;
  const transport = (components: WebSocketsComponents): Transport => {
    const inner = webSockets({ maxBufferedAmount: limits.MAX_WEBSOCKET_BUFFER })(components);
    const create = inner.createListener.bind(inner);
    inner.createListener = (listenOptions) => {
      const { upgrader } = listenOptions;
      const upgradeInbound: Upgrader['upgradeInbound'] = (connection, how) =>
        visitors.upgrade(connection, () => upgrader.upgradeInbound(connection, how));
      const watched = new Proxy(upgrader, {
        get: (target, key) =>
          key === 'upgradeInbound' ? upgradeInbound : (Reflect.get(target, key, target) as unknown),
      });
      const made = create({ ...listenOptions, upgrader: watched }) as UpgradingListener;
      made.wsServer.options.maxPayload = limits.MAX_WEBSOCKET_MESSAGE;
      const accept = made.onWsServerConnection.bind(made);
      made.onWsServerConnection = (socket, request) => {
        secureSocket(socket);
        const address = clientAddress(request, trusted);
        visitors.enter(socket, address, () => accept(socket, requestFrom(request, address)));
      };
      const upgrade = made.onUpgrade.bind(made);
      made.onUpgrade = (request, socket, head) => {
        if (visitors.mayCome(clientAddress(request, trusted))) upgrade(request, socket, head);
        else refuse(socket);
      };
      if (!ownPort) {
        made.server.removeAllListeners('connection');
        made.server.on('connection', (socket: Socket) => socket.destroy());
      }
      listener = made;
      return made;
    };
    return inner;
  };
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy()); // a peer that resets in mid-handshake must not bring the host down
    if (listener === undefined) socket.destroy();
    else listener.onUpgrade(request, socket, head);
  };
  return { transport, onUpgrade };
}

/** The request as its real sender made it: libp2p names and counts a connection by the address that it finds there. */
function requestFrom(request: IncomingMessage, remoteAddress: string): IncomingMessage {
  const { remotePort } = request.socket;
  return Object.create(request, { socket: { value: { remoteAddress, remotePort } } }) as IncomingMessage;
}

const TOO_MANY = 'too many new connections from this address\n';

function refuse(socket: Duplex): void {
  socket.end(
    `HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: text/plain\r\n` +
      `content-length: ${TOO_MANY.length}\r\n\r\n${TOO_MANY}`,
    () => socket.destroy(),
  );
}

/**
 * Two gaps of libp2p's WebSocket listener. It does not listen for `error`, so one invalid frame from any stranger would
 * end the process. And it aborts with `close(1006)`, a code that no side may send: the call throws, and the socket of a
 * banned or unresponsive peer stays open for good.
 */
function secureSocket(socket: ServerWebSocket): void {
  socket.on('error', () => socket.terminate());
  const close = socket.close.bind(socket);
  socket.close = (code, reason) => {
    if (code === 1006) socket.terminate();
    else close(code, reason);
  };
}

/**
 * The relay, metered. Everything relayed crosses the asking tab's HOP stream, so that counting there counts both ways
 * once. Requests and reservations are in, some hundred bytes each.
 */
function meteredRelay(meter: RelayMeter, init: CircuitRelayServerInit) {
  const create = circuitRelayServer(init);
  return (components: CircuitRelayServerComponents): CircuitRelayService =>
    create(
      tapService(components, (connection, _direction, bytes, stream) => {
        if (meter.count(connection.remotePeer.toString(), bytes)) return;
        // Later: the bytes are just being handed over.
        queueMicrotask(() => stream.abort(new Error('more than the relay carries')));
      }),
    );
}

interface HostPeerSwarmOptions {
  readonly node: Libp2p<HostServices>;
  readonly topic: string;
  readonly bans: BanList;
  readonly meter: Meter;
  readonly relayed: RelayMeter;
  readonly visitors: Visitors;
  readonly reservations: Reservations;
  readonly onUpgrade: UpgradeListener;
}

class HostPeerSwarm extends PeerSwarm implements HostSwarm {
  readonly #o: HostPeerSwarmOptions;
  #reachable: { readonly at: number; readonly peers: readonly Reachable[] } = {
    at: Number.NEGATIVE_INFINITY,
    peers: [],
  };
  #handover: HandoverTaker = async () => ({
    stored: false,
    retry: true,
    code: 'starting',
  });

  constructor(options: HostPeerSwarmOptions) {
    super({
      ...options,
      hosts: new Set(),
      hostState: 'connected',
      // A member is served for itself, whatever strangers at its address do.
      accountOf: (peer) =>
        options.visitors.isMember(peer) ? peer : (options.visitors.shareOf(peer) ?? 'gone'),
    });
    this.#o = options;
  }

  override async start(): Promise<void> {
    const { visitors, relayed } = this.#o;
    const shareOf = (peer: string): string | null => visitors.shareOf(peer);
    await this.node.handle(
      RENDEZVOUS_PROTOCOL,
      rendezvousHandler({ reachable: () => this.#whoIsReachable(), shareOf }),
      { maxInboundStreams: 4 },
    );
    await this.node.handle(
      HANDOVER_PROTOCOL,
      handoverHandler(
        (link, from) => this.#handover(link, from),
        (peer) => visitors.isMember(peer),
      ),
      { maxInboundStreams: 2 },
    );
    visitors.onGone((peer) => relayed.forget(peer));
    this.node.addEventListener('connection:open', ({ detail }) => visitors.opened(detail));
    // What libp2p knows of a peer would stay for ever; the host never dials.
    this.node.addEventListener('peer:disconnect', ({ detail }) => {
      this.node.peerStore.delete(detail).catch(() => {});
    });
    const timers = [
      setInterval(() => visitors.look(), limits.UNREAD_INTERVAL),
      setInterval(() => void this.#sweep(), limits.SWEEP_INTERVAL),
    ];
    this.onStop(() => {
      for (const timer of timers) clearInterval(timer);
    });
    await super.start();
  }

  get multiaddrs(): string[] {
    return this.node.getMultiaddrs().map((address) => address.toString());
  }

  get reservations(): number {
    return this.#o.reservations.held;
  }

  async figures(): Promise<HostSwarmFigures> {
    const { visitors, reservations, relayed } = this.#o;
    return {
      ...visitors.figures,
      reservations: reservations.held,
      largestReservations: reservations.largest,
      rememberedPeers: (await this.node.peerStore.all()).length,
      relayRefused: relayed.refused,
      blobBytesInFlight: this.blobBytesInFlight,
    };
  }

  relayedBytes(): number {
    return this.#o.relayed.bytes;
  }

  blobTraffic(): Traffic {
    return this.meter.traffic('blob');
  }

  onHandover(take: HandoverTaker): void {
    this.#handover = take;
  }

  vouch(peers: ReadonlySet<string>): void {
    this.#o.visitors.vouch(peers);
  }

  override ban(peer: string, reason: string): void {
    this.#o.visitors.charge(peer);
    super.ban(peer, reason);
  }

  attach(server: UpgradeSource): () => void {
    const { onUpgrade } = this.#o;
    server.on('upgrade', onUpgrade);
    const detach = (): void => {
      server.off('upgrade', onUpgrade);
    };
    this.onStop(detach);
    return detach;
  }

  #whoIsReachable(): readonly Reachable[] {
    const now = performance.now();
    if (now - this.#reachable.at < limits.RENDEZVOUS_AGE) return this.#reachable.peers;
    const { visitors, reservations } = this.#o;
    const peers = reservations.peers().flatMap((peer) => {
      const share = visitors.shareOf(peer);
      return share === null ? [] : [{ peer, share, rank: visitors.rank(peer) }];
    });
    this.#reachable = { at: now, peers };
    return peers;
  }

  /** A peer that left while libp2p still asked it who it is was written down again. */
  async #sweep(): Promise<void> {
    const here = new Set(this.node.getPeers().map((peer) => peer.toString()));
    try {
      for (const { id } of await this.node.peerStore.all())
        if (!here.has(id.toString())) await this.node.peerStore.delete(id);
    } catch {
      // the node is stopping
    }
  }
}
