/** What the page of a validator's tab shows, as one serialisable value, and what it may ask for. */
import type { EntryState } from '../gauntlet/book.ts';
import type { SeatConflict, SeatConflictError } from '../peer/handed-chain.ts';
import type { Trouble } from '../peer/reasons.ts';
import type { AuditChoice, MeterFallback, NoReplays, SeatEvent, SeatProblem } from '../peer/validating.ts';
import type { Note, RefusalReason } from '../protocol/messages.ts';
import type { HandoverCode } from '../swarm/handover.ts';
import type { HostState } from '../swarm/types.ts';
import type { WakeState } from './governor/sensors/wake-lock.ts';
import type { PhaseNow, RunInfo } from './state.ts';

/** Why the tab does not validate; each has its words in src/ui/strings/validate.ts. */
export type ValidationProblem =
  | { readonly code: 'no-key' | 'insecure' | 'framed' }
  | { readonly code: SeatProblem; readonly detail: string }
  | ({ readonly code: SeatConflict } & SeatConflictError['facts'])
  | { readonly code: 'trouble'; readonly trouble: Trouble };

/** `starting`: follows the chain, opens the meter. */
export type ValidationStage = 'idle' | 'starting' | 'running' | 'failed';

export interface JudgedEntry {
  /** Key, hex. */
  readonly contributor: string;
  readonly state: EntryState;
  readonly reason: RefusalReason | null;
  /** The figures behind a refusal. */
  readonly note: Note | null;
}

export interface CertifiedRow {
  readonly height: number;
  readonly round: number;
  readonly accepted: number;
  readonly refused: number;
  readonly joined: number;
  /** Nats per token, of the state before it; null when it was not measured. */
  readonly heldOutLoss: number | null;
  readonly root: string;
  readonly audits: readonly {
    readonly contributor: string;
    readonly round: number;
    readonly passed: boolean;
  }[];
}

export type SeatWaiting =
  /** The host has not stored the last certificate yet. */
  | { readonly why: 'host-storing'; readonly code: HandoverCode }
  | { readonly why: 'trouble'; readonly trouble: Trouble };

export interface ValidationState {
  readonly stage: ValidationStage;
  readonly run: RunInfo | null;
  readonly problem: ValidationProblem | null;
  /** What the tab waits for before it can go on; null: nothing. */
  readonly waitingFor: SeatWaiting | null;
  /** Own key, hex. */
  readonly key: string;
  /** What losses are measured on; '' until it is open. */
  readonly machine: string;
  /** Why that is not WebGPU; null when it is. */
  readonly fallback: MeterFallback | null;
  /** What replays audited rounds, or why nothing does; null until it is known. */
  readonly audits: { readonly adapter: string } | NoReplays | null;
  readonly host: HostState;
  readonly round: number;
  readonly phase: PhaseNow;
  /** Until the phase ends; null before the first round is seen. */
  readonly phaseLeftMs: number | null;
  readonly height: number;
  readonly root: string;
  readonly contributors: number;
  readonly roundsLost: number;
  /** Submissions of the round that is open. */
  readonly entries: readonly JudgedEntry[];
  /** Newest first. */
  readonly certificates: readonly CertifiedRow[];
  /** Newest last. */
  readonly log: readonly { readonly at: number; readonly event: SeatEvent }[];
  readonly awake: WakeState;
}

/** Before anything was started. */
export const IDLE_VALIDATION: Omit<ValidationState, 'run'> = {
  stage: 'idle',
  problem: null,
  waitingFor: null,
  key: '',
  machine: '',
  fallback: null,
  audits: null,
  host: 'connecting',
  round: 0,
  phase: 'train',
  phaseLeftMs: null,
  height: 0,
  root: '',
  contributors: 0,
  roundsLost: 0,
  entries: [],
  certificates: [],
  log: [],
  awake: 'off',
};

export interface ValidationActions {
  /** `keyText`: what validator.key holds. */
  start(keyText: string, audits: AuditChoice): void;
  stop(): void;
}
