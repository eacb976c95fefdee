/**
 * The swarm node of a peer that is no host: a WebSocket to the host (signalling, rendezvous, gossip, blobs as a last
 * resort), and direct WebRTC links to other peers for everything else, where the runtime has WebRTC. A browser tab
 * (tab-node.ts) and a Node process (platform/node/swarm.ts) run this code, each with its own WebRTC transport. Every
 * start has a new key, so a peer that comes back never meets its own dead connections.
 */
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2';
import { identify } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import type { webRTC } from '@libp2p/webrtc';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { peerIdOf, splitPath } from './addresses.ts';
import { BanList, createGater } from './bans.ts';
import { gossipService } from './gossip.ts';
import { type HandoverAnswer, handOver } from './handover.ts';
import { webSocketsBelow } from './host-socket.ts';
import { keepHost } from './keep-host.ts';
import { keepLinks } from './keep-links.ts';
import * as limits from './limits.ts';
import { Meter } from './meter.ts';
import { PeerSwarm } from './peer-swarm.ts';
import type { RateLimit } from './rate-limit.ts';
import { keepGossip, keepRtt } from './upkeep.ts';
import type { Swarm } from './types.ts';

export interface PeerNodeOptions {
  /** Multiaddrs of the hosts, each ending in `/p2p/ID` (see hostMultiaddr). */
  readonly relays: readonly string[];
  /** Gossip topic of the run; peers of another topic may connect, but share nothing. */
  readonly topic: string;
  /** Direct links to seek (default {@link limits.TARGET_LINKS}); twice as many are accepted. */
  readonly maxLinks?: number;
  /** What the contributor allows of the line; shared with its own downloads. */
  readonly limit?: RateLimit;
}

/** The runtime's WebRTC, as `webRTC()` of @libp2p/webrtc makes it. */
export type DirectTransport = ReturnType<typeof webRTC>;

export interface PeerNode extends Swarm {
  /** Hands a sealed certificate to the host: one attempt, whose answer says whether the host has stored it. */
  handOver(sealed: Uint8Array, signal: AbortSignal): Promise<HandoverAnswer>;
}

class JoinedSwarm extends PeerSwarm implements PeerNode {
  handOver(sealed: Uint8Array, signal: AbortSignal): Promise<HandoverAnswer> {
    return handOver(this.connections('host')[0], sealed, signal);
  }
}

/**
 * Starts a peer's node. Resolves as soon as it runs; `hostState` tells whether the host was reached, and `links()`
 * fills up. Without a `direct` transport the peer takes no reservation at the host: other peers are not told of it and
 * do not try to link to it, and everything goes over its WebSocket. Throws when a relay address is malformed or has no
 * peer id.
 */
export async function createPeerNode(
  options: PeerNodeOptions,
  direct: DirectTransport | null,
): Promise<PeerNode & PeerSwarm> {
  const paths = new Map<string, string>();
  const relays = options.relays.map((relay) => {
    const { plain, path } = splitPath(multiaddr(relay).toString()); // one spelling of each
    if (path !== null) paths.set(plain, path);
    return plain;
  });
  const hosts = new Set(relays.map(peerIdOf));
  const target = options.maxLinks ?? limits.TARGET_LINKS;
  const mostLinks = options.maxLinks === undefined ? limits.MAX_LINKS : 2 * options.maxLinks;

  const bans = new BanList();
  const meter = new Meter(options.limit);
  let swarm: JoinedSwarm | undefined;
  const node = await createLibp2p({
    start: false,
    addresses: {
      // Search-type: takes a reservation on any host we are connected to, and takes it again after a reconnect. A
      // fixed `HOST/p2p-circuit` is never taken again once the host restarts (measured).
      listen: direct === null ? [] : [...relays.map(() => '/p2p-circuit'), '/webrtc'],
    },
    transports: [
      webSocketsBelow(paths),
      ...(direct === null
        ? []
        : [circuitRelayTransport({ reservationCompletionTimeout: limits.DIAL_TIMEOUT }), direct]),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: createGater(bans, {
      // Other peers' WebSocket addresses are not followed: nobody can make a peer knock at somebody's port.
      mayDial: (address) =>
        relays.some((relay) => address === relay || address.startsWith(`${relay}/p2p-circuit`)),
      mayAcceptRelayed: () => swarm === undefined || swarm.peers('direct').size < mostLinks,
    }),
    // A main thread that is busy for some seconds would lose all its links; rounds have their own deadlines.
    connectionMonitor: { enabled: false },
    connectionManager: {
      dialTimeout: limits.DIAL_TIMEOUT,
      addressDialTimeout: limits.DIAL_TIMEOUT,
      inboundUpgradeTimeout: limits.DIAL_TIMEOUT,
      outboundStreamProtocolNegotiationTimeout: limits.DIAL_TIMEOUT,
      inboundStreamProtocolNegotiationTimeout: limits.DIAL_TIMEOUT,
      reconnectRetries: 0, // keepHost does it
    },
    services: {
      identify: identify({ timeout: limits.DIAL_TIMEOUT }),
      ping: ping({ timeout: limits.PING_TIMEOUT }),
      pubsub: gossipService(options.topic, 'tab', meter),
    },
  });

  swarm = new JoinedSwarm({
    node,
    topic: options.topic,
    bans,
    meter,
    limit: options.limit,
    hosts,
    hostState: 'connecting',
  });
  await swarm.start();
  keepHost(swarm, relays);
  if (direct !== null) keepLinks(swarm, { relays, target });
  keepGossip(swarm);
  keepRtt(swarm);
  return swarm;
}
