/**
 * Time for a simulation: it stands still while anything is under way, and jumps to the next timer when nothing is.
 *
 * "Under way" is known, not guessed, so that a scenario plays the same on an idle machine and on a busy one:
 * - Promises that are settled run on within one turn of the event loop.
 * - WebCrypto is counted and its results are put in order (counted-crypto.ts).
 * - Other work on threads, GPUs and disks must be handed to {@link VirtualClock.track}.
 * - Everything else that happens later must be a timer of this clock. A platform's timer is not seen.
 */
import { BinaryHeap } from '../model/heap.ts';
import { checkTime, type Clock } from '../protocol/timer.ts';
import { type CryptoWatch, watchCrypto } from './counted-crypto.ts';

export interface VirtualClockOptions {
  /** First moment, epoch ms. Default {@link VIRTUAL_START}. */
  readonly start?: number;
  /** {@link VirtualClock.run} rejects instead of passing this time, epoch ms. Default a day after the start. */
  readonly limit?: number;
  /** Real time that one piece of work may take before `run` gives it up and names it, ms. Default 60 s. */
  readonly patienceMs?: number;
  /** Timers that may fire at one moment: more are a loop that waits for a time that is past. Default a million. */
  readonly mostAtOnce?: number;
}

/** 15 January 2027, 8:00 UTC: a round number that no test can mistake for the real time. */
export const VIRTUAL_START = 1_800_000_000_000;

const DAY_MS = 86_400_000;
const PATIENCE_MS = 60_000;
/** Turns of the event loop without an event after which nothing can be under way; one would do. */
const QUIET_TURNS = 2;
/** A thousand peers that each tell all others something at the same deadline. */
const MOST_AT_ONCE = 1_000_000;
/** Timers that an error lists. */
const LISTED = 20;

interface Timer {
  readonly time: number;
  /** Order of registration. */
  readonly number: number;
  readonly callback: () => void;
  /** Its stack says who set the timer; it is only turned into text for an error. */
  readonly origin: Error;
  cancelled: boolean;
}

interface Tracked {
  readonly label: string;
  /** By the real clock, ms. */
  readonly since: number;
  /** Settles the promise that `track` gave out; null while the work is under way. */
  release: (() => void) | null;
}

