/** Process that replays audited rounds on the host's GPU (Dawn). Asked through replays.ts. */
import { compareReplay, type ReplayFigures } from '../gauntlet/replay.ts';
import { Replayer } from '../gauntlet/replayer.ts';
import { openNodeGpu } from '../kernels/testing.ts';
import { parameterLayout } from '../model/layout.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
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
    throw new Error(`there is only a software GPU (${adapterLine(gpu.adapter)}); --audits N takes that too`);
  const replayer = await Replayer.open(gpu, manifest);
  const layout = parameterLayout(manifest.model);
  return { manifest, layout, replayer, adapter: adapterLine(gpu.adapter), software: gpu.adapter.software };
}

serveCalls<ReplayQuestion, ReplayAnswer>(async (question) => {
  const { manifest, layout, replayer, adapter, software } = await opened;
  if (question.kind === 'open') return { kind: 'opened', adapter, software };
  const { job, claim, submission } = question;
  const replayed = await replayer.replay(job);
  const sent = decodeSubmission(submission, layout, manifest.sparseloco).update;
  const figures: ReplayFigures = compareReplay(
    { ...claim, sent, innerSteps: job.innerSteps },
    replayed,
    layout,
    manifest.sparseloco,
  );
  return { kind: 'replayed', figures };
});
