/** Process that replays audited rounds on the host's GPU (Dawn). Asked through replays.ts. */
import { Replayer } from '../measure/replayer.ts';
import { replayRequest } from '../measure/replays.ts';
import { parameterLayout } from '../model/layout.ts';
import { openNodeGpu } from '../kernels/node-gpu.ts';
import { adapterLine } from '../kernels/gpu.ts';
import type { ReplayAnswer, ReplayQuestion, ReplayWorkerData } from './replays.ts';
import { helperData, serveCalls } from './serve-calls.ts';

const opened = open();
opened.catch(() => {}); // reported by the first question

async function open() {
  const { manifest, software } = (await helperData()) as ReplayWorkerData;
  // By itself a host uses a real GPU only; asked for audits, it takes the CPU driver that tests run on.
  const gpu = await openNodeGpu(software ? {} : { hardware: true });
  if (gpu.adapter.software && !software)
    throw new Error(`there is only a software GPU (${adapterLine(gpu.adapter)})`);
  const replayer = await Replayer.open(gpu, manifest);
  const run = { manifest, layout: parameterLayout(manifest.model) };
  return { run, replayer, adapter: adapterLine(gpu.adapter), software: gpu.adapter.software };
}

serveCalls<ReplayQuestion, ReplayAnswer>(async (question) => {
  const { run, replayer, adapter, software } = await opened;
  if (question.kind === 'open') return { kind: 'opened', adapter, software };
  return { kind: 'replayed', figures: await replayRequest(replayer, run, question) };
});
