/**
 * `npm run bench -- gpu`: what our kernels get out of this machine's GPU, in Node (Dawn): fp32 products, copies, whole
 * training steps as a share of the fp32 peak (model FLOP utilisation), and a table of kernel times.
 *
 *   --peak T       the adapter's fp32 peak in TFLOP/s, where bench/gpu/peaks.ts does not know it
 *   --quick        small sizes, to see that it works on a software adapter
 *   --software     SwiftShader though there may be a GPU (implied by --quick)
 *   --sizes NAMES  training sizes of bench/train/problem.ts (default 30m,124m; --quick: tiny,small)
 */
import { parseArgs } from 'node:util';
import { defaultChoice } from '../src/kernels/choice.ts';
import { adapterLine } from '../src/kernels/gpu.ts';
import { createMatmul, type Matmul } from '../src/kernels/matmul.ts';
import { openNodeGpu } from '../src/kernels/testing.ts';
import { parameterLayout } from '../src/model/layout.ts';
import { createEngine } from '../src/training/engine.ts';
import { kernelTimes } from './gpu/kernel-times.ts';
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
const gpu = await openNodeGpu({ hardware: !quick && !values.software, bufferBytes: 2 ** 32 });
const { device } = gpu;
const adapter = adapterLine(gpu.adapter);
const peak = values.peak === undefined ? knownPeak(gpu.adapter.description) : Number(values.peak);
const report = (name: string, value: number, unit: string, details: Partial<Figure> = {}) =>
  print({ name, value, unit, ...details, runtime: 'node', adapter });
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

/** Milliseconds per repeat of `submit`, one entry a round; each round is long enough to hide the wait. */
async function time(submit: () => void, rounds: number, roundMs: number): Promise<number[]> {
  const run = async (repeats: number) => {
    const begin = performance.now();
    for (let i = 0; i < repeats; i++) submit();
    await device.queue.onSubmittedWorkDone();
    return performance.now() - begin;
  };
  await run(1);
  const repeats = Math.max(1, Math.min(200, Math.round(roundMs / (await run(1)))));
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push((await run(repeats)) / repeats);
  return times;
}

async function matmuls(): Promise<void> {
  for (const n of quick ? [256, 512] : [512, 1024, 2048, 4096]) {
    for (const form of ['NN', 'NT', 'TN'] as const) {
      const variant = defaultChoice(gpu.adapter).matmul({ form, m: n, n, k: n });
      const matmul: Matmul = await createMatmul(gpu, n, n, n, {
        transposeA: form === 'TN',
        transposeB: form === 'NT',
        variant,
      });
      const ones = new Float32Array(n * n).fill(1);
      device.queue.writeBuffer(matmul.a, 0, ones);
      device.queue.writeBuffer(matmul.b, 0, ones);
      const teraflops = (await time(() => matmul.run(), quick ? 3 : 9, 200)).map(
        (ms) => (2 * n ** 3) / ms / 1e9,
      );
      const value = median(teraflops);
      const details = { n, form, variant: matmul.variant };
      report('gpu.matmul', value, 'TFLOP/s', {
        ...details,
        p10: rounded(quantile(teraflops, 0.1)),
        p90: rounded(quantile(teraflops, 0.9)),
      });
      if (peak !== undefined) report('gpu.matmul_share_of_peak', value / peak, 'ratio', { ...details, peak });
      matmul.destroy();
    }
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
    () => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, to, 0, size);
      device.queue.submit([encoder.finish()]);
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
  const { config, batch, sequence, parameters, data } = makeProblem(size);
  const engine = await createEngine({ gpu, config, batch, sequence, accumulation: 1, optimizer: OPTIMIZER });
  engine.setParameters(parameters);
  engine.resetOptimizer();
  const step = async () => {
    await engine.step([data], LEARNING_RATE);
    return (await engine.report()).loss;
  };
  const first = await step();
  for (let i = 0; i < 3; i++) await step();
  const times: number[] = [];
  for (let i = 0; i < (quick ? 3 : 15); i++) {
    const begin = performance.now();
    const loss = await step();
    times.push(performance.now() - begin);
    // The batch is always the same, so a working step learns it.
    if (!(loss < first)) throw new Error(`the loss went from ${first} to ${loss}: the step is wrong`);
  }
  const ms = median(times);
  const teraflops = stepFlops(size) / ms / 1e9;
  const details = { size: name, parameters: parameters.length, batch, sequence };
  report('gpu.train_tokens_per_second', (1000 * batch * sequence) / ms, 'tokens/s', {
    ...details,
    step_ms: rounded(ms),
    step_ms_p90: rounded(quantile(times, 0.9)),
    dispatches: engine.dispatchesPerStep,
    bytes: engine.allocatedBytes,
  });
  report('gpu.train_flops', teraflops, 'TFLOP/s', details);
  if (peak !== undefined) report('gpu.train_mfu', teraflops / peak, 'ratio', { ...details, peak });

  const launches = await kernelTimes(device, engine.profileLaunches(), quick ? 2 : 5);
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
    kernels_ms: rounded(total),
    method,
  });
  engine.destroy();
}
