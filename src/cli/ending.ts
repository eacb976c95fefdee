/**
 * How a contributor's process ends by Ctrl-C: the first one lets it finish the round in hand, a second one stops it at
 * once. Without a round in hand the first one stops it too.
 */
import type { Clock } from '../protocol/timer.ts';

/** Ctrl-C may arrive twice at once (terminal and wrapper); pressed again later it means "now". */
const IMPATIENCE_MS = 1500;

/** What has a round in hand: a contributor. */
export interface Finishing {
  setLast(last: boolean): void;
}

export interface EndingEvents {
  /** The round in hand is the last. */
  finishing(): void;
  /** Ends now: nothing was in hand, or it was not waited for. */
  stopped(how: 'idle' | 'impatient'): void;
}

export class Ending {
  readonly #clock: Clock;
  readonly #events: EndingEvents;
  readonly #abort = new AbortController();
  /** When it was first asked for. */
  #asked: number | null = null;
  #working: Finishing | null = null;
  /** Whether a second Ctrl-C ended it. */
  impatient = false;

  /** `clock`: this machine's. */
  constructor(clock: Clock, events: EndingEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  /** Aborts when everything is to end, in whatever state it is. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** A contributor begins, or (null) is gone. */
  working(contributor: Finishing | null): void {
    this.#working = contributor;
    if (this.#asked === null) return;
    // Asked for meanwhile: one that begins anew (a lost device) has nothing in hand.
    contributor?.setLast(true);
    if (contributor === null) this.#abort.abort();
  }

  interrupt(): void {
    if (this.signal.aborted) return;
    const now = this.#clock.now();
    if (this.#asked === null) {
      this.#asked = now;
      if (this.#working === null) return this.#stop('idle');
      this.#working.setLast(true);
      this.#events.finishing();
    } else if (now - this.#asked > IMPATIENCE_MS) {
      this.impatient = true;
      this.#stop('impatient');
    }
  }

  #stop(how: 'idle' | 'impatient'): void {
    this.#events.stopped(how);
    this.#abort.abort();
  }
}
