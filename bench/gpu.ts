/**
 * `npm run bench -- gpu`: what our kernels get out of this machine's GPU, in Node (Dawn): fp32 products, copies, whole
 * training steps as a share of the fp32 peak (model FLOP utilisation), and a table of kernel times.
 *
 *   --peak T       the adapter's fp32 peak in TFLOP/s, where bench/gpu/peaks.ts does not know it
 *   --quick        small sizes, to see that it works on a software adapter
 *   --software     SwiftShader though there may be a GPU (implied by --quick)
 *   --sizes NAMES  training sizes of bench/train/problem.ts (default 30m,124m; --quick: tiny,small)
 *
 * Kernels are chosen by the tuning run that a volunteer's tab makes too. Shares of the peak are of f32 storage; where the
 * adapter has shader-f16, products and steps with f16 storage are reported beside it.
 */
import { parseArgs } from 'node:util';
import type { KernelChoice, Storage } from '../src/kernels/choice.ts';
import { adapterLine } from '../src/kernels/gpu.ts';
import { createMatmul } from '../src/kernels/matmul.ts';
import type { MatmulShape } from '../src/kernels/matmul-shape.ts';
import { openNodeGpu } from '../src/kernels/node-gpu.ts';
import { choiceFrom, tune, type TuningShapes } from '../src/kernels/tune.ts';
import { parameterLayout } from '../src/model/layout.ts';
import { createEngine } from '../src/training/engine.ts';
import { tuningShapes } from '../src/training/memory.ts';
import { type KernelTime, kernelTimes } from './gpu/kernel-times.ts';
import { knownPeak } from './gpu/peaks.ts';
import { type Figure, reporter } from './lib/report.ts';
import { median, quantile, rounded } from './lib/statistics.ts';
import { LEARNING_RATE, makeProblem, OPTIMIZER, SIZES, type Size } from './train/problem.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    peak: { type: 'string' },
    quick: { type: 'boolean', default: false },
    software: { type: 'boolean', default: false },
    sizes: { type: 'string' },
  },
});
const quick = values.quick;
const print = reporter(values.json);

// 124 M parameters and their logits need bindings far past WebGPU's default of 128 MiB.
const gpu = await openNodeGpu({
  hardware: !quick && !values.software,
  bufferBytes: 2 ** 32,
  exactTimestamps: true,
});
const { device } = gpu;
const adapter = adapterLine(gpu.adapter);
const peak = values.peak === undefined ? knownPeak(gpu.adapter.description) : Number(values.peak);
const report = (name: string, value: number, unit: string, details: Partial<Figure> = {}) =>
  print({ name, value, unit, ...details, runtime: 'node', adapter });
const storages: readonly Storage[] = gpu.adapter.shaderF16 ? ['f32', 'f16'] : ['f32'];
device.addEventListener('uncapturederror', (event) => console.error(`GPU error: ${event.error.message}`));

report('gpu.fp32_peak', peak ?? 0, 'TFLOP/s', {
  source: values.peak === undefined ? (peak === undefined ? 'unknown: pass --peak' : 'data sheet') : '--peak',
});
await matmuls();
await copies();
for (const name of (values.sizes ?? (quick ? 'tiny,small' : '30m,124m')).split(',')) {
  const size = SIZES[name];
  if (size === undefined)
    console.error(`bench gpu: no size "${name}"; there are ${Object.keys(SIZES).join(', ')}`);
  else await training(name, size);
}
// Dawn's background thread would keep the process alive.
process.exit(0);

/** The kernels that a tab would choose on this machine; here with time enough to try all. */
async function tuned(shapes: TuningShapes): Promise<KernelChoice> {
  return choiceFrom(gpu.adapter, await tune(gpu, shapes, { budgetMs: quick ? 10_000 : 120_000 }));
}

