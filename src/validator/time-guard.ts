/**
 * Keeps a validator from signing a round that is further away than real time allows. The chain's round only goes up: one
 * round signed by a clock that is a year ahead would be the last for a year.
 */

import type { ValidatorEvent } from '../gauntlet/events.ts';

/** A validator opens a round a little early or late, and its clock is measured, not known. */
const SLACK_ROUNDS = 2;
/** By how much two clocks may drift apart. */
const DRIFT = 1 / 1000;

export class TimeGuard {
  readonly #real: () => number;
  readonly #roundMs: number;
  #from: { readonly round: number; readonly at: number } | null = null;

  /** `real`: milliseconds of a clock that nobody sets, and that does not stand still while the machine sleeps. */
  constructor(real: () => number, roundMs: number) {
    this.#real = real;
    this.#roundMs = roundMs;
  }

  /**
   * How many rounds `round` is further away from the first one that was asked for than real time allows; 0: it may be
   * signed. A clock that goes back is none of this guard's business: the chain refuses rounds that are over.
   */
  ahead(round: number): number {
    const at = this.#real();
    this.#from ??= { round, at };
    const passed = (at - this.#from.at) * (1 + DRIFT);
    return Math.max(0, round - this.#from.round - SLACK_ROUNDS - Math.floor(passed / this.#roundMs));
  }
}

/** What becomes of a round that the clock says: it is opened; or it is lost, which is reported once; or nothing. */
export type Gate =
  | { readonly open: true }
  | { readonly open: false; readonly lost: (ValidatorEvent & { is: 'clock-ahead' | 'chain-ahead' }) | null };

/** Which rounds may be certified: those after the chain's last, and no further than real time allows. */
export class RoundGate {
  readonly #guard: TimeGuard;
  /** The round that the clock said last. */
  #seen: number | null = null;

  /** As {@link TimeGuard}. */
  constructor(real: () => number, roundMs: number) {
    this.#guard = new TimeGuard(real, roundMs);
  }

  /** `certified`: the chain's last round. */
  at(round: number, certified: number): Gate {
    const ahead = this.#guard.ahead(round);
    const isNew = this.#seen !== round;
    this.#seen = round;
    if (ahead === 0 && round > certified) return { open: true };
    // Of a round that is certified nothing is lost.
    if (!isNew || round === certified) return { open: false, lost: null };
    const lost =
      ahead > 0
        ? ({ is: 'clock-ahead', round, ahead } as const)
        : ({ is: 'chain-ahead', round, certified } as const);
    return { open: false, lost };
  }
}

/** Of this machine, by what browsers and Node have: a step of the shown time or a sleep moves one of the two only. */
export function realTime(): () => number {
  const [shown, counted] = [Date.now(), performance.now()];
  return () => Math.max(Date.now() - shown, performance.now() - counted);
}
