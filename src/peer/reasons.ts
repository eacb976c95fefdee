/**
 * What a participant is doing and why it waits, typed. Words for it are in ui/strings/ and cli/say.ts, nowhere below.
 */
import type { GpuLack } from '../kernels/gpu.ts';
import type { SkippedIce } from '../protocol/ice.ts';
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
  /** Round 0 begins in so many ms. */
  | { readonly why: 'not-begun'; readonly inMs: number }
  /** The chain's last round is so many rounds ahead of the clock; the next one begins in so many ms. */
  | { readonly why: 'chain-ahead'; readonly rounds: number; readonly inMs: number }
  | { readonly why: 'last-round' }
  | { readonly why: 'no-step' }
  /** Its work is announced; others may still train or announce theirs. */
  | { readonly why: 'announced' }
  | { readonly why: 'verdict' }
  /** Stays to answer an audit of the last round. */
  | { readonly why: 'audit' }
  /** For some rounds there was neither a host nor a word of a validator: work would be for nobody. */
  | { readonly why: 'alone' }
  /** Something failed that passes; it is tried again. */
  | { readonly why: 'trouble'; readonly trouble: Trouble };

/** What went wrong. `recovering`: it is being tried again, so it goes on by itself as soon as it can. */
export type Trouble = { readonly recovering: boolean } & (
  | {
      readonly code: 'host-unreachable';
      readonly why: HostProblem;
      readonly url: string;
      readonly status: number | null;
    }
  /** The host answers over HTTP, but nothing comes through at the addresses of its WebSocket. */
  | { readonly code: 'socket-refused'; readonly addresses: string }
  /** The address serves another run by now; both by name (hex). */
  | { readonly code: 'other-run'; readonly ours: string; readonly theirs: string }
  /** The same run with another host node, or from a copy that lacks certified rounds: joined anew. */
  | { readonly code: 'host-changed'; readonly what: 'address' | 'chain' }
  | { readonly code: 'blob-missing'; readonly hash: string; readonly reasons: string }
  | { readonly code: 'protocol-version'; readonly ours: number; readonly theirs: number | null }
  | { readonly code: 'bad-manifest'; readonly detail: string }
  | { readonly code: 'out-of-sync'; readonly why: 'root-differs' | 'no-state'; readonly height: number }
  | { readonly code: 'corrupt-data'; readonly source: 'cache' | 'host'; readonly hash: string }
  /** The organizer's list has ICE servers that cannot be used here; the others are. Nothing waits for it. */
  | { readonly code: 'ice-skipped'; readonly skipped: readonly SkippedIce[] }
  | { readonly code: 'gpu-unavailable'; readonly lack: GpuLack }
  | ({ readonly code: 'adapter-too-small' } & MisfitFacts)
  | { readonly code: 'device-lost'; readonly detail: string }
  /** There was a GPU, it was lost, and the browser offers none since. */
  | { readonly code: 'gpu-withdrawn' }
  | { readonly code: 'no-validator' }
  /** The shown time of this machine, or the host's time, jumped by so many ms. */
  | { readonly code: 'clock-jumped'; readonly whose: 'own' | 'host'; readonly byMs: number }
  /** The run begins in the future: it was made while the organizer's clock was ahead. Epoch ms of swarm time. */
  | { readonly code: 'not-begun'; readonly beginsAt: number }
  /** The chain's last round is ahead of the clock: it was certified while the organizer's clock was ahead. */
  | { readonly code: 'chain-ahead'; readonly rounds: number }
  | { readonly code: 'internal'; readonly detail: string }
);
export type TroubleCode = Trouble['code'];
