/** A worker behind comlink that can be ended: every call that has not answered by then fails instead of hanging. */
import { releaseProxy, type Remote } from 'comlink';

/** The worker was ended, crashed, or could not be loaded, before it answered. */
export class WorkerEndedError extends Error {
  static override readonly name = 'WorkerEndedError';
  override readonly name = 'WorkerEndedError';
  readonly code: 'ended' | 'crashed';

  constructor(code: WorkerEndedError['code'], worker: string, detail = '') {
    super(`the ${worker} ${code}${detail === '' ? '' : `: ${detail}`}`);
    this.code = code;
  }
}

export interface Endable {
  /** Makes a call that fails when the worker ends. */
  readonly ask: <T>(call: () => Promise<T>) => Promise<T>;
  /** Ends the worker whatever it is doing. */
  readonly end: () => void;
}

/** `name`: of the worker, for errors. */
export function endable<T>(worker: Worker, remote: Remote<T>, name: string): Endable {
  // Not a race with one promise of the end: that would keep a little of every call until the end.
  const unanswered = new Set<(error: Error) => void>();
  let ended: Error | null = null;
  const finish = (error: WorkerEndedError): void => {
    if (ended !== null) return;
    ended = error;
    for (const fail of unanswered) fail(ended);
    unanswered.clear();
    remote[releaseProxy]();
    worker.terminate();
  };
  worker.addEventListener('error', (event) => finish(new WorkerEndedError('crashed', name, event.message)));
  return {
    end: () => finish(new WorkerEndedError('ended', name)),
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
