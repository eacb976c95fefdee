/** A worker behind comlink that can be ended: every call that has not answered by then fails instead of hanging. */
import { releaseProxy, type Remote } from 'comlink';

/** The worker was ended, or could not be loaded, before it answered. */
export class WorkerEndedError extends Error {
  static override readonly name = 'WorkerEndedError';
  override readonly name = 'WorkerEndedError';
}

export interface Endable {
  /** Makes a call that fails when the worker ends. */
  readonly ask: <T>(call: () => Promise<T>) => Promise<T>;
  /** Ends the worker whatever it is doing. */
  readonly end: (reason: string) => void;
}

/** `name` as in "The trainer could not be loaded". */
export function endable<T>(worker: Worker, remote: Remote<T>, name: string): Endable {
  // Not a race with one promise of the end: that would keep a little of every call until the end.
  const unanswered = new Set<(error: Error) => void>();
  let ended: Error | null = null;
  const end = (reason: string): void => {
    if (ended !== null) return;
    ended = new WorkerEndedError(reason);
    for (const fail of unanswered) fail(ended);
    unanswered.clear();
    remote[releaseProxy]();
    worker.terminate();
  };
  worker.addEventListener('error', (event) =>
    end(`The ${name} could not be loaded or crashed: ${event.message || 'no reason given'}.`),
  );
  return {
    end,
    ask: (call) =>
      ended !== null
        ? Promise.reject(ended)
        : new Promise((resolve, reject) => {
            unanswered.add(reject);
            call()
              .then(resolve, reject)
              .finally(() => unanswered.delete(reject));
          }),
  };
}
