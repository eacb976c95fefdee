/**
 * The part of the page's state that is about truth and pictures: what is owed to whom and why, who is in the swarm, and
 * how the last hours went. Serialisable like the rest of it (state.ts).
 */
import { NO_TIME, type Times } from '../peer/time-use.ts';
import type { Note } from '../protocol/messages.ts';
import type { LinkPath } from '../swarm/types.ts';

/** How the credits of one accepted submission came about, from the round's certificate alone. */
export interface CreditShare {
  /** Place among the round's accepted submissions by weight; equals share a place. */
  readonly rank: number;
  readonly of: number;
  readonly weight: number;
  readonly totalWeight: number;
  /** Micro-credits that the round issued to all, and how often the run's emission has halved. */
  readonly emission: number;
  readonly halvings: number;
}

/** The own account, folded from certificates that this tab has checked. Credits are micro-credits. */
export interface Standing {
  /** Place by credits; null before the first. */
  readonly rank: number | null;
  readonly of: number;
  readonly vested: number;
  readonly provisional: number;
  readonly forfeited: number;
  /** Tokens of accepted submissions. */
  readonly tokens: number;
  /** Rounds whose credits are provisional still, and recent ones whose credits a failed audit took back. */
  readonly provisionalRounds: readonly number[];
  readonly forfeitedRounds: readonly number[];
  readonly auditsPassed: number;
  readonly auditsFailed: number;
  /** The last one's outcome with the figures behind it. */
  readonly lastAudit: {
    readonly round: number;
    readonly outcome: 'passed' | 'failed';
    /** Null until a validator's figures are heard. */
    readonly note: Note | null;
  } | null;
  /** Round whose certificate admitted this key to the run; null until then, or where runs admit everybody. */
  readonly admittedRound: number | null;
  /** Certificates until a round's credits are vested without an audit. */
  readonly vestRounds: number;
  /** Provisional credits wait for the first passed audit, however long that takes. */
  readonly awaitsAudit: boolean;
}

export interface BoardEntry {
  readonly contributor: string;
  /** '' for none. Names are not unique: the key is shown with them. */
  readonly name: string;
  readonly team: string;
  readonly credits: number;
  readonly accepted: number;
}

export interface TeamEntry {
  readonly team: string;
  readonly members: number;
  readonly credits: number;
  readonly accepted: number;
}

/** Somebody this tab has heard of lately, linked to it or not. */
export interface MemberView {
  readonly peer: string;
  readonly contributor: string;
  readonly name: string;
  readonly role: 'contributor' | 'watcher' | 'validator' | 'unknown';
  readonly tokensPerSecond: number;
  /** Whom it says it is linked to, among those known here. */
  readonly links: readonly SwarmLink[];
}

export interface SwarmLink {
  readonly to: string;
  readonly path: LinkPath;
  /** Bytes a second, both directions together. */
  readonly rate: number;
}

/** Means over a span of time that ends at `at`. */
export interface UsageSample {
  /** Epoch ms. */
  readonly at: number;
  /** Bytes a second. */
  readonly down: number;
  readonly up: number;
  readonly tokensPerSecond: number;
  /** Share of the time spent in training steps, 0 to 1. */
  readonly busy: number;
}

export type MilestoneKind = 'accepted' | 'tokens' | 'credits';

export interface Milestone {
  readonly kind: MilestoneKind;
  /** Submissions, tokens or micro-credits. */
  readonly threshold: number;
  readonly round: number;
  readonly at: number;
}

export interface PictureState {
  /** What this volunteer shows beside its key; '' for nothing. */
  readonly profile: { readonly name: string; readonly team: string };
  readonly standing: Standing;
  readonly leaderboard: readonly BoardEntry[];
  readonly teams: readonly TeamEntry[];
  readonly milestones: readonly Milestone[];
  /** Oldest first, bounded; spans widen as the session grows long. */
  readonly usage: readonly UsageSample[];
  /** Milliseconds spent in training steps since the page was opened. */
  readonly busyMs: number;
  /** Where the time since Start went, and that of the last whole round. */
  readonly timeUse: { readonly sum: Times; readonly lastRound: Times };
  /** Everybody heard of, this tab excepted. Bounded. */
  readonly members: readonly MemberView[];
  /** Own links with their rates. */
  readonly links: readonly SwarmLink[];
}

export const NO_STANDING: Standing = {
  rank: null,
  of: 0,
  vested: 0,
  provisional: 0,
  forfeited: 0,
  tokens: 0,
  provisionalRounds: [],
  forfeitedRounds: [],
  auditsPassed: 0,
  auditsFailed: 0,
  lastAudit: null,
  admittedRound: null,
  vestRounds: 0,
  awaitsAudit: false,
};

export const NO_PICTURE: PictureState = {
  profile: { name: '', team: '' },
  standing: NO_STANDING,
  leaderboard: [],
  teams: [],
  milestones: [],
  usage: [],
  busyMs: 0,
  timeUse: { sum: NO_TIME, lastRound: NO_TIME },
  members: [],
  links: [],
};
