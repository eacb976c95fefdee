/**
 * Tries sources in order until one delivers. A source that has not started after a while gets a competitor, so that a
 * peer which stalls costs its victim a second, not its whole timeout.
 */
import type { Clock } from '../protocol/timer.ts';

export interface SourceRace<S, T> {
  readonly clock: Clock;
  readonly sources: readonly S[];
  /** Must reject when `signal` aborts. `started` says that data is flowing, so no competitor is needed. */
  readonly attempt: (source: S, signal: AbortSignal, started: () => void) => Promise<T>;
  /** Milliseconds that a source has for its first sign of life before the next one is asked too. */
  readonly hedgeDelay: number;
  readonly maxParallel: number;
  readonly onFailure: (source: S, error: unknown) => void;
  readonly signal?: AbortSignal | undefined;
}

interface Running {
  started: boolean;
  /** Ends the wait for its first sign of life. */
  readonly calm: () => void;
}

/** The first result, or null when every source failed. Rejects only with the signal's reason. */
export function raceSources<S, T>(race: SourceRace<S, T>): Promise<T | null> {
  const { clock } = race;
  return new Promise<T | null>((resolve, reject) => {
    const running = new Map<AbortController, Running>();
    let next = 0;
    let done = false;

    const finish = (settle: () => void): void => {
      if (done) return;
      done = true;
      race.signal?.removeEventListener('abort', onAbort);
      for (const [controller, { calm }] of running) {
        calm();
        controller.abort(new Error('another source was faster'));
      }
      settle();
    };
    const onAbort = (): void => finish(() => reject(race.signal?.reason));

    const flowing = (): boolean => [...running.values()].some(({ started }) => started);
    const launch = (): void => {
      if (done || flowing() || running.size >= race.maxParallel) return;
      if (next >= race.sources.length) {
        if (running.size === 0) finish(() => resolve(null));
        return;
      }
      const source = race.sources[next++];
      const controller = new AbortController();
      const entry = { started: false, calm: clock.at(clock.now() + race.hedgeDelay, launch) };
      running.set(controller, entry);
      void run(source, controller, entry);
    };

    const run = async (source: S, controller: AbortController, entry: Running): Promise<void> => {
      try {
        const result = await race.attempt(source, controller.signal, () => {
          entry.started = true;
        });
        running.delete(controller); // only the others are cancelled
        finish(() => resolve(result));
      } catch (error) {
        if (!done) race.onFailure(source, error);
      }
      entry.calm();
      running.delete(controller);
      launch();
    };

    if (race.signal?.aborted === true) return onAbort();
    race.signal?.addEventListener('abort', onAbort, { once: true });
    launch();
  });
}
