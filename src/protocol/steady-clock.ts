/**
 * A machine's clock that nobody can set. It begins with the time that the machine shows, and goes on by a counter that only
 * counts up. A machine's own time is stepped by hand, by a time server after the boot, by a virtual machine that is moved:
 * a round's deadlines must not move with it.
 *
 * A machine that sleeps stops most counters. Where the system counts its sleep, that is added; elsewhere time has passed that
 * this clock does not know of, and who listens to jumps asks somebody else for the time.
 */
import { checkTime, type MachineClock } from './timer.ts';

/** What a machine has to tell time by, all in ms. */
export interface Timepieces {
  /** The time that it shows, epoch ms. Anybody may set it. */
  wall(): number;
  /** A counter that only goes up and that nobody sets. It may stand still while the machine sleeps. */
  counter(): number;
  /** Since the machine was started, its sleep included; may be coarse. Absent where nothing tells. */
  uptime?(): number;
  /** Calls back once after `ms`, about; returns the function that cancels it. */
  wait(ms: number, callback: () => void): () => void;
}

/** A jump of the shown time that is smaller is slewing, or the coarseness of counters. */
export const JUMP_MS = 1000;
/** How exactly an uptime in seconds tells how long a sleep was. */
const SLEEP_ERROR_MS = 2500;
/** Counters and shown time drift apart; so fast this clock follows at most. Time servers slew by half of it. */
const SLEW = 1 / 1000;
/** Longest wait between two looks at the clock: so late a jump is noticed at most. */
const LONGEST_WAIT_MS = 10_000;

export class SteadyClock implements MachineClock {
  readonly #pieces: Timepieces;
  readonly #listeners = new Set<(byMs: number) => void>();
  /** This clock is the counter plus this. */
  #base: number;
  /** How far the shown time is ahead of this clock, as far as that was noticed. */
  #wallAhead: number;
  /** Counter and uptime when the sleep was last counted, and the counter at the last look. */
  #sleepFrom: { readonly counter: number; readonly uptime: number } | null;
  #looked: number;

  /** `aheadMs`: how far this clock is ahead of the shown time from the beginning. */
  constructor(pieces: Timepieces, aheadMs = 0) {
    this.#pieces = pieces;
    this.#looked = pieces.counter();
    this.#base = pieces.wall() + aheadMs - this.#looked;
    this.#wallAhead = -aheadMs;
    this.#sleepFrom = this.#sleepPoint();
  }

  now(): number {
    this.#look();
    return this.#base + this.#pieces.counter();
  }

  wall(): number {
    return this.#pieces.wall();
  }

  onJump(listener: (byMs: number) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  at(time: number, callback: () => void): () => void {
    checkTime(time);
    let cancel = (): void => {};
    const arm = (): void => {
      const wait = Math.max(0, Math.min(Math.ceil(time - this.now()), LONGEST_WAIT_MS));
      cancel = this.#pieces.wait(wait, look);
    };
    // Timers may fire a millisecond early.
    const look = (): void => {
      if (this.now() >= time) callback();
      else arm();
    };
    arm();
    return () => cancel();
  }

  /** Compares the shown time with the counter: what they moved apart is drift, a sleep, or a jump. */
  #look(): void {
    const counter = this.#pieces.counter();
    const passed = counter - this.#looked;
    this.#looked = counter;
    const apart = this.#pieces.wall() - (this.#base + counter) - this.#wallAhead;
    if (Math.abs(apart) < JUMP_MS) {
      const most = Math.max(0, passed) * SLEW;
      this.#base += Math.max(-most, Math.min(most, apart));
      return;
    }
    const slept = this.#slept(counter);
    // The shown time says to the millisecond what the uptime says to the second.
    const exact = slept > 0 && Math.abs(apart - slept) <= SLEEP_ERROR_MS ? apart : slept;
    this.#base += exact;
    const jumped = apart - exact;
    if (Math.abs(jumped) < JUMP_MS) return;
    this.#wallAhead += jumped;
    for (const listener of this.#listeners) listener(jumped);
  }

  #sleepPoint(): { counter: number; uptime: number } | null {
    const uptime = this.#pieces.uptime?.();
    return uptime === undefined ? null : { counter: this.#pieces.counter(), uptime };
  }

  /** How long the machine slept since this was last asked; 0 where nothing tells. */
  #slept(counter: number): number {
    const from = this.#sleepFrom;
    const to = this.#sleepPoint();
    if (from === null || to === null) return 0;
    const slept = to.uptime - from.uptime - (counter - from.counter);
    if (slept < JUMP_MS) return 0;
    this.#sleepFrom = to;
    return slept;
  }
}

/** This machine's clock, by what browsers and Node have. `uptime`: {@link Timepieces.uptime}. */
export function machineClock(uptime?: () => number, aheadMs = 0): SteadyClock {
  return new SteadyClock(
    {
      wall: () => Date.now(),
      counter: () => performance.now(),
      ...(uptime === undefined ? {} : { uptime }),
      wait: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
    aheadMs,
  );
}
