/**
 * The host's swarm node: relay for signalling, rendezvous, a gossip peer, and a blob peer over each tab's WebSocket.
 *
 * It shares the page's port: {@link HostSwarm.attach} takes WebSocket upgrades from the HTTP server. (Its own listener
 * is bound to a random loopback port, because libp2p's WebSocket listener wants one.)
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  type CircuitRelayServerComponents,
  type CircuitRelayServerInit,
  type CircuitRelayService,
  circuitRelayServer,
} from '@libp2p/circuit-relay-v2';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { identify } from '@libp2p/identify';
import type { Listener, Transport } from '@libp2p/interface';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { type WebSocketsComponents, webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p, type Libp2p } from 'libp2p';
import { BanList, createGater } from './bans.ts';
import { gossipService } from './gossip.ts';
import { HANDOVER_PROTOCOL, handoverHandler, type HandoverTaker } from './handover.ts';
import * as limits from './limits.ts';
import { Meter } from './meter.ts';
import { PeerSwarm, type SwarmServices } from './peer-swarm.ts';
import { RelayMeter } from './relay-meter.ts';
import { RENDEZVOUS_PROTOCOL, rendezvousHandler } from './rendezvous.ts';
import type { Swarm, Traffic } from './types.ts';
import { tapService } from './tap-streams.ts';
import { keepRtt } from './upkeep.ts';

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
}

export interface HostSwarm extends Swarm {
  /** Own multiaddrs, with peer id. With a shared port, build them from the page's URL instead (hostMultiaddr). */
  readonly multiaddrs: string[];
  /** Bytes that went through the relay since start, both ways: signalling only. */
  relayedBytes(): number;
  /** Tabs that can be reached through the relay. */
  readonly reservations: number;
  /** Blob bytes that the host itself received and sent. */
  blobTraffic(): Traffic;
  /** Who takes certificates that a validator's tab hands over; until it is set, tabs are told to try again. */
  onHandover(take: HandoverTaker): void;
  /** Takes over a server's WebSocket upgrades; returns the undo. */
  attach(server: UpgradeSource): () => void;
}

/** Of the `ws` package's socket. */
interface ServerWebSocket {
  on(event: 'error', listener: () => void): unknown;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

/** libp2p's WebSocket listener, as far as an upgrade from another server needs it. */
interface UpgradingListener extends Listener {
  onUpgrade: UpgradeListener;
  onWsServerConnection(socket: ServerWebSocket, request: IncomingMessage): void;
  readonly wsServer: { readonly options: { maxPayload?: number } };
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
  const relayed = new RelayMeter((peer) => swarm.ban(peer, 'used the relay for more than signalling'));
  const upgrades = webSocketsWithUpgrades();

  const node: Libp2p<HostServices> = await createLibp2p({
    start: false,
    privateKey,
    addresses: {
      listen: [`/${family}/${listen.host}/tcp/${listen.port}/ws`],
      ...(options.announce === undefined ? {} : { announce: [...options.announce] }),
    },
    transports: [upgrades.transport],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: createGater(bans, { mayDial: () => false, mayAcceptRelayed: () => false }),
    connectionMonitor: { pingTimeout: { minTimeout: limits.MONITOR_PING_TIMEOUT } },
    connectionManager: {
      maxConnections: 2 * limits.MAX_TABS,
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
        maxInboundHopStreams: limits.MAX_RELAY_STREAMS,
        maxOutboundStopStreams: limits.MAX_RELAY_STREAMS,
        reservations: {
          maxReservations: limits.MAX_TABS,
          reservationTtl: limits.RESERVATION_TTL,
          defaultDurationLimit: limits.RELAY_DURATION_LIMIT,
          defaultDataLimit: BigInt(limits.RELAY_DATA_LIMIT),
        },
      }),
    },
  });

  const swarm = new HostPeerSwarm({
    node,
    topic: options.topic,
    bans,
    meter,
    relayed,
    onUpgrade: upgrades.onUpgrade,
  });
  await swarm.start();
  if (options.server !== undefined) swarm.attach(options.server);
  keepRtt(swarm);
  return swarm;
}

/** The WebSocket transport, with a way in for upgrade requests that another HTTP server received. */
function webSocketsWithUpgrades() {
  let listener: UpgradingListener | undefined;
  const transport = (components: WebSocketsComponents): Transport => {
    const inner = webSockets()(components);
    const create = inner.createListener.bind(inner);
    inner.createListener = (listenOptions) => {
      const made = create(listenOptions) as UpgradingListener;
      made.wsServer.options.maxPayload = limits.MAX_WEBSOCKET_MESSAGE;
      const accept = made.onWsServerConnection.bind(made);
      made.onWsServerConnection = (socket, request) => {
        secureSocket(socket);
        accept(socket, request);
      };
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
      tapService(components, (connection, _direction, bytes) =>
        meter.count(connection.remotePeer.toString(), bytes),
      ),
    );
}

interface HostPeerSwarmOptions {
  readonly node: Libp2p<HostServices>;
  readonly topic: string;
  readonly bans: BanList;
  readonly meter: Meter;
  readonly relayed: RelayMeter;
  readonly onUpgrade: UpgradeListener;
}

class HostPeerSwarm extends PeerSwarm implements HostSwarm {
  readonly #host: Libp2p<HostServices>;
  readonly #onUpgrade: UpgradeListener;
  readonly #relayed: RelayMeter;
  #handover: HandoverTaker = async () => ({
    stored: false,
    retry: true,
    code: 'starting',
  });

  constructor(options: HostPeerSwarmOptions) {
    super({ ...options, hosts: new Set(), hostState: 'connected' });
    this.#host = options.node;
    this.#onUpgrade = options.onUpgrade;
    this.#relayed = options.relayed;
  }

  override async start(): Promise<void> {
    await this.node.handle(
      RENDEZVOUS_PROTOCOL,
      rendezvousHandler(() => this.#reachable()),
      {
        maxInboundStreams: 4,
      },
    );
    await this.node.handle(
      HANDOVER_PROTOCOL,
      handoverHandler((link, from) => this.#handover(link, from)),
      { maxInboundStreams: 2 },
    );
    await super.start();
  }

  /** Tabs with a reservation and a connection: reservations of closed tabs stay until they expire. */
  #reachable(): string[] {
    const connected = this.peers('host');
    return [...this.#host.services.relay.reservations.keys()]
      .map((peer) => peer.toString())
      .filter((peer) => connected.has(peer));
  }

  get multiaddrs(): string[] {
    return this.node.getMultiaddrs().map((address) => address.toString());
  }

  get reservations(): number {
    return this.#reachable().length;
  }

  relayedBytes(): number {
    return this.#relayed.bytes;
  }

  blobTraffic(): Traffic {
    return this.meter.traffic('blob');
  }

  onHandover(take: HandoverTaker): void {
    this.#handover = take;
  }

  attach(server: UpgradeSource): () => void {
    server.on('upgrade', this.#onUpgrade);
    const detach = (): void => {
      server.off('upgrade', this.#onUpgrade);
    };
    this.onStop(detach);
    return detach;
  }
}
