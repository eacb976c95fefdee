/**
 * In Deno (wgpu, on an adapter with shader-f16): products with operands stored f16, of each kind of variant,
 * and attention in the blocks that GPUs use, against the plain f64 forms; the memory estimate. Prints one JSON line: the relative errors by name.
 */
import { attentionBackwardReference, attentionReference } from '../../src/kernels/attention.reference.ts';
import { type AttentionShape, ropeTable } from '../../src/kernels/attention-frame.ts';
import {
  attentionLaunches,
  PART_TABLE_BYTES,
  PartTable,
  tiledAttention,
} from '../../src/kernels/attention-variants.ts';
import { adapterLine, openGpu } from '../../src/kernels/gpu.ts';
import { matmulLaunch } from '../../src/kernels/matmul.ts';
import { matmulReference } from '../../src/kernels/matmul.reference.ts';
import { isHalf, type MatmulShape, ROW_PADDING } from '../../src/kernels/matmul-shape.ts';
import { MATMUL_VARIANTS } from '../../src/kernels/matmul-variants.ts';
import type { BufferRange } from '../../src/kernels/program.ts';
import { toHalfLaunch } from '../../src/kernels/rows.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { createEngine } from '../../src/training/engine.ts';
import { estimateMemory } from '../../src/training/memory.ts';
import {
  free,
  noise,
  readBack,
  relativeError,
  runLaunches,
  storage,
} from '../../src/kernels/testing-buffers.ts';

const gpu = await openGpu();
const errors: Record<string, number> = {};

/** Values that f16 holds exactly, so that storage alone changes nothing. */
const exact = (length: number, seed: number) => noise(length, seed).map((x) => Math.round(x * 1024) / 1024);

/** A matrix of whole {@link ROW_PADDING}s of rows, zero past its own. */
async function operand(values: Float32Array, rows: number, half: boolean): Promise<BufferRange> {
  const columns = values.length / rows;
  const padded = new Float32Array(Math.ceil(rows / ROW_PADDING) * ROW_PADDING * columns);
  padded.set(values);
  const wide = storage(gpu, padded);
  if (!half) return wide;
  const narrow = storage(gpu, padded.length / 2);
  await runLaunches(gpu, [toHalfLaunch(padded.length, { values: wide, half: narrow })]);
  free(wide);
  return narrow;
}

const shapes: MatmulShape[] = (['b', 'ab'] as const).flatMap((f16) => [
  { form: 'NT', m: 53, n: 128, k: 64, f16 },
  { form: 'NN', m: 53, n: 128, k: 64, f16 },
  { form: 'TN', m: 128, n: 128, k: 56, f16 },
]);
// One of each kind: the larger ones differ in nothing but size, and take a CPU driver seconds each to compile.
const CHECKED = ['block4', 'lanes 8x4', 'tiled 32x32x8 4x4', 'tiled 64x64x16 8x4 half'];
for (const variant of MATMUL_VARIANTS.filter((v) => CHECKED.includes(v.name))) {
  for (const shape of shapes.filter((s) => variant.supports(s))) {
    const { form, m, n, k } = shape;
    const [left, right] = [exact(m * k, 1), exact(k * n, 2)];
    const a = await operand(left, form === 'TN' ? k : m, isHalf(shape, 'a'));
    const b = await operand(right, form === 'NT' ? n : k, isHalf(shape, 'b'));
    const c = await operand(new Float32Array(m * n), m, false);
    await runLaunches(gpu, [matmulLaunch(variant, { ...shape, a, b, c })]);
    const got = (await readBack(gpu, c)).subarray(0, m * n);
    errors[`${variant.name} ${form} ${shape.f16}`] = relativeError(
      got,
      matmulReference(form, m, n, k, left, right),
    );
    free(a, b, c);
  }
}

{
  const s: AttentionShape = { batch: 2, sequence: 45, heads: 2, kvHeads: 1, headDim: 64 };
  const rows = s.batch * s.sequence;
  const [hidden, ld] = [s.heads * s.headDim, (s.heads + 2 * s.kvHeads) * s.headDim];
  const [input, gradient] = [noise(rows * ld, 3), noise(rows * hidden, 4)];
  const [qkv, dout] = [storage(gpu, input), storage(gpu, gradient)];
  const [out, lse, delta] = [rows * hidden, rows * s.heads, rows * s.heads].map((n) => storage(gpu, n));
  // Angles of zero: what is written then is the gradient itself.
  const angles = storage(
    gpu,
    ropeTable(s.sequence, s.headDim, 1e4).map((_, i) => (i % 2 === 0 ? 1 : 0)),
  );
  const dqkv = storage(gpu, rows * ld);
  const table = storage(gpu, new Uint32Array(PART_TABLE_BYTES / 4), true);
  const parts = new PartTable(table.buffer);
  const variant = tiledAttention(32 * 1024);
  const launches = [
    ...attentionLaunches(variant, 'forward', s, { qkv, out, lse }, parts, 1e12),
    ...attentionLaunches(variant, 'query', s, { qkv, out, dout, lse, angles, delta, dqkv }, parts, 1e12),
    ...attentionLaunches(variant, 'keyValue', s, { qkv, dout, lse, angles, delta, dqkv }, parts, 1e12),
  ];
  gpu.device.queue.writeBuffer(table.buffer, 0, parts.data);
  await runLaunches(gpu, launches);
  errors[`attention ${variant.name}`] = relativeError(
    await readBack(gpu, out),
    attentionReference(s, input).out,
  );
  errors[`attention gradient ${variant.name}`] = relativeError(
    await readBack(gpu, dqkv),
    attentionBackwardReference(s, input, gradient),
  );
}

// The estimate holds with f16 storage too.
{
  const config: ModelConfig = {
    vocabSize: 128,
    hiddenSize: 64,
    intermediateSize: 64,
    layers: 1,
    heads: 2,
    kvHeads: 1,
    tiedEmbeddings: false,
    ropeTheta: 10_000,
    rmsNormEps: 1e-5,
  };
  const optimizer = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 };
  const size = { config, batch: 1, sequence: 9, accumulation: 1, storage: 'f16' } as const;
  const engine = await createEngine({ gpu, ...size, optimizer });
  const maxBinding = gpu.adapter.maxStorageBufferBindingSize;
  const { total } = estimateMemory(config, 1, 9, { storage: 'f16', maxBinding });
  errors['memory estimate'] = Math.abs(engine.allocatedBytes / total - 1);
  engine.destroy();
}

console.log(JSON.stringify({ adapter: adapterLine(gpu.adapter), shaderF16: gpu.adapter.shaderF16, errors }));
gpu.device.destroy();
