/**
 * The short tuning run: times the kernel variants on the shapes a model needs, on the device at hand, and keeps the
 * fastest of each, and whether f16 storage makes the products faster. One portable kernel reaches 80 % of each GPU's own
 * best on average but 44 % on the worst (llama.cpp's sweep, ggml-org/llama.cpp#22241), so the choice is worth a few seconds.
 *
 * The result is plain JSON; the caller stores it under {@link tuningKey} and hands it to {@link choiceFrom} next time.
 */
import type { AttentionShape } from './attention-frame.ts';
import {
  attentionFlops,
  attentionLaunches,
  type AttentionVariant,
  PART_TABLE_BYTES,
  PartTable,
  plainAttention,
  tiledAttention,
} from './attention-variants.ts';
import { defaultChoice, type KernelChoice, type Storage } from './choice.ts';
import { type AdapterReport, adapterLine, type Gpu } from './gpu.ts';
import { matmulLaunch, scalarBytes } from './matmul.ts';
import { type MatmulShape, type MatmulVariant, ROW_PADDING, shapeName } from './matmul-shape.ts';
import { MATMUL_VARIANTS, runsOn } from './matmul-variants.ts';
import { type BufferRange, COPY_DST, encode, type Launch, Programs, STORAGE, UNIFORM } from './program.ts';

/** Raised when kernels change, so that stored results are measured anew. */
const TUNING_VERSION = 2;
/** Time of one measurement, long against the 0.1 ms of a submission. */
const MEASURE_MS = 8;
/** What one dispatch may take, half of what a submission may. */
const DISPATCH_SECONDS = 0.05;
/** All variants run on the largest product of a kind; only so many go on to the smaller ones. */
const FINALISTS = 4;
/** f16 costs precision, so it must win by this much. */
const F16_GAIN = 1.05;

/** What a model runs; from `tuningShapes` of training/memory.ts. */
export interface TuningShapes {
  readonly products: readonly MatmulShape[];
  /** The same products, in the same order, with operands stored f16. */
  readonly f16: readonly MatmulShape[];
  readonly attention: AttentionShape;
}

export interface Tuning {
  readonly key: string;
  /** Fastest variant's name by shape. */
  readonly matmul: Readonly<Record<string, string>>;
  /** What was measured: GFLOP/s by shape and variant. */
  readonly measured: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly storage: Storage;
  /** GFLOP/s of the three attention kernels together, by variant. */
  readonly attention: Readonly<Record<string, number>>;
}

/** Under which to store a result: the adapter and the version of the kernels. */
export const tuningKey = (adapter: AdapterReport): string => `${TUNING_VERSION} ${adapterLine(adapter)}`;

export interface TuneOptions {
  /** Stop measuring after so many milliseconds; shapes not reached keep the default. Default 5000. */
  readonly budgetMs?: number;
  readonly variants?: readonly MatmulVariant[];
}

const attentionVariants = ({ software, workgroupBytes }: AdapterReport): AttentionVariant[] => [
  plainAttention(64),
  plainAttention(32),
  ...(software ? [] : [tiledAttention(16 * 1024), tiledAttention(workgroupBytes)]),
];

