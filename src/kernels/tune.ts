/**
 * The short tuning run: times every matmul variant on the shapes a model needs, on the device at hand, and keeps the
 * fastest of each. One portable kernel reaches 80 % of each GPU's own best on average but 44 % on the worst
 * (llama.cpp's sweep, ggml-org/llama.cpp#22241), so the choice is worth a second.
 *
 * The result is plain JSON; the caller stores it under {@link tuningKey} and hands it to {@link choiceFrom} next time.
 */
import { defaultChoice, type KernelChoice } from './choice.ts';
import { type AdapterReport, adapterLine, type Gpu } from './gpu.ts';
import { createMatmul, type Matmul } from './matmul.ts';
import type { MatmulShape, MatmulVariant } from './matmul-shape.ts';
import { MATMUL_VARIANTS, runsOn } from './matmul-variants.ts';

/** Raised when kernels change, so that stored results are measured anew. */
const TUNING_VERSION = 1;
/** Time of one measurement, long against the 0.1 ms of a submission. */
const MEASURE_MS = 8;

/** What one matmul dispatch may take, half of what a submission may. */
const DISPATCH_SECONDS = 0.05;

export interface Tuning {
  readonly key: string;
  /** Fastest variant's name by {@link shapeKey}. */
  readonly matmul: Readonly<Record<string, string>>;
  /** What was measured: GFLOP/s by shape and variant. */
  readonly measured: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Under which to store a result: the adapter and the version of the kernels. */
export const tuningKey = (adapter: AdapterReport): string => `${TUNING_VERSION} ${adapterLine(adapter)}`;

const shapeKey = ({ form, m, n, k }: MatmulShape): string => `${form} ${m}x${n}x${k}`;

export interface TuneOptions {
  /** Stop measuring after so many milliseconds; shapes not reached keep the default. Default 3000. */
  readonly budgetMs?: number;
  readonly variants?: readonly MatmulVariant[];
}

/** Measures on an otherwise idle device. Shapes whose sizes are no multiples of 64 are skipped. */
export async function tune(
  gpu: Gpu,
  shapes: readonly MatmulShape[],
  options: TuneOptions = {},
): Promise<Tuning> {
  // A CPU driver takes seconds to compile a tiled kernel, which can only lose there.
  const variants =
    options.variants ??
    MATMUL_VARIANTS.filter(
      (v) => runsOn(v, gpu.adapter) && !(gpu.adapter.software && v.name.startsWith('tiled')),
    );
  const end = performance.now() + (options.budgetMs ?? 3000);
  const matmul: Record<string, string> = {};
  const measured: Record<string, Record<string, number>> = {};
  // The largest first: they decide the step's time if the budget ends early.
  const order = [...new Map(shapes.map((s) => [shapeKey(s), s])).values()]
    .filter(({ m, n, k }) => m % 64 === 0 && n % 64 === 0 && k % 64 === 0)
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k);
  for (const shape of order) {
    const key = shapeKey(shape);
    const { form, m, n, k } = shape;
    const speeds: Record<string, number> = {};
    for (const variant of variants) {
      if (performance.now() > end) break;
      if (!variant.supports({ form, m, n, k })) continue;
      const product = await createMatmul(gpu, m, n, k, {
        transposeA: form === 'TN',
        transposeB: form === 'NT',
        variant,
      });
      const ms = await time(gpu.device, product);
      speeds[variant.name] = Math.round(((2 * m * n * k) / ms / 1e6) * 100) / 100;
      product.destroy();
    }
    const best = Object.entries(speeds).sort((a, b) => b[1] - a[1])[0];
    // A variant measured alone was compared with nothing.
    if (best === undefined || Object.keys(speeds).length < 2) continue;
    matmul[key] = best[0];
    measured[key] = speeds;
  }
  return { key: tuningKey(gpu.adapter), matmul, measured };
}

/** Milliseconds of one product: the best of three batches of at least {@link MEASURE_MS}. */
async function time(device: GPUDevice, product: Matmul): Promise<number> {
  const batch = async (count: number): Promise<number> => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < count; i++) product.encode(pass);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  await batch(1);
  const once = await batch(1);
  const count = Math.max(1, Math.min(100, Math.ceil(MEASURE_MS / once)));
  let best = once;
  for (let i = 0; i < 3; i++) best = Math.min(best, (await batch(count)) / count);
  return best;
}

/** The default choice, with what a tuning run of this adapter and version found. Others' results are ignored. */
export function choiceFrom(adapter: AdapterReport, tuning: Tuning | undefined): KernelChoice {
  const fallback = defaultChoice(adapter);
  if (tuning === undefined || tuning.key !== tuningKey(adapter)) return fallback;
  const byName = new Map(MATMUL_VARIANTS.map((v) => [v.name, v]));
  const speeds = Object.values(tuning.measured).flatMap((byVariant) => Object.values(byVariant));
  const fastest = Math.max(0, ...speeds) * 1e9;
  return {
    ...fallback,
    dispatchFlops: fastest === 0 ? fallback.dispatchFlops : Math.max(2e7, fastest * DISPATCH_SECONDS),
    matmul(shape) {
      const found = byName.get(tuning.matmul[shapeKey(shape)] ?? '');
      return found?.supports(shape) ? found : fallback.matmul(shape);
    },
  };
}
