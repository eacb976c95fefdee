/**
 * Starts the trainer worker and hands out its interface; `terminate` ends it whatever it is doing, and every call that
 * has not answered by then fails: a worker that hangs in the driver must not be waited for.
 */
import { proxy, releaseProxy, type Remote, wrap } from 'comlink';
import type { Assignment, TrainerApi, TrainProgress } from './api.ts';

/** {@link TrainerApi} across a thread: everything answers later. */
export interface TrainerClient extends AsyncApi<TrainerApi> {
  terminate(): void;
}

type AsyncApi<T> = {
  // comlink turns every method into one that returns a promise.
  [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

/** The worker was ended, or could not be loaded, before it answered. */
export class TrainerEndedError extends Error {
  static override readonly name = 'TrainerEndedError';
  override readonly name = 'TrainerEndedError';
}

export function startTrainer(): TrainerClient {
  const worker = new Worker(new URL('./trainer.worker.ts', import.meta.url), {
    type: 'module',
    name: 'trainer',
  });
  const remote: Remote<TrainerApi> = wrap<TrainerApi>(worker);
  // Not a race with one promise of the end: that would keep a little of every call until the end.
  const unanswered = new Set<(error: Error) => void>();
  let ended: Error | null = null;
  const end = (reason: string): void => {
    if (ended !== null) return;
    ended = new TrainerEndedError(reason);
    for (const fail of unanswered) fail(ended);
    unanswered.clear();
    remote[releaseProxy]();
    worker.terminate();
  };
  worker.addEventListener('error', (event) =>
    end(`The trainer could not be loaded or crashed: ${event.message || 'no reason given'}.`),
  );
  const ask = <T>(call: () => Promise<T>): Promise<T> =>
    ended !== null
      ? Promise.reject(ended)
      : new Promise<T>((resolve, reject) => {
          unanswered.add(reject);
          call()
            .then(resolve, reject)
            .finally(() => unanswered.delete(reject));
        });
  return {
    open: (manifest) => ask(() => remote.open(manifest)),
    load: (theta) => ask(() => remote.load(theta)),
    train: (assignment: Assignment, until: number, onProgress: (p: TrainProgress) => void) =>
      ask(() => remote.train(assignment, until, proxy(onProgress))),
    stop: () => ask(() => remote.stop()),
    finish: (tag) => ask(() => remote.finish(tag)),
    apply: (submissions) => ask(() => remote.apply(submissions)),
    settle: (outcome) => ask(() => remote.settle(outcome)),
    carry: (round) => ask(() => remote.carry(round)),
    setGpuShare: (share) => ask(() => remote.setGpuShare(share)),
    setPaused: (paused) => ask(() => remote.setPaused(paused)),
    theta: () => ask(() => remote.theta()),
    close: () => ask(() => remote.close()),
    terminate: () => end('The trainer was ended.'),
  };
}
