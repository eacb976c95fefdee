/**
 * What a participant needs of the machine it runs on: a browser's tab, a Node process, or a simulation. Everything that
 * differs between them is behind this port, and nothing else is.
 */
import type { Identity } from '../protocol/identity.ts';
import type { SkippedIce } from '../protocol/ice.ts';
import type { MachineClock } from '../protocol/timer.ts';
import type { RateLimit } from '../swarm/rate-limit.ts';
import type { HandoverAnswer } from '../swarm/handover.ts';
import type { Swarm } from '../swarm/types.ts';
import type { BlobCache } from './blobs.ts';

/** A participant's node: a swarm, and the stream on which a validator hands certificates to the host. */
export interface PeerSwarm extends Swarm {
  /** One attempt to have the host store a bundle; the answer says whether it is on disk. */
  handOver(bundle: Uint8Array, signal: AbortSignal): Promise<HandoverAnswer>;
}

export interface JoinSwarmOptions {
  readonly relays: readonly string[];
  /** Gossip topic: the run's name. */
  readonly topic: string;
  /** As the host names them, unchecked. */
  readonly iceServers: readonly unknown[];
  /** Some of them cannot be used here and were left out. */
  readonly onIceSkipped: (skipped: readonly SkippedIce[]) => void;
  /** What the volunteer allows of the line. */
  readonly limit?: RateLimit;
}

/** Why an identity ends with its process: storage is forbidden, it fails, or too many tabs have one that is kept. */
export type NotKept = 'blocked' | 'failed' | 'too-many-tabs';

/** An identity that nobody else on this machine uses at the same time. */
export interface ClaimedIdentity {
  readonly identity: Identity;
  /** Null: it is kept. Otherwise its credits end with the process. */
  readonly notKept: NotKept | null;
  release(): void;
}

export interface Platform {
  /** This machine's own clock. */
  readonly clock: MachineClock;
  readonly cache: BlobCache;
  claimIdentity(): Promise<ClaimedIdentity>;
  joinSwarm(options: JoinSwarmOptions): Promise<PeerSwarm>;
}
