/** Process of the trainer in a Node peer: the same {@link Trainer} as in a browser, on Dawn. Called by trainer.ts. */
import { nodeGpuEntry, openNodeGpu } from '../../kernels/node-gpu.ts';
import { messageOf } from '../../protocol/errors.ts';
import { Trainer } from '../../work/pretrain/trainer.ts';
import { type AsyncMethods, serveMethods } from './process-calls.ts';
import type { Probe, ProcessApi } from './trainer.ts';
import { TUNING_FOLDER, tuningFolder } from './tuning-folder.ts';

// Which drivers there are is set by the environment that this process was started with.
const entry = nodeGpuEntry({ hardware: true });
entry.catch(() => {}); // thrown by the first call
const folder = process.env[TUNING_FOLDER];
const tunings = folder === undefined ? undefined : tuningFolder(folder);
const trainer = entry.then((gpu) => new Trainer(gpu, tunings));
trainer.catch(() => {});

async function probe(): Promise<Probe> {
  try {
    await entry;
  } catch (error) {
    return { adapter: null, missing: 'package', cause: messageOf(error) };
  }
  try {
    const { device, adapter } = await openNodeGpu({ hardware: true });
    device.destroy();
    return { adapter };
  } catch (error) {
    return { adapter: null, missing: 'adapter', cause: messageOf(error) };
  }
}

const api: AsyncMethods<ProcessApi> = {
  probe,
  open: async (manifest) => (await trainer).open(manifest),
  load: async (theta) => (await trainer).load(theta),
  train: async (assignment, until, onProgress) => (await trainer).train(assignment, until, onProgress),
  stop: async () => (await trainer).stop(),
  finish: async (tag) => (await trainer).finish(tag),
  apply: async (submissions) => (await trainer).apply(submissions),
  settle: async (outcome) => (await trainer).settle(outcome),
  carry: async (round) => (await trainer).carry(round),
  setGpuShare: async (share) => (await trainer).setGpuShare(share),
  setPaused: async (paused) => (await trainer).setPaused(paused),
  theta: async () => (await trainer).theta(),
  close: async () => (await trainer).close(),
};
serveMethods(api);
