/**
 * The trainer's worker: comlink around {@link Trainer}, so that the page's thread never waits for a GPU. Big results
 * are transferred, not copied. The session tells errors apart by their names (thrown.ts).
 */
import { expose, transfer } from 'comlink';
import { browserTunings } from './tuning-store.ts';
import { Trainer } from '../work/pretrain/trainer.ts';
import type { TrainerApi } from '../work/pretrain/trainer-api.ts';
import { carryFacts } from './thrown.ts';

const trainer = new Trainer(undefined, browserTunings);

const api: TrainerApi = {
  open: (manifest) => trainer.open(manifest),
  load: (theta) => trainer.load(theta),
  train: (assignment, until, onProgress) => trainer.train(assignment, until, onProgress),
  stop: () => trainer.stop(),
  finish: async (tag) => {
    const work = await trainer.finish(tag);
    return work === null ? null : transfer(work, [work.submission.buffer]);
  },
  apply: (submissions) => trainer.apply(submissions),
  settle: (outcome) => trainer.settle(outcome),
  carry: (round) => trainer.carry(round),
  setGpuShare: (share) => trainer.setGpuShare(share),
  setPaused: (paused) => trainer.setPaused(paused),
  theta: async () => {
    const theta = await trainer.theta();
    return transfer(theta, [theta.buffer]);
  },
  close: () => trainer.close(),
};
carryFacts();
expose(api);
