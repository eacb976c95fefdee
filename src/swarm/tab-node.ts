/**
 * The swarm node of a browser tab: peer-node.ts with the browser's WebRTC. It runs on the main thread, since
 * RTCPeerConnection exists only there.
 */
import { webRTC } from '@libp2p/webrtc';
import { shimInitRace } from './init-race-shim.ts';
import { type IceOptions, iceServersFor } from './ice.ts';
import { createPeerNode, type PeerNode, type PeerNodeOptions } from './peer-node.ts';
import { sayGoodbye } from './upkeep.ts';

/** Without ICE servers none are used: libp2p's own default would tell four public servers about each volunteer. */
export type TabSwarmOptions = PeerNodeOptions & IceOptions;

/** Starts a tab's node; see {@link createPeerNode}. */
export async function createTabSwarm(options: TabSwarmOptions): Promise<PeerNode> {
  shimInitRace(globalThis.RTCPeerConnection);
  const rtcConfiguration = { iceServers: iceServersFor(options, globalThis.RTCPeerConnection) };
  const swarm = await createPeerNode(options, webRTC({ rtcConfiguration }));
  sayGoodbye(swarm);
  return swarm;
}