/** Measures on an otherwise idle device. Products whose sizes are no multiples of 64 are skipped. */
export async function tune(gpu: Gpu, shapes: TuningShapes, options: TuneOptions = {}): Promise<Tuning> {
  const { adapter } = gpu;
  const end = performance.now() + (options.budgetMs ?? 5000);
  const kindOfDevice = adapter.software ? 'cpu' : 'gpu';
  const all =
    options.variants ??
    MATMUL_VARIANTS.filter((v) => runsOn(v, adapter) && (v.only ?? kindOfDevice) === kindOfDevice);

  const attention: Record<string, number> = {};
  for (const variant of attentionVariants(adapter)) {
    if (performance.now() > end || variant.name in attention) continue;
    const speed = await attentionSpeed(gpu, variant, shapes.attention);
    if (speed !== undefined) attention[variant.name] = speed;
  }

  const measured: Record<string, Record<string, number>> = {};
  const finalists = new Map<string, readonly MatmulVariant[]>();
  // The largest first: they decide the step's time if the budget ends early.
  const order = shapes.products
    .map((shape, i) => ({ shape, half: shapes.f16[i] }))
    .sort((a, b) => flopsOf(b.shape) - flopsOf(a.shape));
  for (const { shape, half } of order) {
    for (const each of adapter.shaderF16 && half !== undefined ? [shape, half] : [shape]) {
      const { form, m, n, k, f16 } = each;
      if (m % 64 !== 0 || n % 64 !== 0 || k % 64 !== 0 || shapeName(each) in measured) continue;
      if (performance.now() > end) break;
      const kind = `${form} ${f16}`;
      // As much of it as one dispatch would do: longer ones would freeze a slow device and say nothing more.
      const rows = Math.floor(defaultChoice(adapter).dispatchFlops / (2 * n * k) / ROW_PADDING) * ROW_PADDING;
      const part = { ...each, m: Math.min(m, Math.max(ROW_PADDING, rows)) };
      const speeds = await productSpeeds(gpu, part, finalists.get(kind) ?? all, end);
      const ranked = all
        .filter(({ name }) => name in speeds)
        .sort((a, b) => (speeds[b.name] ?? 0) - (speeds[a.name] ?? 0));
      // A variant measured alone was compared with nothing.
      if (ranked.length < 2) continue;
      measured[shapeName(each)] = speeds;
      if (!finalists.has(kind)) finalists.set(kind, ranked.slice(0, FINALISTS));
    }
  }
  const matmul = Object.fromEntries(
    Object.entries(measured).map(([name, speeds]) => [name, best(speeds)?.[0] ?? '']),
  );
  return { key: tuningKey(adapter), matmul, measured, storage: storageFor(shapes, measured), attention };
}

/** To four digits, however slow: a speed of 0 would make every other variant infinitely faster. */
const gigaflops = (flops: number, ms: number): number => Number((flops / ms / 1e6).toPrecision(4));

const flopsOf = ({ m, n, k }: MatmulShape): number => 2 * m * n * k;

const best = (speeds: Readonly<Record<string, number>>): readonly [string, number] | undefined =>
  Object.entries(speeds).sort((a, b) => b[1] - a[1])[0];

/** GFLOP/s of one product by variant; compiles them side by side, and stops measuring at `end`. */
async function productSpeeds(
  { device }: Gpu,
  shape: MatmulShape,
  variants: readonly MatmulVariant[],
  end: number,
): Promise<Record<string, number>> {
  const { m, n, k } = shape;
  const make = (scalars: number, bytes: number): BufferRange => {
    const size = scalars * bytes;
    return { buffer: device.createBuffer({ size, usage: STORAGE }), offset: 0, size };
  };
  const a = make(m * k, scalarBytes(shape, 'a'));
  const b = make(k * n, scalarBytes(shape, 'b'));
  const c = make(m * n, 4);
  const fitting = variants.filter((variant) => variant.supports(shape));
  const launches = await new Programs(device).prepare(
    fitting.map((variant) => matmulLaunch(variant, { ...shape, a, b, c })),
  );
  const speeds: Record<string, number> = {};
  for (const [i, { name }] of fitting.entries()) {
    const launch = launches[i];
    if (launch === undefined || performance.now() > end) break;
    const ms = await time(device, [launch]);
    speeds[name] = gigaflops(flopsOf(shape), ms);
  }
  for (const { buffer } of [a, b, c]) buffer.destroy();
  return speeds;
}

/** f16 where the products measured in both would be done sooner. */
function storageFor({ products, f16 }: TuningShapes, measured: Tuning['measured']): Storage {
  const seconds = (shape: MatmulShape | undefined): number | undefined => {
    const fastest = shape && best(measured[shapeName(shape)] ?? {});
    return shape && fastest && flopsOf(shape) / fastest[1];
  };
  let [wide, narrow] = [0, 0];
  for (const [i, shape] of products.entries()) {
    const [a, b] = [seconds(shape), seconds(f16[i])];
    if (a === undefined || b === undefined) continue;
    wide += a;
    narrow += b;
  }
  return wide > narrow * F16_GAIN ? 'f16' : 'f32';
}

