/**
 * Starts the trainer worker and hands out its interface; `terminate` ends it whatever it is doing, and every call that
 * has not answered by then fails: a worker that hangs in the driver must not be waited for.
 */
import { proxy, type Remote, transfer, wrap } from 'comlink';
import type { Assignment, TrainerApi, TrainerClient, TrainProgress } from '../work/pretrain/trainer-api.ts';
import { endable } from './endable.ts';

export function startTrainer(): TrainerClient {
  const worker = new Worker(new URL('./trainer.worker.ts', import.meta.url), {
    type: 'module',
    name: 'trainer',
  });
  const remote: Remote<TrainerApi> = wrap<TrainerApi>(worker);
  const { ask, end } = endable(worker, remote, 'trainer');
  return {
    open: (manifest) => ask(() => remote.open(manifest)),
    load: (theta) => ask(() => remote.load(transfer(theta, [theta.buffer]))),
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
    terminate: () => end(),
  };
}
