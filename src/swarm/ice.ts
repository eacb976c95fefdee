/**
 * The ICE servers that a peer links with. The host's list is not trusted to be good: one entry that WebRTC refuses would
 * take every direct link, so such entries are left out and told.
 */
import { type SkippedIce, usableIceServers } from '../protocol/ice.ts';

export interface IceOptions {
  /** STUN and TURN servers as the host names them, unchecked. Default none. */
  readonly iceServers?: readonly unknown[];
  /** Some were left out; called once, before the node starts. */
  readonly onIceSkipped?: (skipped: readonly SkippedIce[]) => void;
}

/** A runtime's RTCPeerConnection. */
export type ConnectionClass = new (configuration: RTCConfiguration) => { close(): void };

/** The servers that this runtime takes, tried one by one: another's opinion of what is allowed does not help here. */
export function iceServersFor(
  { iceServers = [], onIceSkipped = () => {} }: IceOptions,
  Connection: ConnectionClass,
): RTCIceServer[] {
  const { usable, skipped } = usableIceServers(iceServers, (server) => {
    try {
      new Connection({ iceServers: [server] }).close();
      return true;
    } catch {
      return false;
    }
  });
  if (skipped.length > 0) onIceSkipped(skipped);
  return [...usable];
}