/** Milliseconds per repeat of what `record` encodes, one entry a round; each round is long enough to hide the wait. */
async function time(
  record: (encoder: GPUCommandEncoder, repeats: number) => void,
  rounds: number,
  roundMs: number,
): Promise<number[]> {
  const run = async (repeats: number) => {
    const encoder = device.createCommandEncoder();
    record(encoder, repeats);
    const begin = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - begin;
  };
  await run(1);
  // A first guess from one, then from as many: a single small one is mostly waiting.
  let repeats = Math.max(1, Math.min(100, Math.round(roundMs / (await run(1)))));
  repeats = Math.max(1, Math.min(5000, Math.round((repeats * roundMs) / (await run(repeats)))));
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push((await run(repeats)) / repeats);
  return times;
}

async function matmuls(): Promise<void> {
  const shapes = (quick ? [256, 512] : [512, 1024, 2048, 4096]).flatMap((n) =>
    (['NN', 'NT', 'TN'] as const).map((form): MatmulShape => ({ form, m: n, n, k: n })),
  );
  const narrow = shapes.map((s): MatmulShape => ({ ...s, f16: s.form === 'NT' ? 'ab' : 'b' }));
  const attention = { batch: 1, sequence: 64, heads: 1, kvHeads: 1, headDim: 64 };
  const choice = await tuned({ products: shapes, f16: narrow, attention });
  for (const shape of gpu.adapter.shaderF16 ? [...shapes, ...narrow] : shapes) {
    const { form, n, f16 } = shape;
    const matmul = await createMatmul(gpu, n, n, n, {
      transposeA: form === 'TN',
      transposeB: form === 'NT',
      variant: choice.matmul(shape),
      f16,
    });
    if (f16 === undefined) {
      const ones = new Float32Array(n * n).fill(1);
      device.queue.writeBuffer(matmul.a, 0, ones);
      device.queue.writeBuffer(matmul.b, 0, ones);
    }
    const record = (encoder: GPUCommandEncoder, repeats: number) => {
      const pass = encoder.beginComputePass();
      for (let i = 0; i < repeats; i++) matmul.encode(pass);
      pass.end();
    };
    // A round is far below what a watchdog allows, and far above the 0.1 ms of a submission.
    const teraflops = (await time(record, quick ? 3 : 15, 50)).map((ms) => (2 * n ** 3) / ms / 1e9);
    const value = median(teraflops);
    const details = { n, form, variant: matmul.variant, storage: f16 === undefined ? 'f32' : 'f16' };
    report('gpu.matmul', value, 'TFLOP/s', {
      ...details,
      p10: rounded(quantile(teraflops, 0.1)),
      p90: rounded(quantile(teraflops, 0.9)),
    });
    if (peak !== undefined && f16 === undefined) {
      report('gpu.matmul_share_of_peak', value / peak, 'ratio', { ...details, peak });
    }
    matmul.destroy();
  }
}

async function copies(): Promise<void> {
  const size = (quick ? 16 : 256) * 2 ** 20;
  const make = () =>
    device.createBuffer({
      size,
      usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST | GPUBufferUsage.STORAGE,
    });
  const [from, to] = [make(), make()];
  const times = await time(
    (encoder, repeats) => {
      for (let i = 0; i < repeats; i++) encoder.copyBufferToBuffer(from, 0, to, 0, size);
    },
    quick ? 3 : 9,
    100,
  );
  // Each byte is read and written.
  report('gpu.copy_bandwidth', (2 * size) / median(times) / 1e6, 'GB/s', { bytes: size });
  from.destroy();
  to.destroy();
}

/**
 * Operations of a training step by the usual count (Kaplan et al. 2020; PaLM, appendix B): 6 per matrix parameter and
 * token, and 12 layers x width x sequence per token for attention, the causal half not taken off. A tied embedding
 * counts once, as the head; an untied one's look-up is free.
 */
function stepFlops({ config, batch, sequence }: Size): number {
  const { matrixElements } = parameterLayout(config);
  const lookUp = config.tiedEmbeddings ? 0 : config.vocabSize * config.hiddenSize;
  const attention = 12 * config.layers * config.hiddenSize * sequence;
  return batch * sequence * (6 * (matrixElements - lookUp) + attention);
}

async function training(name: string, size: Size): Promise<void> {
  const choice = await tuned(tuningShapes(size.config, size.batch, size.sequence));
  report('gpu.tuned_storage', choice.storage === 'f16' ? 16 : 32, 'bits', { size: name });
  for (const storage of storages) await trainingWith(name, size, choice, storage);
}

