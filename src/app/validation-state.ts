/** What the page of a validator's tab shows, as one serialisable value, and what it may ask for. */
import type { EntryState } from '../gauntlet/book.ts';
import type { RefusalReason } from '../protocol/messages.ts';
import type { HostState } from '../swarm/types.ts';
import type { WakeState } from './governor/sensors/wake-lock.ts';
import type { Phase, RunInfo } from './state.ts';
import type { SeatConflict } from './tab-chain.ts';

/** Why the tab does not validate; each has its words in src/ui/strings/validate.ts. */
export type ValidationProblem =
  | 'no-key'
  | 'no-seat'
  | 'no-quorum'
  | 'host-validates'
  | 'other-tab'
  | 'elsewhere'
  | 'no-storage'
  | 'insecure'
  | 'framed'
  | 'host-unreachable'
  | 'bad-run'
  | 'internal'
  | SeatConflict;

/** `starting`: follows the chain, opens the meter. */
export type ValidationStage = 'idle' | 'starting' | 'running' | 'failed';

/** Replaying contributors' work: where there is a real graphics card, on a CPU driver too, or not at all. */
export type AuditChoice = 'hardware' | 'software' | 'off';

export interface JudgedEntry {
  /** Key, hex. */
  readonly contributor: string;
  readonly state: EntryState;
  readonly reason: RefusalReason | null;
  readonly detail: string;
}

export interface CertifiedRow {
  readonly height: number;
  readonly round: number;
  readonly accepted: number;
  readonly refused: number;
  readonly joined: number;
  /** Nats per token, of the state before it. */
  readonly heldOutLoss: number;
  readonly root: string;
  readonly audits: readonly {
    readonly contributor: string;
    readonly round: number;
    readonly passed: boolean;
  }[];
}

export interface ValidationState {
  readonly stage: ValidationStage;
  readonly run: RunInfo | null;
  readonly problem: { readonly code: ValidationProblem; readonly detail: string } | null;
  /** What the tab waits for before it can go on, in plain words; null: nothing. */
  readonly waitingFor: string | null;
  /** Own key, hex. */
  readonly key: string;
  /** What losses are measured on; '' until it is open. */
  readonly machine: string;
  /** Why that is not WebGPU; null when it is. */
  readonly fallback: string | null;
  /** What replays audited rounds, or why nothing does; '' until it is known. */
  readonly audits: { readonly on: boolean; readonly text: string };
  readonly host: HostState;
  readonly round: number;
  readonly phase: Phase;
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
  readonly log: readonly { readonly at: number; readonly line: string }[];
  readonly awake: WakeState;
}

export interface ValidationActions {
  /** `keyText`: what validator.key holds. */
  start(keyText: string, audits: AuditChoice): void;
  stop(): void;
}
