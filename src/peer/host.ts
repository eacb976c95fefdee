/** The organizer's host as a participant uses it. HTTP in life (host-client.ts), a double in memory in simulations. */
import type { SealedLink } from '../chain/follower.ts';
import type { ClockSample } from '../protocol/clock.ts';
import type { BlobRef } from '../protocol/schema.ts';

/** What the host says of the run it serves. Only the manifest in it is signed. */
export interface RunAnswer {
  readonly protocol: number;
  /** Signed manifest. */
  readonly manifest: Uint8Array;
  /** Multiaddrs of the host's swarm node. */
  readonly relays: readonly string[];
  /** STUN and TURN servers, unchecked (swarm/ice.ts). */
  readonly iceServers: readonly unknown[];
}

export interface HeadAnswer {
  readonly height: number;
  /** Where rounds are judged now. */
  readonly validator: 'host' | 'tab' | 'none';
  /** Newest checkpoint: hex hash of its file, bytes, and the height of its state. */
  readonly checkpoint: { readonly hash: string; readonly size: number; readonly height: number };
}

/** Nothing that comes back is trusted: manifests and certificates are signed, blobs have their hash. */
export interface Host {
  /** Bytes received so far, for the bandwidth display. */
  readonly bytesIn: number;
  run(signal?: AbortSignal): Promise<RunAnswer>;
  head(signal?: AbortSignal): Promise<HeadAnswer>;
  /** Links of heights `from`, `from` + 1, … oldest first; the host may send fewer than exist: ask again. */
  links(from: number, signal?: AbortSignal): Promise<readonly SealedLink[]>;
  /** Keys (hex) and peer ids of those who validate now, by their last signs of life. */
  validators(signal?: AbortSignal): Promise<readonly { readonly key: string; readonly peer: string }[]>;
  /** Sealed profiles of contributors, to be opened by the caller. */
  profiles(signal?: AbortSignal): Promise<readonly Uint8Array[]>;
  /** One sample for the clock. */
  time(): Promise<ClockSample>;
  /** Bytes by content address, not yet checked against it; never more than the blob's size. */
  blob(ref: BlobRef, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** Why the host could not be asked. `retry`: whether waiting may help. */
export type HostProblem =
  | 'unreachable'
  | 'broken-off'
  | 'status'
  | 'no-json'
  | 'other-form'
  | 'no-base64'
  | 'too-large';

export class HostError extends Error {
  static override readonly name = 'HostError';
  override readonly name = 'HostError';
  readonly code: HostProblem;
  readonly retry: boolean;
  /** Address that was asked, and the HTTP status where there was one. */
  readonly facts: { readonly url: string; readonly status?: number };

  constructor(code: HostProblem, retry: boolean, facts: HostError['facts'], options?: ErrorOptions) {
    super(`${code}: ${facts.url}${facts.status === undefined ? '' : ` (${facts.status})`}`, options);
    this.code = code;
    this.retry = retry;
    this.facts = facts;
  }
}
