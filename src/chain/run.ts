/**
 * A run, opened once and passed whole: its id, its signed manifest, and what follows from it (total rules, the parameter
 * layout, the clock of its rounds). Everything below the page gets one `Run` and no loose manifest beside an id.
 */
import { type ParameterLayout, parameterLayout } from '../model/layout.ts';
import { toHex } from '../protocol/bytes.ts';
import {
  deadlines,
  hasBegun,
  phaseAt,
  type PhaseInfo,
  roundAt,
  type RoundPhase,
  roundStart,
} from '../protocol/clock.ts';
import { type OpenFailure, openManifest } from '../protocol/envelope.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { type Rules, rulesOf } from './rules.ts';

/** Rounds by the swarm's clock; all times in epoch ms of swarm time. */
export interface RoundClock {
  /** The round that is open; 0 before the run begins. */
  round(now: number): number;
  /** Whether round 0 has begun. */
  begun(now: number): boolean;
  phase(now: number): PhaseInfo;
  start(round: number): number;
  deadlines(round: number): Record<RoundPhase, number>;
}

export interface Run {
  /** SHA-256 of the manifest's bytes. */
  readonly id: Uint8Array;
  /** The id in hex: the gossip topic, and the name under which things of this run are kept. */
  readonly name: string;
  readonly manifest: Manifest;
  /** Signed, as the organizer published it. */
  readonly manifestBytes: Uint8Array;
  readonly rules: Rules;
  readonly layout: ParameterLayout;
  readonly rounds: RoundClock;
}

/** Opens a signed manifest. Never throws. */
export async function openRun(
  manifestBytes: Uint8Array,
): Promise<{ readonly ok: true; readonly run: Run } | OpenFailure> {
  const opened = await openManifest(manifestBytes);
  if (!opened.ok) return opened;
  return { ok: true, run: runOf(opened.manifest, opened.runId, manifestBytes) };
}

/** The run of a manifest that was checked already. `id`: SHA-256 of its canonical bytes. */
export function runOf(manifest: Manifest, id: Uint8Array, manifestBytes: Uint8Array): Run {
  const { schedule } = manifest;
  return {
    id,
    name: toHex(id),
    manifest,
    manifestBytes,
    rules: rulesOf(manifest.gauntlet),
    layout: parameterLayout(manifest.model),
    rounds: {
      round: (now) => roundAt(schedule, now),
      begun: (now) => hasBegun(schedule, now),
      phase: (now) => phaseAt(schedule, now),
      start: (round) => roundStart(schedule, round),
      deadlines: (round) => deadlines(schedule, round),
    },
  };
}
