/** What a host has to tell its log, typed. Words for it: cli/say.ts. */
import type { ValidatorEvent } from '../gauntlet/events.ts';
import type { HandoverCode } from '../swarm/handover.ts';
import type { DiskCause } from './disk.ts';
import type { DiskState } from './disk-watch.ts';

export type AuditsOff =
  /** The run was made without audits. */
  | { readonly why: 'not-in-run' }
  /** Nobody shall replay on this machine. */
  | { readonly why: 'not-here' }
  | { readonly why: 'software-gpu'; readonly adapter: string; readonly parameters: number }
  | { readonly why: 'no-gpu'; readonly error: string };

/** What one address, or all together, may hold a limited number of; or why a request was not taken. */
export type ShareOf = 'sockets' | 'upgrades' | 'answers' | 'bytes' | 'pipelined' | 'stalled' | 'origin';

export type HostEvent =
  | ValidatorEvent
  | { readonly is: 'losses-measured-on'; readonly machine: string }
  | { readonly is: 'losses-unavailable'; readonly error: string }
  | ({ readonly is: 'audits-off' } & AuditsOff)
  | { readonly is: 'audits-on'; readonly perRound: number; readonly adapter: string }
  /** At the start: the run's time goes on as it was, though this computer's clock was set by so much since. */
  | { readonly is: 'clock-set'; readonly byMs: number }
  /** While the host runs: this computer's clock was set by so much. The run's time goes on as it was. */
  | { readonly is: 'clock-jumped'; readonly byMs: number }
  /** At the start: the chain's last round is so many rounds ahead of the clock; the next begins in so many ms. */
  | { readonly is: 'starts-behind-chain'; readonly rounds: number; readonly inMs: number }
  /** At the start: round 0 begins in the future. */
  | { readonly is: 'not-begun'; readonly beginsAt: number; readonly inMs: number }
  | { readonly is: 'disk'; readonly state: DiskState }
  | { readonly is: 'note-not-written'; readonly what: string; readonly cause: DiskCause | null }
  /** On a host whose rounds a tab judges: whether one is here. */
  | { readonly is: 'validator-tab'; readonly here: boolean }
  /** A validator certified a height that this host cannot reach: certificates before it are missing. */
  | { readonly is: 'behind'; readonly certified: number; readonly height: number }
  /** A validator signed two certificates of one height. */
  | { readonly is: 'conflict'; readonly detail: string }
  | { readonly is: 'link-not-stored'; readonly code: HandoverCode; readonly error: string }
  /** A blob of the run is not what its hash says, and is not served. */
  | { readonly is: 'blob-damaged' | 'blob-lost'; readonly hash: string }
  /** It may be there and whole: it could not be read now. */
  | { readonly is: 'blob-unreadable'; readonly hash: string; readonly cause: DiskCause | null }
  /** One address holds all that it may of something. Said once a minute. */
  | { readonly is: 'share-used-up'; readonly of: Exclude<ShareOf, 'origin'>; readonly share: string }
  /** A page of another origin asked for a WebSocket. */
  | { readonly is: 'origin-refused'; readonly origin: string }
  /** A trusted proxy says that it is asked over HTTPS, and nobody told this host by which address. */
  | { readonly is: 'https-without-public-url' }
  /** The system lets this process open few files and sockets. */
  | { readonly is: 'few-descriptors'; readonly descriptors: number; readonly sockets: number }
  | { readonly is: 'http-failed'; readonly method: string; readonly path: string; readonly error: string }
  | { readonly is: 'stop-failed'; readonly error: string };

export type HostReport = (event: HostEvent) => void;