async function trainingWith(name: string, size: Size, choice: KernelChoice, storage: Storage): Promise<void> {
  const { config, batch, sequence, parameters, data } = makeProblem(size);
  const engine = await createEngine({
    gpu,
    config,
    batch,
    sequence,
    accumulation: 1,
    optimizer: OPTIMIZER,
    choice,
    storage,
  });
  engine.setParameters(parameters);
  engine.resetOptimizer();
  const loss = async () => (await engine.report()).loss;
  await engine.step([data], LEARNING_RATE);
  const first = await loss();
  // Warm up: clocks, and the queue's measure of the device.
  for (let i = 0; i < (quick ? 2 : 10); i++) await engine.step([data], LEARNING_RATE);
  await loss();
  // The loss is read once every few steps, as a trainer does; nothing else waits for the GPU.
  const steps = quick ? 2 : 5;
  const times: number[] = [];
  for (let i = 0; i < (quick ? 3 : 9); i++) {
    const begin = performance.now();
    for (let s = 0; s < steps; s++) await engine.step([data], LEARNING_RATE);
    const value = await loss();
    times.push((performance.now() - begin) / steps);
    // The batch is always the same, so a working step learns it.
    if (!(value < first)) throw new Error(`the loss went from ${first} to ${value}: the step is wrong`);
  }
  const ms = median(times);
  const teraflops = stepFlops(size) / ms / 1e9;
  const details = { size: name, storage, parameters: parameters.length, batch, sequence };
  report('gpu.train_tokens_per_second', (1000 * batch * sequence) / ms, 'tokens/s', {
    ...details,
    step_ms: rounded(ms),
    step_ms_p90: rounded(quantile(times, 0.9)),
    longest_submission_ms: rounded(engine.longestSubmissionMs),
    dispatches: engine.dispatchesPerStep,
    bytes: engine.allocatedBytes,
  });
  report('gpu.train_flops', teraflops, 'TFLOP/s', details);
  if (peak !== undefined && storage === 'f32') {
    report('gpu.train_mfu', teraflops / peak, 'ratio', { ...details, peak });
  }
  const launches = await kernelTimes(device, engine.profileLaunches(), quick ? 2 : 5);
  reportKernels(name, storage, launches);
  engine.destroy();
}

function reportKernels(name: string, storage: Storage, launches: readonly KernelTime[]): void {
  const total = launches.reduce((sum, launch) => sum + launch.ms, 0);
  const method = device.features.has('timestamp-query') ? 'timestamp-query' : 'one submission each';
  // "matmul NT 128x512x128 block4" belongs to "matmul NT": the name ends where the sizes begin.
  const families = Map.groupBy(launches, ({ label }) => label.split(/ (?=\S*\d)/)[0] ?? label);
  const rows = [...families].map(([kernel, list]) => ({
    kernel,
    launches: list.length,
    ms: list.reduce((sum, launch) => sum + launch.ms, 0),
    flops: list.reduce((sum, launch) => sum + launch.flops, 0),
    bytes: list.reduce((sum, launch) => sum + launch.bytes, 0),
  }));
  for (const row of rows.sort((a, b) => b.ms - a.ms)) {
    report('gpu.kernel_time', row.ms, 'ms', {
      size: name,
      storage,
      kernel: row.kernel,
      launches: row.launches,
      share: rounded(row.ms / total),
      // Some drivers tick in steps of 65 µs and more: the smallest kernels read 0.
      ...(row.flops > 0 && row.ms > 0 && { gflops_per_s: rounded(row.flops / row.ms / 1e6) }),
      ...(row.ms > 0 && { gb_per_s: rounded(row.bytes / row.ms / 1e6) }),
      method,
    });
  }
  const heavy = rows.filter(({ kernel }) => /^(matmul|attention)/.test(kernel));
  const outside = 1 - heavy.reduce((sum, { ms: spent }) => sum + spent, 0) / total;
  report('gpu.time_outside_matmul_and_attention', outside, 'ratio', {
    size: name,
    storage,
    kernels_ms: rounded(total),
    method,
  });
}
