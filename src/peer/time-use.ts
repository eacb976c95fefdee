/**
 * How a contributor's time was used, from joining to leaving: inner steps, what held them up, and rests that the volunteer
 * asked for. Idle time is everything but steps and rests, so it says what the run makes of a donated device.
 */
import type { Activity, Waiting } from './reasons.ts';

/** What time goes into. `rest`: pauses and the part of the time above the volunteer's share, which are no idleness. */
export const USES = ['steps', 'rest', 'fetch', 'compress', 'commit', 'wait', 'apply'] as const;
export type Use = (typeof USES)[number];

/** Milliseconds by use. */
export type Times = Readonly<Record<Use, number>>;

export const NO_TIME: Times = { steps: 0, rest: 0, fetch: 0, compress: 0, commit: 0, wait: 0, apply: 0 };

/** What an activity's time goes into; of `training` it is what is left beside the steps. */
function useOf(activity: Activity, waiting: Waiting | null): Use {
  switch (activity) {
    case 'connecting':
    case 'syncing':
      return 'fetch';
    case 'training':
      return 'rest';
    case 'compressing':
      return 'compress';
    case 'committing':
      return 'commit';
    case 'applying':
      return 'apply';
    case 'waiting':
      return waiting?.why === 'model' || waiting?.why === 'text' || waiting?.why === 'connecting'
        ? 'fetch'
        : 'wait';
  }
}

/** Share of the time in which the device could have stepped and did not, 0 to 1; null before there was any. */
export function idleShare(times: Times): number | null {
  const asked = USES.reduce((sum, use) => sum + (use === 'rest' ? 0 : times[use]), 0);
  return asked === 0 ? null : 1 - times.steps / asked;
}

export class TimeUse {
  readonly #now: () => number;
  #sum: Record<Use, number> = { ...NO_TIME };
  /** Sums when the open round began. */
  #before: Times = NO_TIME;
  #last: Times = NO_TIME;
  #round: number | null = null;
  /** Null: not at work. */
  #use: Use | null = null;
  /** By the volunteer's hand or rule. */
  #paused = false;
  #since = 0;
  /** Of a round's progress, which counts from its start. */
  #counted = { round: -1, busyMs: 0 };

  /** `now`: milliseconds. A clock that goes back counts nothing for that moment. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The contributor does something else from now on. */
  does(activity: Activity, waiting: Waiting | null): void {
    this.#settle();
    this.#use = useOf(activity, waiting);
  }

  pause(paused: boolean): void {
    this.#settle();
    this.#paused = paused;
  }

  /** Steps of a round have taken `busyMs` so far, all of it within the activity `training`. */
  steps(round: number, busyMs: number): void {
    this.#settle();
    if (this.#round !== round) {
      this.#last = minus(this.#sum, this.#before);
      this.#before = { ...this.#sum };
      this.#round = round;
    }
    const known = this.#counted.round === round ? this.#counted.busyMs : 0;
    const more = Math.max(0, busyMs - known);
    this.#counted = { round, busyMs: Math.max(known, busyMs) };
    this.#sum.steps += more;
    // The time went into `rest` as it passed: what a trainer does beside its steps is resting.
    this.#sum.rest = Math.max(0, this.#sum.rest - more);
  }

  /** No longer at work: time passes uncounted. */
  leaves(): void {
    this.#settle();
    this.#use = null;
  }

  /** Since the first activity. */
  get sum(): Times {
    this.#settle();
    return { ...this.#sum };
  }

  /** From the first step of the round before the open one to the first step of the open one. */
  get lastRound(): Times {
    return this.#last;
  }

  #settle(): void {
    const now = this.#now();
    if (this.#use !== null) this.#sum[this.#paused ? 'rest' : this.#use] += Math.max(0, now - this.#since);
    this.#since = now;
  }
}

function minus(a: Times, b: Times): Times {
  const of = { ...NO_TIME } as Record<Use, number>;
  for (const use of USES) of[use] = a[use] - b[use];
  return of;
}
