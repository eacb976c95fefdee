/**
 * What the page shows, as one serialisable value: framework-free, updated only by the session (session.ts), read by
 * React through a zustand hook and by the e2e tests through `window.tabswarm`.
 */
import type { OwnReason } from '../chain/own-reason.ts';
import type { AdapterReport } from '../kernels/gpu.ts';
import type { Activity as Doing, Trouble, Waiting } from '../peer/reasons.ts';
import type { Note, RoundFailure } from '../protocol/messages.ts';
import type { HostState, LinkPath } from '../swarm/types.ts';
import type { NotKept } from '../peer/platform.ts';
import type { ContributionDraft } from './contributions.ts';
import type { Keeping } from './key-storage.ts';
import type { CreditShare, PictureState } from './picture-state.ts';
import type { ControlView } from './governor/view.ts';
import type { Settings } from './settings.ts';

/** What the volunteer asked for. */
export type Intent = 'idle' | 'running' | 'paused' | 'watching';

/** What the tab is doing; `waiting` always comes with a reason. */
export type Activity = 'idle' | Doing | 'paused' | 'failed';

export type Phase = 'train' | 'commit' | 'reveal' | 'judge';
/** `before`: the run has not begun. */
export type PhaseNow = Phase | 'before';

export interface RunInfo {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly organizer: string;
  readonly parameters: number;
  readonly dataSource: string;
  readonly dataLicence: string;
  /** Validators that the manifest names. */
  readonly validators: number;
  readonly roundMs: number;
  /** How long each phase of a round lasts, for the round's clock face; the page guesses when it is absent. */
  readonly phaseMs?: Readonly<Record<Phase, number>>;
  /** Estimates shown before Start. */
  readonly gpuBytes: number;
  /** The model, and the text that is fetched ahead and for the first round. */
  readonly downloadBytes: number;
  readonly bytesPerRound: number;
}

/** One certified (or lost) round as seen from here. */
export interface RoundRecord {
  readonly round: number;
  /** Null when nothing was certified. */
  readonly height: number | null;
  readonly root: string | null;
  readonly contributors: number;
  readonly heldOutLoss: number | null;
  /** Own part; null when we submitted nothing. */
  readonly own: {
    readonly outcome: 'accepted' | 'refused' | 'lost';
    readonly reason: OwnReason | 'no-certificate' | null;
    /** A validator's figures behind a refusal; null until they are heard. */
    readonly note: Note | null;
    readonly innerSteps: number;
    readonly tokens: number;
    readonly credits: number;
    readonly submissionBytes: number;
    /** How the credits came about; null unless accepted. */
    readonly share: CreditShare | null;
  } | null;
  readonly at: number;
}

export interface PeerView {
  readonly peer: string;
  /** Name it shows; '' for none. */
  readonly name: string;
  readonly role: 'contributor' | 'watcher' | 'validator' | 'unknown';
  readonly adapter: string;
  readonly state: string;
  readonly path: LinkPath;
  readonly rttMs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly tokensPerSecond: number;
  readonly inSync: boolean;
}

/** What stands in the way, typed; the page has words for each code. `recovering`: Tabswarm goes on by itself. */
export type Problem =
  | Exclude<Trouble, { code: 'gpu-unavailable' }>
  /** What a browser lacks for WebGPU, or why nothing may start in this page. */
  | { readonly code: 'no-webgpu' | 'insecure-page' | 'framed'; readonly recovering: false }
  /** A validator's machine could not judge a round; it tries the next one. */
  | {
      readonly code: 'round-unjudged';
      readonly recovering: true;
      readonly round: number;
      readonly failure: RoundFailure;
    }
  /** `recovering`: the browser is asked again. */
  | { readonly code: 'no-adapter'; readonly recovering: boolean }
  /** Nothing stands in the way, but the key and its credits end with the tab. */
  | { readonly code: 'key-not-kept'; readonly recovering: false; readonly why: NotKept };

export interface AppState extends PictureState {
  readonly intent: Intent;
  readonly activity: Activity;
  /** Why nothing is computed right now; null while training. */
  readonly waitingFor: Waiting | null;
  readonly run: RunInfo | null;
  readonly adapter: AdapterReport | null;
  /** What the volunteer allows, and what the governor makes of it now. */
  readonly settings: Settings;
  readonly control: ControlView;
  readonly identity: string;
  /** Whether this browser keeps the key; null: not known yet. */
  readonly keeping: Keeping | null;
  readonly peerId: string | null;
  readonly host: HostState;
  readonly round: number;
  readonly phase: PhaseNow;
  /** When the phase ends, epoch ms by the swarm's clock, and that clock's offset from this machine's. */
  readonly phaseEndsAt: number;
  readonly clockOffsetMs: number;
  readonly height: number;
  readonly root: string | null;
  /** Tokens of all accepted work of the run, as its contributors reported them. */
  readonly trainedTokens: number;
  readonly tokensPerSecond: number;
  readonly totals: {
    readonly innerSteps: number;
    readonly tokens: number;
    readonly accepted: number;
    readonly refused: number;
    /** Micro-credits, from certificates only. */
    readonly credits: number;
  };
  readonly traffic: {
    readonly bytesIn: Readonly<Record<LinkPath, number>>;
    readonly bytesOut: Readonly<Record<LinkPath, number>>;
    readonly rateIn: number;
    readonly rateOut: number;
  };
  readonly peers: readonly PeerView[];
  /** Newest last, bounded. */
  readonly rounds: readonly RoundRecord[];
  /** Own training loss, one point a progress report: [epoch ms, nats]. Bounded. */
  readonly trainLoss: readonly (readonly [number, number])[];
  /** Held-out loss by certificate: [epoch ms, nats]. */
  readonly heldOutLoss: readonly (readonly [number, number])[];
  readonly problems: readonly Problem[];
}

/** What the page may ask of the session. */
export interface SessionActions {
  start(): void;
  watch(): void;
  pause(): void;
  resume(): void;
  stop(): void;
  /** Shows this name and team beside the own key; '' for none. */
  setProfile(name: string, team: string): void;
  /** What a contribution certificate would say now; null while no own work was accepted, or while stopped. */
  contribution(): Promise<ContributionDraft | null>;
  /** Hands in the round in hand and stops; false: goes on after all. */
  finish(last: boolean): void;
  changeSettings(part: Partial<Settings>): void;
  /** Trains in spite of the rules that hold now. */
  waive(): void;
  /** Asks the browser for permission to notice work in other windows. */
  askPresence(): void;
}
