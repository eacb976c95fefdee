/**
 * The swarm node of a Node process: peer-node.ts with libdatachannel's WebRTC (npm's node-datachannel). Its binary may
 * be missing (an unusual platform, an install without optional packages): then everything goes over the host's
 * WebSocket, and {@link NodeSwarm.direct} says why.
 */
import { messageOf } from '../../protocol/errors.ts';
import { shimInitRace } from '../../swarm/init-race-shim.ts';
import { type ConnectionClass, type IceOptions, iceServersFor } from '../../swarm/ice.ts';
import {
  createPeerNode,
  type DirectTransport,
  type PeerNode,
  type PeerNodeOptions,
} from '../../swarm/peer-node.ts';
import { holdCandidates } from './hold-candidates.ts';

export interface NodeSwarmOptions extends PeerNodeOptions, IceOptions {
  /**
   * IP address that WebRTC is bound to. Default: every interface but the loopback, which libdatachannel leaves out
   * unless it is named here.
   */
  readonly bindAddress?: string;
}

/** Whether this process can link to other peers directly. `cause` is the loader's message, for a log. */
export type DirectSupport =
  | { readonly available: true }
  | { readonly available: false; readonly why: 'webrtc-not-loaded'; readonly cause: string };

export interface NodeSwarm {
  readonly swarm: PeerNode;
  readonly direct: DirectSupport;
}

type RuntimeConnection = ConnectionClass & { readonly prototype: RTCPeerConnection };

/** How the WebRTC of this process is loaded; tests put a failing one in its place. */
export type WebRtcLoader = () => Promise<{
  readonly webRTC: (init: { rtcConfiguration: RTCConfiguration }) => DirectTransport;
  readonly RTCPeerConnection: RuntimeConnection;
}>;

const loadWebRtc: WebRtcLoader = async () => {
  const [{ webRTC }, { RTCPeerConnection }] = await Promise.all([
    import('@libp2p/webrtc'),
    import('node-datachannel/polyfill'),
  ]);
  // Typed apart from the browser's, whose interface it implements.
  return { webRTC, RTCPeerConnection: RTCPeerConnection as unknown as RuntimeConnection };
};

/**
 * libdatachannel gets user name and password inside the URL, and takes percent signs apart there: so a colon or an @ in
 * one of them has to be written as an escape.
 */
export const encodedCredentials = ({ urls, username, credential }: RTCIceServer): RTCIceServer => ({
  urls,
  ...(username === undefined ? {} : { username: encodeURIComponent(username) }),
  ...(credential === undefined ? {} : { credential: encodeURIComponent(credential) }),
});

/** Starts a Node peer's node; see {@link createPeerNode}. */
export async function createNodeSwarm(
  options: NodeSwarmOptions,
  load: WebRtcLoader = loadWebRtc,
): Promise<NodeSwarm> {
  const found = await load().catch((error: unknown) => messageOf(error));
  if (typeof found === 'string') {
    const swarm = await createPeerNode(options, null);
    return { swarm, direct: { available: false, why: 'webrtc-not-loaded', cause: found } };
  }
  shimInitRace(found.RTCPeerConnection);
  holdCandidates(found.RTCPeerConnection);
  const rtcConfiguration = {
    iceServers: iceServersFor(options, found.RTCPeerConnection).map(encodedCredentials),
    // A member of libdatachannel's own configuration, beside those of the standard.
    ...(options.bindAddress === undefined ? {} : { bindAddress: options.bindAddress }),
  };
  const swarm = await createPeerNode(options, found.webRTC({ rtcConfiguration }));
  return { swarm, direct: { available: true } };
}