/** Milliseconds of all launches together: the best of three batches of at least {@link MEASURE_MS}. */
async function time(device: GPUDevice, launches: readonly Launch[]): Promise<number> {
  const batch = async (count: number): Promise<number> => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < count; i++) {
      for (const launch of launches) encode(pass, launch);
    }
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  await batch(1);
  const once = await batch(1);
  const count = Math.max(1, Math.min(100, Math.ceil(MEASURE_MS / once)));
  let fastest = once;
  for (let i = 0; i < 3; i++) fastest = Math.min(fastest, (await batch(count)) / count);
  return fastest;
}

/** GFLOP/s of forward and backward on one sequence of zeros; undefined where the variant does not take the shape. */
async function attentionSpeed(
  gpu: Gpu,
  variant: AttentionVariant,
  whole: AttentionShape,
): Promise<number | undefined> {
  const shape = { ...whole, batch: 1 };
  if (variant.kernel('keyValue', shape) === undefined) return undefined;
  const { device } = gpu;
  const buffers: GPUBuffer[] = [];
  const make = (elements: number, usage = STORAGE): BufferRange => {
    const buffer = device.createBuffer({ size: 4 * elements, usage: usage | COPY_DST });
    buffers.push(buffer);
    return { buffer, offset: 0, size: 4 * elements };
  };
  const { sequence, heads, kvHeads, headDim } = shape;
  const hidden = sequence * heads * headDim;
  const qkv = () => make(hidden + 2 * sequence * kvHeads * headDim);
  const [input, out, dout, dqkv] = [qkv(), make(hidden), make(hidden), qkv()];
  const [lse, delta] = [make(sequence * heads), make(sequence * heads)];
  const angles = make(sequence * headDim);
  const { buffer } = make(PART_TABLE_BYTES / 4, UNIFORM);
  const parts = new PartTable(buffer);
  const backward = { qkv: input, dout, lse, angles, delta, dqkv };
  const limit = defaultChoice(gpu.adapter).attentionFlops;
  const launches = await new Programs(device).prepare([
    ...attentionLaunches(variant, 'forward', shape, { qkv: input, out, lse }, parts, limit),
    ...attentionLaunches(variant, 'query', shape, { ...backward, out }, parts, limit),
    ...attentionLaunches(variant, 'keyValue', shape, backward, parts, limit),
  ]);
  device.queue.writeBuffer(buffer, 0, parts.data);
  const ms = await time(device, launches);
  for (const b of buffers) b.destroy();
  const passes = ['forward', 'query', 'keyValue'] as const;
  const flops = passes.reduce((sum, pass) => sum + attentionFlops(pass, shape), 0);
  return gigaflops(flops, ms);
}

/** The default choice, with what a tuning run of this adapter and version found. Others' results are ignored. */
export function choiceFrom(adapter: AdapterReport, tuning: Tuning | undefined): KernelChoice {
  const fallback = defaultChoice(adapter);
  if (tuning === undefined || tuning.key !== tuningKey(adapter)) return fallback;
  const byName = new Map(MATMUL_VARIANTS.map((v) => [v.name, v]));
  const speeds = Object.values(tuning.measured).flatMap((byVariant) => Object.values(byVariant));
  const attention = best(tuning.attention);
  const kinds = attentionVariants(adapter);
  const limit = (speed: number) => Math.max(2e7, speed * 1e9 * DISPATCH_SECONDS);
  return {
    ...fallback,
    storage: adapter.shaderF16 ? tuning.storage : 'f32',
    dispatchFlops: speeds.length === 0 ? fallback.dispatchFlops : limit(Math.max(...speeds)),
    attentionFlops: attention === undefined ? fallback.attentionFlops : limit(attention[1]),
    matmul(shape) {
      const found = byName.get(tuning.matmul[shapeName(shape)] ?? '');
      return found?.supports(shape) ? found : fallback.matmul(shape);
    },
    attention(shape) {
      const found = kinds.find(({ name }) => name === attention?.[0]);
      return found?.kernel('keyValue', shape) === undefined ? fallback.attention(shape) : found;
    },
  };
}
