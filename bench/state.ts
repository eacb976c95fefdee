/**
 * `npm run bench -- state [--json] [--preset 10m] [--steps N] [--submissions 32] [--hardware]`: what a round costs
 * beside its training, on one adapter in one run: compressing and encoding against H = 30 inner steps, applying a
 * certificate's submissions, and the state root; on the GPU (Dawn in Node) and in plain TypeScript as the host does it.
 *
 * Inner steps are timed on the same device as the rest; on a software adapter give --steps 1 for the larger presets.
 */
import { parseArgs } from 'node:util';
import { wholeFrom } from '../src/cli/arguments.ts';
import { adapterLine } from '../src/kernels/gpu.ts';
import { openNodeGpu } from '../src/kernels/node-gpu.ts';
import { genesisTheta } from '../src/model/init.ts';
import { parameterLayout } from '../src/model/layout.ts';
import { preset } from '../src/model/presets.ts';
import { CpuReplica } from '../src/sparseloco/cpu-replica.ts';
import { GpuReplica } from '../src/sparseloco/gpu-replica.ts';
import { randomDelta, testHeader } from '../src/sparseloco/testing.ts';
import { createEngine } from '../src/training/engine.ts';
import { estimateMemory } from '../src/training/memory.ts';
import type { CertifiedSubmission } from '../src/sparseloco/types.ts';
import { reporter } from './lib/report.ts';
import { median } from './lib/statistics.ts';

/** Inner steps of a round that compression is held against (issue: at most 5 % of them). */
const H = 30;
const REPEATS = 3;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    preset: { type: 'string', default: '10m' },
    steps: { type: 'string', default: '2' },
    submissions: { type: 'string', default: '32' },
    hardware: { type: 'boolean', default: false },
  },
});
const steps = wholeFrom('steps', options.steps, 1, 1000);
const submissionCount = wholeFrom('submissions', options.submissions, 1, 1000);

const { name, model, training, sparseloco } = preset(options.preset);
const layout = parameterLayout(model);
const { batch, sequence, accumulation } = training;
const gpu = await openNodeGpu({
  hardware: options.hardware,
  bufferBytes: estimateMemory(model, batch, sequence).largestBuffer,
});
const shared = { adapter: adapterLine(gpu.adapter), preset: name, parameters: layout.elements };
const report = reporter(options.json);
const say = (figure: string, value: number, unit: string, more: Record<string, string | number> = {}) =>
  report({ name: `state.${figure}`, value, unit, ...shared, ...more });

/** Milliseconds of each of several goes, the first (which compiles) left out; their median. */
async function timed(work: () => Promise<unknown>, repeats = REPEATS): Promise<number> {
  await work();
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
}

const theta = genesisTheta(model, 'bench', sparseloco.fractionBits);
const replica = await GpuReplica.create(gpu, model, sparseloco);
await replica.load(theta);
const cpu = new CpuReplica(layout, sparseloco);
await cpu.load(theta);

const engine = await createEngine({ gpu, config: model, batch, sequence, accumulation, optimizer: training });
replica.writeParameters(engine.parameters);
const tokens = Int32Array.from({ length: batch * sequence }, (_, i) => (i * 7919) % model.vocabSize);
const micro = Array.from({ length: accumulation }, () => ({ tokens, targets: tokens }));
const stepMs = await timed(async () => {
  await engine.step(micro, training.learningRate);
  await engine.report();
}, steps);
say('inner_step', stepMs, 'ms', { batch, sequence, accumulation });

const compressMs = await timed(async () => {
  await replica.compress(engine.parameters, testHeader());
});
say('compress_encode', compressMs, 'ms');
say('compress_share_of_round', (100 * compressMs) / (H * stepMs), '%', { inner_steps: H });

say('root_gpu', await timed(() => replica.root()), 'ms');
say('root_cpu', await timed(() => cpu.root()), 'ms');

// Structureless values are the coder's worst case, so that decoding is not flattered.
const start = cpu.parameters();
const submissions: CertifiedSubmission[] = [];
for (let i = 0; i < submissionCount; i++) {
  const other = new CpuReplica(layout, sparseloco);
  await other.load(theta);
  const delta = randomDelta(layout, i + 1);
  const { bytes } = await other.compress(
    start.map((p, j) => p - delta[j]),
    testHeader(1, i + 1),
  );
  submissions.push({ bytes, weight: 1024 });
}
say('apply_gpu', await timed(() => replica.apply(submissions), 1), 'ms', { submissions: submissionCount });
say('apply_cpu', await timed(() => cpu.apply(submissions), 1), 'ms', { submissions: submissionCount });

engine.destroy();
replica.destroy();
process.exit(0);
