/**
 * The run's time on a host. The host's clock is the run's, and the chain's round only goes up: so a host never takes a new time
 * from a clock that somebody set. While the machine is up, the run's time goes on by the machine's uptime, over restarts of
 * the host too. After a boot the shown time is taken if it fits what was written down; else the organizer is asked.
 */
import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import * as v from 'valibot';
import { machineClock, type SteadyClock } from '../protocol/steady-clock.ts';

/** What the organizer says of the time: the run goes on right after its last round, or this computer's clock is right. */
export const CLOCK_CHOICES = ['run', 'system'] as const;
export type ClockChoice = (typeof CLOCK_CHOICES)[number];

/** The run's time as a host last wrote it down. */
export interface TimeNote {
  /** Epoch ms of the run's time, and how far it was ahead of the time that the machine showed. */
  readonly run: number;
  readonly aheadMs: number;
  /** Which boot of which machine it was, and how long after it, ms; null where the system does not say. */
  readonly boot: string | null;
  readonly uptime: number;
}

/** Everything that decides with which time a host begins; all times in epoch ms. */
export interface StartFacts {
  readonly note: TimeNote | null;
  /** What the machine shows, its boot and its uptime now. */
  readonly wall: number;
  readonly boot: string | null;
  readonly uptime: number;
  /** When round 0 begins. */
  readonly beginsAt: number;
  /** When the last certified round began and the one after it begins; null before the first certificate. */
  readonly last: { readonly at: number; readonly next: number } | null;
  readonly choice: ClockChoice | null;
}

export interface StartTime {
  /** How far the run's time is ahead of the shown one. */
  readonly aheadMs: number;
  /** By how much the machine's clock was set since the host's last start; 0: it was not. */
  readonly setByMs: number;
  /** How far the run's time is beyond all that is known of it, if that is too far to be believed; else null. */
  readonly unsureMs: number | null;
}

/** So far a boot may be after what was written down: a clock that is a day ahead is asked about. */
export const BELIEVED_MS = 86_400_000;
/** Uptimes are told in seconds, and drift. */
const EXACT_MS = 5000;
const DRIFT = 1 / 1000;

export function startTime(facts: StartFacts): StartTime {
  const { note, wall, boot, beginsAt, last, choice } = facts;
  const sure = (now: number, setByMs = 0): StartTime => ({ aheadMs: now - wall, setByMs, unsureMs: null });
  if (choice === 'system') return sure(wall);
  const known = Math.max(beginsAt, note?.run ?? beginsAt, last?.at ?? beginsAt);
  // While the machine is up, its uptime says what time it is in the run.
  const passed = note !== null && boot !== null && note.boot === boot ? facts.uptime - note.uptime : null;
  if (note !== null && passed !== null && passed >= 0) {
    const now = note.run + passed;
    const setBy = wall + note.aheadMs - now;
    if (choice === 'run') return sure(Math.max(now, last?.next ?? beginsAt));
    return Math.abs(setBy) <= EXACT_MS + passed * DRIFT ? sure(wall + note.aheadMs) : sure(now, setBy);
  }
  if (choice === 'run') return sure(Math.max(note?.run ?? beginsAt, last?.next ?? beginsAt));
  // Of the shown time and of what is as far from it as it was, the one that fits what is known.
  const candidates = [wall, wall + (note?.aheadMs ?? 0)].sort((a, b) => a - b);
  const now = candidates.find((at) => at >= known) ?? Math.max(...candidates);
  const beyond = now - known;
  return { ...sure(now), unsureMs: beyond > BELIEVED_MS ? beyond : null };
}

const Stored = v.object({
  run: v.number(),
  aheadMs: v.number(),
  boot: v.nullable(v.string()),
  uptime: v.number(),
});

/** A note in bytes; what cannot be read is as good as none. */
export function decodeTimeNote(bytes: Uint8Array | null): TimeNote | null {
  if (bytes === null) return null;
  try {
    return v.parse(Stored, JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null;
  }
}

export const encodeTimeNote = (note: TimeNote): Uint8Array => new TextEncoder().encode(JSON.stringify(note));

/** The run's time now, as it is written down. */
export function timeNote(clock: SteadyClock): TimeNote {
  const run = clock.now();
  return { run, aheadMs: run - clock.wall(), boot: bootId(), uptime: uptimeMs() };
}

/** This machine's time since its boot, sleep included. */
export const uptimeMs = (): number => uptime() * 1000;

/** The run's clock, `aheadMs` before the shown time. */
export const runClock = (aheadMs: number): SteadyClock => machineClock(uptimeMs, aheadMs);

/** Another one after each boot; null where the system does not say. */
export function bootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return null;
  }
}
