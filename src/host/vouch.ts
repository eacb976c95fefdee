/** Tells the host's node which connected peers belong to members and validators, so that strangers never stand in their way. */
import { fromHex } from '../protocol/bytes.ts';
import { every } from '../protocol/timer.ts';
import type { HostView } from './view.ts';

/** A tab says its first sign of life as soon as it is in the swarm, and then every few seconds. */
const VOUCH_MS = 2000;

/** Peers of the keys that the chain knows: a presence names its peer, and only that peer can have published it. */
export function membersPeers({ rounds, chain }: Pick<HostView, 'rounds' | 'chain'>): Set<string> {
  return new Set(
    rounds
      .presences()
      .filter(({ contributor }) => chain.tipKnows(fromHex(contributor)))
      .map(({ peer }) => peer),
  );
}

/** The returned function ends it. */
export const vouchForMembers = (view: HostView): (() => void) =>
  every(view.clock, VOUCH_MS, () => view.swarm.vouch(membersPeers(view)));
