/**
 * The swarm's time on this machine: its own clock, corrected by what the host says the time is. Notices within a measurement
 * when either of the two was stepped, and says which.
 */
import { type ClockEstimate, SwarmClock } from '../protocol/clock.ts';
import { JUMP_MS } from '../protocol/steady-clock.ts';
import type { Clock, MachineClock } from '../protocol/timer.ts';
import type { Host } from './host.ts';

/** Samples taken at start; the one with the shortest round trip is the most exact. */
const SAMPLES = 5;
/** Longest wait between two looks at the time: the estimate may have changed meanwhile. */
const LONGEST_WAIT_MS = 10_000;

/** Whose clock was stepped, and by how much. */
export interface ClockStep {
  readonly whose: 'own' | 'host';
  readonly byMs: number;
}

export class RunClock implements Clock {
  readonly #machine: MachineClock;
  readonly #swarm: SwarmClock;
  /** How far this machine's shown time has jumped since the last measurement: asleep or stepped, the host's time tells. */
  #jumped = 0;

  /** `machine`: this machine's own clock. */
  constructor(machine: MachineClock) {
    this.#machine = machine;
    this.#swarm = new SwarmClock(() => machine.now());
  }

  /** Milliseconds to add to the time that this machine shows. */
  get offsetMs(): number {
    return this.now() - this.#wall();
  }

  now(): number {
    return this.#swarm.now();
  }

  /** As {@link Clock.at}; but where the swarm's time goes back meanwhile, it calls back when it would have been time. */
  at(time: number, callback: () => void): () => void {
    let cancel = (): void => {};
    /** When it is time by the first estimate, on this machine's clock; null before one. */
    let due: number | null = null;
    const arm = (): void => {
      const now = this.#machine.now();
      const soon = now + LONGEST_WAIT_MS;
      const { offset, error } = this.#swarm.estimate();
      if (error < Number.POSITIVE_INFINITY) due ??= time - offset;
      const planned = due !== null && now < due ? due : soon;
      cancel = this.#machine.at(Math.min(time - offset, planned, soon), look);
    };
    const look = (): void => {
      const left = time - this.now();
      // The swarm's time went back: whoever waits looks again when it would have been time, or it might wait for a year.
      const wentBack = left > JUMP_MS && due !== null && this.#machine.now() >= due;
      if (left <= 0 || wentBack) callback();
      else arm();
    };
    arm();
    return () => cancel();
  }

  /** A swarm time as this machine shows it, for other threads and programs. */
  toLocal(swarmMs: number): number {
    return swarmMs - this.offsetMs;
  }

  /**
   * Measures again. Resolves to the step of a clock that it found, null when there was none. A machine that slept finds
   * none: its time is right again, and nobody set anything. Rejects as the host does.
   */
  async measure(host: Pick<Host, 'time'>, samples = SAMPLES): Promise<ClockStep | null> {
    const before = this.#swarm.estimate();
    for (let i = 0; i < samples; i++) this.#swarm.addSample('host', await host.time());
    const jumped = this.#jumped;
    this.#jumped = 0;
    return stepOf(before, this.#swarm.estimate(), jumped);
  }

  /** Calls back when this machine's shown time jumps: a reason to {@link measure} at once. Returns its end. */
  onJump(callback: () => void): () => void {
    const end = this.#machine.onJump?.((byMs) => {
      this.#jumped += byMs;
      callback();
    });
    return () => end?.();
  }

  #wall(): number {
    return this.#machine.wall?.() ?? this.#machine.now();
  }
}

/** `jumped`: how far the shown time jumped, which the machine's own clock did not follow. */
function stepOf(before: ClockEstimate, after: ClockEstimate, jumped: number): ClockStep | null {
  if (before.error === Number.POSITIVE_INFINITY) return null;
  const moved = after.offset - before.offset;
  const doubt = before.error + after.error + JUMP_MS;
  if (Math.abs(jumped) >= JUMP_MS) {
    // The host's time went on by as much as the shown one: this machine slept, and its counter stood still.
    return Math.abs(moved - jumped) <= doubt ? null : { whose: 'own', byMs: jumped };
  }
  return Math.abs(moved) <= doubt ? null : { whose: 'host', byMs: moved };
}
