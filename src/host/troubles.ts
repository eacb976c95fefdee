/** What is wrong with a host right now, typed: for /api/status, /metrics and the log. Words: cli/say.ts. */
import type { Run } from '../chain/run.ts';
import type { DiskState } from './disk-watch.ts';

export type HostTrouble =
  /** Round 0 begins in the future: epoch ms of the run's time. */
  | { readonly code: 'not-begun'; readonly beginsAt: number }
  /** The chain's last round is ahead of the clock. */
  | { readonly code: 'chain-ahead'; readonly rounds: number }
  /** This computer's shown time was set while the host ran; the run's time is this much behind it (below 0: ahead). */
  | { readonly code: 'clock-jumped'; readonly byMs: number }
  | {
      readonly code: 'disk-full' | 'disk-low';
      readonly freeBytes: number | null;
      readonly neededBytes: number;
    };

export const TROUBLES = [
  'not-begun',
  'chain-ahead',
  'clock-jumped',
  'disk-full',
  'disk-low',
] as const satisfies readonly HostTrouble['code'][];

export interface TroubleFacts {
  readonly run: Run;
  /** The run's time. */
  readonly now: number;
  /** Round of the newest certificate; below 0 before the first. */
  readonly certifiedRound: number;
  /** How far the shown time jumped since the start, in all. */
  readonly jumpedMs: number;
  readonly disk: DiskState;
  /** Whether the last write of a round found no room, whatever the system says is free (a quota). */
  readonly writeFailedFull: boolean;
}

/** A jump that was taken back is none. */
const LEAST_JUMP_MS = 1000;

export function troublesOf(facts: TroubleFacts): HostTrouble[] {
  const { run, now, certifiedRound, jumpedMs, disk, writeFailedFull } = facts;
  const found: HostTrouble[] = [];
  const begun = run.rounds.begun(now);
  if (!begun) found.push({ code: 'not-begun', beginsAt: run.manifest.schedule.startMs });
  const rounds = certifiedRound - run.rounds.round(now);
  if (rounds > 0) found.push({ code: 'chain-ahead', rounds });
  if (Math.abs(jumpedMs) >= LEAST_JUMP_MS) found.push({ code: 'clock-jumped', byMs: jumpedMs });
  const { room, freeBytes, neededBytes } = disk;
  if (room === 'full' || writeFailedFull) found.push({ code: 'disk-full', freeBytes, neededBytes });
  else if (room === 'low') found.push({ code: 'disk-low', freeBytes, neededBytes });
  return found;
}
