/**
 * What a participant is doing and why it waits, typed. Words for it are in ui/strings/ and cli/say.ts, nowhere below.
 */
import type { GpuLack } from '../kernels/gpu.ts';
import type { MisfitFacts } from '../training/errors.ts';
import type { HostProblem } from './host.ts';

/** What a participant is doing; `waiting` always comes with a reason. */
export type Activity =
  | 'connecting'
  | 'syncing'
  | 'training'
  | 'compressing'
  | 'committing'
  | 'waiting'
  | 'applying';

/** Why nothing is computed right now. */
export type Waiting =
  /** The host is being asked for the run, its time, its newest state. */
  | { readonly why: 'connecting' }
  | { readonly why: 'model' }
  | { readonly why: 'text' }
  /** The next certificate admits it; null: in a few seconds, nobody is a member yet. */
  | { readonly why: 'admission'; readonly inMs: number | null }
  | { readonly why: 'last-round' }
  | { readonly why: 'no-step' }
  /** Its work is announced; others may still train or announce theirs. */
  | { readonly why: 'announced' }
  | { readonly why: 'verdict' }
  /** Stays to answer an audit of the last round. */
  | { readonly why: 'audit' }
  /** Something failed that passes; it is tried again. */
  | { readonly why: 'trouble'; readonly trouble: Trouble };

/** What went wrong. `recovering`: whether it goes on by itself. */
export type Trouble = { readonly recovering: boolean } & (
  | {
      readonly code: 'host-unreachable';
      readonly why: HostProblem;
      readonly url: string;
      readonly status: number | null;
    }
  | { readonly code: 'blob-missing'; readonly hash: string; readonly reasons: string }
  | { readonly code: 'protocol-version'; readonly ours: number; readonly theirs: number | null }
  | { readonly code: 'bad-manifest'; readonly detail: string }
  | { readonly code: 'out-of-sync'; readonly why: 'root-differs' | 'no-state'; readonly height: number }
  | { readonly code: 'corrupt-data'; readonly source: 'cache' | 'host'; readonly hash: string }
  | { readonly code: 'gpu-unavailable'; readonly lack: GpuLack }
  | ({ readonly code: 'adapter-too-small' } & MisfitFacts)
  | { readonly code: 'device-lost'; readonly detail: string }
  | { readonly code: 'no-validator' }
  | { readonly code: 'internal'; readonly detail: string }
);
export type TroubleCode = Trouble['code'];
