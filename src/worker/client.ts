/** Starts the trainer worker and hands out its interface; `terminate` ends it whatever it is doing. */
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

export function startTrainer(): TrainerClient {
  const worker = new Worker(new URL('./trainer.worker.ts', import.meta.url), {
    type: 'module',
    name: 'trainer',
  });
  const remote: Remote<TrainerApi> = wrap<TrainerApi>(worker);
  return {
    open: (manifest) => remote.open(manifest),
    load: (theta) => remote.load(theta),
    train: (assignment: Assignment, until: number, onProgress: (p: TrainProgress) => void) =>
      remote.train(assignment, until, proxy(onProgress)),
    stop: () => remote.stop(),
    finish: (tag) => remote.finish(tag),
    apply: (submissions) => remote.apply(submissions),
    rollback: (keepError) => remote.rollback(keepError),
    setGpuShare: (share) => remote.setGpuShare(share),
    setPaused: (paused) => remote.setPaused(paused),
    theta: () => remote.theta(),
    close: () => remote.close(),
    terminate: () => {
      remote[releaseProxy]();
      worker.terminate();
    },
  };
}
