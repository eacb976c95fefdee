/**
 * Keeps a participant's time while it stays: measures the host's time often enough that a stepped clock is noticed within a
 * round, and says what the time is wrong about: a clock that jumped, a run that has not begun, a chain that is ahead.
 */
import type { ChainFollower } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import { every, type MachineClock } from '../protocol/timer.ts';
import type { Host } from './host.ts';
import type { Trouble, TroubleCode } from './reasons.ts';
import type { RunClock } from './run-clock.ts';

/** A round has at least two measurements, and the host a bounded number of questions. */
const MOST_MS = 60_000;
const LEAST_MS = 4000;

export interface TimekeepingParts {
  readonly run: Run;
  readonly follower: Pick<ChainFollower, 'head'>;
  readonly clock: RunClock;
  readonly machine: MachineClock;
  readonly host: Pick<Host, 'time'>;
  readonly trouble: (trouble: Trouble) => void;
  readonly cleared: (...codes: TroubleCode[]) => void;
}

/** Until the returned function is called. */
export function keepTime(parts: TimekeepingParts): () => void {
  const { run, follower, clock, machine, host, trouble, cleared } = parts;
  const { roundMs, startMs } = run.manifest.schedule;
  const told = new Set<TroubleCode>();
  /** When the last jump was noticed, by this machine's clock. */
  let jumpedAt = 0;
  let ended = false;

  const say = (code: TroubleCode, now: Trouble | null): void => {
    if (now !== null) {
      told.add(code);
      trouble(now);
    } else if (told.delete(code)) cleared(code);
  };
  const look = (): void => {
    if (ended) return;
    const now = clock.now();
    const begun = run.rounds.begun(now);
    say('not-begun', begun ? null : { code: 'not-begun', recovering: true, beginsAt: startMs });
    // The round after the present one may be certified already by a clock that is a little ahead.
    const rounds = follower.head.round - run.rounds.round(now);
    say('chain-ahead', rounds > 1 ? { code: 'chain-ahead', recovering: true, rounds } : null);
    if (machine.now() - jumpedAt >= roundMs) say('clock-jumped', null);
  };
  const measure = async (samples: number): Promise<void> => {
    try {
      const step = await clock.measure(host, samples);
      if (step !== null && !ended) {
        jumpedAt = machine.now();
        say('clock-jumped', { code: 'clock-jumped', recovering: true, ...step });
      }
    } catch {
      // The host is away: the next measurement finds it.
    }
    look();
  };
  const stops = [
    every(machine, Math.min(MOST_MS, Math.max(LEAST_MS, roundMs / 2)), () => void measure(1)),
    clock.onJump(() => void measure(3)),
  ];
  look();
  return () => {
    ended = true;
    for (const stop of stops) stop();
  };
}
