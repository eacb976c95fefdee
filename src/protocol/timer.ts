/**
 * The one way to wait: everything that happens at a time of the swarm is asked of a {@link Clock}.
 *
 * A peer runs on {@link systemClock}; a simulation runs the same code on a virtual clock, where hours pass in
 * milliseconds. Code that used the platform's timers or `Date.now` instead would tear the two apart.
 */

export interface Clock {
  /** Swarm time, epoch ms. */
  now(): number;
  /**
   * Calls back once when the swarm's time reaches `time` (epoch ms), never early and never before `at` has returned; as
   * soon as possible when that is past, never at all when it is Infinity. Returns the function that cancels it. Throws
   * RangeError on NaN.
   */
  at(time: number, callback: () => void): () => void;
}

/** The clock of a machine, which may differ from the time that the machine shows. */
export interface MachineClock extends Clock {
  /** The time that the machine shows, epoch ms, as other threads and programs see it. Default: the same as `now`. */
  wall?(): number;
  /** Hears when the shown time jumps, by so many ms; returns its end. Absent where nobody looks. */
  onJump?(listener: (byMs: number) => void): () => void;
}

/**
 * Longest wait between two looks at the clock, ms. A platform's timer does not count the time that a machine sleeps, and
 * knows nothing of a new estimate of the offset: this is how late either can make us. It also keeps every wait below
 * 2^31 ms, where platforms fire at once.
 */
const LONGEST_WAIT_MS = 10_000;

/** This machine's clock, `offset()` ms added to it. The offset may change at any time. */
export function systemClock(offset: () => number = () => 0): Clock {
  const now = (): number => Date.now() + offset();
  return {
    now,
    at(time, callback) {
      checkTime(time);
      let timer: ReturnType<typeof setTimeout>;
      const arm = (): void => {
        timer = setTimeout(look, Math.max(0, Math.min(Math.ceil(time - now()), LONGEST_WAIT_MS)));
      };
      // Timers may fire a millisecond early, and the offset may have shrunk meanwhile.
      const look = (): void => {
        if (now() >= time) callback();
        else arm();
      };
      arm();
      return () => clearTimeout(timer);
    },
  };
}

/** For implementations of {@link Clock}. Throws RangeError on NaN. */
export function checkTime(time: number): void {
  if (Number.isNaN(time)) throw new RangeError('a timer needs a time, got NaN');
}

/** Resolves at a swarm time (epoch ms), or when `signal` aborts; never rejects, and leaves no timer or listener behind. */
export function until(clock: Clock, time: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.at(time, done);
    signal?.addEventListener('abort', done);
  });
}

/** Resolves after `ms`, or when `signal` aborts; never rejects. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return until(clock, clock.now() + ms, signal);
}

export interface Deadline {
  /** Aborts with a `TimeoutError`, as that of `AbortSignal.timeout` does, or with the parent's reason. */
  readonly signal: AbortSignal;
  /** Frees the timer and the listener; the signal then never aborts. */
  readonly cancel: () => void;
}

/**
 * A signal that aborts at a swarm time (epoch ms), or with `parent`. The caller must cancel it when the work is done;
 * {@link withDeadline} does.
 */
export function deadlineSignal(clock: Clock, time: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  const onParent = (): void => end(parent?.reason);
  const cancel = (): void => {
    cancelTimer();
    parent?.removeEventListener('abort', onParent);
  };
  const end = (reason: unknown): void => {
    cancel();
    controller.abort(reason);
  };
  const cancelTimer = clock.at(time, () => end(new DOMException('not done in time', 'TimeoutError')));
  if (parent?.aborted === true) end(parent.reason);
  else parent?.addEventListener('abort', onParent);
  return { signal: controller.signal, cancel };
}

/** Runs `work` under a {@link deadlineSignal} and frees that whatever comes of it. Settles as `work` does. */
export async function withDeadline<T>(
  clock: Clock,
  time: number,
  parent: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = deadlineSignal(clock, time, parent);
  try {
    return await work(deadline.signal);
  } finally {
    deadline.cancel();
  }
}

/**
 * Calls back every `ms` from now on until the returned function is called. Beats keep their places: one that is late
 * does not move the next, and those missed while the machine slept are left out. Throws RangeError unless `ms` > 0.
 */
export function every(clock: Clock, ms: number, callback: () => void): () => void {
  if (!(ms > 0)) throw new RangeError(`an interval must be longer than 0 ms, got ${ms}`);
  let start = clock.now();
  let beat = 1;
  let cancel = (): void => {};
  const arm = (): void => {
    cancel = clock.at(start + beat * ms, () => {
      const now = clock.now();
      // A clock that went back counts anew, or the next beat would come when it is there again.
      if (now < start + (beat - 1) * ms) [start, beat] = [now, 0];
      beat = Math.max(beat, Math.floor((now - start) / ms)) + 1;
      arm(); // first, so that a callback may cancel, and one that throws does not end the interval
      callback();
    });
  };
  arm();
  return () => cancel();
}
