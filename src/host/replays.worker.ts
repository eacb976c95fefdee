/** Worker thread that replays audited rounds on the host's GPU (Dawn). Asked through replays.ts. */
import { workerData } from 'node:worker_threads';
import { compareReplay, type ReplayFigures } from '../gauntlet/replay.ts';
import { Replayer } from '../gauntlet/replayer.ts';
import { openNodeGpu } from '../kernels/testing.ts';
import { parameterLayout } from '../model/layout.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { decodeSubmission } from '../sparseloco/wire.ts';
import { adapterLine } from '../kernels/gpu.ts';
import type { ReplayAnswer, ReplayQuestion } from './replays.ts';
import { serveCalls } from './serve-calls.ts';

const manifest = workerData as Manifest;
const layout = parameterLayout(manifest.model);
let opened: Promise<{ replayer: Replayer; adapter: string; software: boolean }> | null = null;

function open() {
  opened ??= (async () => {
    const gpu = await openNodeGpu();
    const replayer = await Replayer.open(gpu, manifest);
    return { replayer, adapter: adapterLine(gpu.adapter), software: gpu.adapter.software };
  })();
  return opened;
}

serveCalls<ReplayQuestion, ReplayAnswer>(async (question) => {
  const { replayer, adapter, software } = await open();
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