// The originals, so that a test's fake timers cannot stop a simulation.
const { setImmediate, setTimeout, clearTimeout } = globalThis;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class VirtualClock implements Clock {
  readonly #start: number;
  readonly #limit: number;
  readonly #patienceMs: number;
  readonly #mostAtOnce: number;
  readonly #crypto: CryptoWatch;
  readonly #timers = new BinaryHeap<Timer>(
    (a, b) => a.time < b.time || (a.time === b.time && a.number < b.number),
  );
  /** Those that are not cancelled. */
  readonly #live = new Set<Timer>();
  /** Oldest first. */
  readonly #tracked: Tracked[] = [];
  #now: number;
  #numbers = 0;
  /** Timers and tracked work, set, fired and released so far. */
  #events = 0;
  #running = false;
  #wake: () => void = () => {};

  constructor(options: VirtualClockOptions = {}) {
    this.#start = options.start ?? VIRTUAL_START;
    this.#limit = options.limit ?? this.#start + DAY_MS;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    this.#mostAtOnce = options.mostAtOnce ?? MOST_AT_ONCE;
    this.#now = this.#start;
    this.#crypto = watchCrypto(() => this.#wake());
  }

  now(): number {
    return this.#now;
  }

  at(time: number, callback: () => void): () => void {
    checkTime(time);
    const number = this.#numbers++;
    const timer: Timer = { time, number, callback, origin: new Error('set here'), cancelled: false };
    this.#events++;
    this.#timers.push(timer);
    this.#live.add(timer);
    return () => {
      timer.cancelled = true;
      this.#live.delete(timer);
    };
  }

  /**
   * Holds time still until `work` has settled. The promise that it gives back settles with it, but in the order of the
   * calls of `track` and only when all else is quiet: whoever waits for that one is independent of the machine's load.
   * The work may use WebCrypto. It must not wait for a timer of this clock or for work that is tracked after it: both
   * would wait for it, and `run` would give up.
   */
  track<T>(work: Promise<T>, label: string): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#events++;
      const tracked: Tracked = { label, since: performance.now(), release: null };
      this.#tracked.push(tracked);
      const settled = (release: () => void): void => {
        tracked.release = release;
        this.#wake();
      };
      work.then(
        (value) => settled(() => resolve(value)),
        (error: unknown) => settled(() => reject(error)),
      );
    });
  }

  /**
   * Plays until the time (epoch ms, its own timers included) or until the predicate holds, which is asked when all is
   * quiet. Timers of one moment fire in the order they were set, each after all that followed from the one before.
   * Rejects with what a timer's callback throws; and with the list of timers when the predicate still fails and none
   * is left or the limit would be passed; and with the label of work that takes too much real time.
   */
  async run(until: number | (() => boolean)): Promise<void> {
    if (this.#running) throw new Error('this clock is running already');
    this.#running = true;
    let atOnce = 0;
    try {
      for (;;) {
        await this.#quiet();
        if (typeof until === 'function' && until()) return;
        const next = this.#next();
        if (typeof until === 'number' && (next === null || next.time > until) && until <= this.#limit) {
          this.#now = Math.max(this.#now, until);
          return;
        }
        if (next === null) throw this.#stuck('there is nothing left to wait for');
        if (next.time > this.#limit) throw this.#stuck(`the limit of ${this.#span(this.#limit)} is reached`);
        this.#timers.pop();
        this.#live.delete(next);
        atOnce = next.time > this.#now ? 0 : atOnce + 1;
        if (atOnce > this.#mostAtOnce)
          throw this.#stuck(`${atOnce} timers fired, the last ${whoSet(next.origin)}`);
        this.#now = Math.max(this.#now, next.time);
        this.#events++;
        next.callback();
      }
    } finally {
      this.#running = false;
    }
  }

  /** Timers that are set, in the order they will fire, one a line: when, and where in the code they were set. */
  pending(): string[] {
    return [...this.#live]
      .sort((a, b) => a.time - b.time || a.number - b.number)
      .map(({ time, origin }) => `${this.#span(time)} ${whoSet(origin)}`);
  }

  /** Lets go of WebCrypto. The clock must not be used any more. */
  dispose(): void {
    this.#crypto.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The first timer that can ever fire. */
  #next(): Timer | null {
    for (;;) {
      const first = this.#timers.peek();
      if (first === undefined || first.time === Number.POSITIVE_INFINITY) return null;
      if (!first.cancelled) return first;
      this.#timers.pop();
    }
  }

  /** Resolves when nothing is under way. */
  async #quiet(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      const before = this.#events + this.#crypto.events();
      await turn();
      if (this.#crypto.pending() > 0) await this.#progress();
      quiet = this.#events + this.#crypto.events() === before ? quiet + 1 : 0;
      if (quiet < QUIET_TURNS || this.#tracked.length === 0) continue;
      quiet = 0;
      const first = this.#tracked[0];
      if (first.release === null) await this.#progress();
      else {
        this.#events++;
        this.#tracked.shift();
        first.release();
      }
    }
  }

  /** Resolves when a result of WebCrypto has come out or tracked work has settled. */
  #progress(): Promise<void> {
    const oldest = this.#crypto.oldest() ?? { name: this.#tracked[0].label, since: this.#tracked[0].since };
    return new Promise((resolve, reject) => {
      const left = oldest.since + this.#patienceMs - performance.now();
      const timer = setTimeout(
        () => {
          const seconds = this.#patienceMs / 1000;
          reject(this.#stuck(`"${oldest.name}" has not come to an end in ${seconds} s of real time`));
        },
        Math.max(0, left),
      );
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
    });
  }

  #stuck(why: string): Error {
    const timers = this.pending();
    const more = timers.length > LISTED ? [`and ${timers.length - LISTED} more`] : [];
    const work = this.#tracked.map(({ label }) => `under way: ${label}`);
    const list = [...work, ...timers.slice(0, LISTED), ...more].map((line) => `\n  ${line}`).join('');
    return new Error(
      `time stands still at ${this.#span(this.#now)}: ${why}; timers set: ${timers.length}${list}`,
    );
  }

  /** A time as one reads it in a scenario: seconds since the clock's start. */
  #span(time: number): string {
    return `+${(time - this.#start) / 1000} s`;
  }
}

/** The first place in a timer's stack that is neither in the clocks nor in the engine. */
function whoSet(origin: Error): string {
  const lines = (origin.stack ?? '').split('\n').slice(1);
  const line =
    lines.find((frame) => !/virtual-clock\.ts|protocol\/timer\.ts|<anonymous>|node:/.test(frame)) ??
    lines.at(0);
  return line?.trim() ?? '';
}
