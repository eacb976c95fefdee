/**
 * One kind of work that a run can do, cut by role, so that each peer loads only its part:
 *
 * - {@link Workload}: what everybody needs of a claim. Pure.
 * - {@link Performer}: a contributor's side. Does the work, holds the state, answers audits.
 * - {@link WorkValidator}: a validator's side. Judges a round's work and examines audited work.
 *
 * The round's core (commits, reveals, certificates, credits) knows nothing else of the work. `work/pretrain/` is the one kind
 * there is; which kind a run does is `task.kind` in its manifest.
 */
import type { ChainHead } from '../chain/certificate.ts';
import type { StateHolder } from '../chain/follower.ts';
import type { Verdict } from '../gauntlet/book.ts';
import type { RoundJudge } from '../gauntlet/judge.ts';
import type { OwnReason } from '../chain/own-reason.ts';
import type { Note } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';

export interface Workload {
  /** Bytes that a claim is about; null for bytes that are no claim of this kind. Never throws. */
  blobOf(claim: Uint8Array): BlobRef | null;
  /** Largest such blob. */
  readonly maxBytes: number;
}

/** A round as a contributor is given it. */
export interface PerformRound {
  readonly round: number;
  /** The certified state that the work starts from; also the beacon that draws its data. */
  readonly head: ChainHead;
  readonly contributor: Uint8Array;
  /** Swarm time until which to work, epoch ms. */
  readonly until: number;
}

/** A round's work, done. */
export interface Done {
  /** As sealed and revealed. */
  readonly claim: Uint8Array;
  /** The bytes that the claim is about. */
  readonly bytes: Uint8Array;
}

/** What an audited contributor shows, and the bytes that it must then serve. */
export interface Shown {
  readonly answer: Uint8Array;
  readonly parts: readonly (readonly [hash: Uint8Array, bytes: Uint8Array])[];
}

/**
 * `refused`: what was not applied returns to where it came from. `undone`: as if the round had not been. `reset`: begin again
 * as a newcomer does.
 */
export type Settlement = 'accepted' | 'refused' | 'undone' | 'reset';

export interface Performer extends StateHolder {
  /** Fetches what a newcomer will need, as far as that is known. Never rejects. */
  prepare(signal: AbortSignal): Promise<void>;
  /**
   * Gathers what the round needs, calls `begun`, and works until the time is up, the work is done, or {@link stop}.
   * `finishing` is called when the work proper ends and it is made ready to hand in. Null when nothing was done, or when
   * `wanted` says no. Rejects as the machine or the sources do.
   */
  perform(round: PerformRound, hooks: PerformHooks, signal: AbortSignal): Promise<Done | null>;
  /** Ends the work early; what was done counts. */
  stop(): void;
  /** How long making a round's work ready took lately, ms. */
  readonly finishMs: number;
  settle(outcome: Settlement): Promise<void>;
  /** Null when that round is not the last finished one. */
  answer(round: number): Promise<Shown | null>;
  /**
   * What becomes of a round that was not applied: `reason` of its refusal, or undefined when nothing was heard of it.
   */
  afterRefusal(reason: OwnReason | undefined): Exclude<Settlement, 'accepted'>;
}

export interface PerformHooks {
  readonly begun: () => void;
  readonly finishing: () => void;
  /** Asked after the work proper: whether the result is still wanted. */
  readonly wanted: () => boolean;
}

/** What an audit is about. */
export interface AuditCase {
  readonly contributor: Uint8Array;
  readonly round: number;
  /** The certified state that the round started from, and the head that named it. */
  readonly head: ChainHead;
  readonly theta: Int32Array;
  readonly claim: Uint8Array;
  readonly bytes: Uint8Array;
}

export type Examined =
  | { readonly outcome: 'passed' | 'failed'; readonly note: Note }
  /** Its parts could not be had: asked once more, the contributor may answer again. */
  | { readonly outcome: 'withheld' };

/** Fetches bytes by hash from the peer that serves them. Rejects when they cannot be had. */
export type FetchPart = (hash: Uint8Array, size: number) => Promise<Uint8Array>;

export interface Examiner {
  /** Replays audited work and compares. Rejects when this machine fails, never for what the contributor showed. */
  examine(audit: AuditCase, answer: Uint8Array, fetch: FetchPart): Promise<Examined>;
  close(): Promise<void>;
}

export interface OpenRound {
  readonly round: number;
  readonly head: () => ChainHead;
  /** Contributors that committed and are not refused so far. */
  readonly inRace: () => readonly Uint8Array[];
  /** Swarm time by which measuring must be done, epoch ms. */
  readonly measureUntil: number;
}

export interface WorkValidator {
  /** Takes over a certified state for measuring. */
  load(height: number, theta: Int32Array): Promise<void>;
  /** Held-out loss of the loaded state, nats per token. */
  heldOut(): Promise<number>;
  /** A round's judge; `close` it when the round is over. */
  open(round: OpenRound): RoundJudge<unknown, unknown>;
  /** Measures ahead what can be known before any work is there. Never throws. */
  anticipate(round: number, head: ChainHead, contributor?: Uint8Array): void;
  /** Remembers what a taken claim leaves for the next round. */
  note(contributor: Uint8Array, round: number, claim: Uint8Array): void;
  /** Takes in how a round was judged. */
  settle(
    verdict: Pick<Verdict, 'round' | 'accepted' | 'refused' | 'unlisted'>,
    isMember: (key: string) => boolean,
  ): void;
}
