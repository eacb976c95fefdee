/** Every matmul variant against the plain loops: odd row counts, residual, accumulation, parts of wider matrices. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMatmul, matmulLaunch, splitMatmul } from './matmul.ts';
import { matmulReference } from './matmul.reference.ts';
import { block4 } from './matmul-registers.ts';
import { type MatmulForm, type MatmulVariant, ROW_PADDING } from './matmul-shape.ts';
import { MATMUL_VARIANTS, runsOn } from './matmul-variants.ts';
import { testGpu } from './testing.ts';
import { free, noise, readBack, relativeError, runLaunches, storage } from './testing-buffers.ts';

const FORMS: readonly MatmulForm[] = ['NT', 'NN', 'TN'];
const padded = (rows: number) => Math.ceil(rows / ROW_PADDING) * ROW_PADDING;

/** `rows` x `columns` of values in a matrix `width` wide from column `first`, zero rows below. */
function embed(
  values: Float32Array,
  rows: number,
  columns: number,
  width: number,
  first: number,
): Float32Array {
  const out = new Float32Array(padded(rows) * width);
  for (let i = 0; i < rows; i++) out.set(values.subarray(i * columns, (i + 1) * columns), i * width + first);
  return out;
}

async function check(
  variant: MatmulVariant,
  form: MatmulForm,
  m: number,
  n: number,
  k: number,
  options: { residual: boolean; accumulate: boolean; wider: boolean },
): Promise<void> {
  const gpu = await testGpu();
  const extra = options.wider ? 64 : 0;
  const shape = {
    form,
    m,
    n,
    k: form === 'TN' ? Math.ceil(k / 4) * 4 : k,
    lda: (form === 'TN' ? m : k) + 2 * extra,
    aColumn: extra,
    ldc: n + 2 * extra,
    cColumn: extra,
  };
  if (!variant.supports(shape)) return;
  const left = noise(m * k, 1);
  const right = noise(k * n, 2);
  const before = noise(m * n, 3);
  const added = noise(m * n, 4);
  const a = storage(
    gpu,
    form === 'TN' ? embed(left, k, m, shape.lda, extra) : embed(left, m, k, shape.lda, extra),
  );
  const b = storage(gpu, form === 'NT' ? right : embed(right, k, n, n, 0));
  const c = storage(gpu, embed(before, m, n, shape.ldc, extra));
  const d = storage(gpu, embed(added, m, n, shape.ldc, extra));
  await runLaunches(gpu, [
    matmulLaunch(variant, {
      ...shape,
      a,
      b,
      c,
      d: options.residual ? d : undefined,
      accumulate: options.accumulate,
    }),
  ]);
  const result = await readBack(gpu, c);
  free(a, b, c, d);
  const expected = matmulReference(form, m, n, k, left, right);
  const got = new Float64Array(m * n);
  for (let i = 0; i < m * n; i++) {
    if (options.residual) expected[i] = expected[i] + added[i];
    if (options.accumulate) expected[i] = expected[i] + before[i];
    got[i] = result[Math.floor(i / n) * shape.ldc + extra + (i % n)];
  }
  expect(relativeError(got, expected), `${variant.name} ${form} ${m}x${n}x${k}`).toBeLessThan(2e-6);
  // Nothing outside the part was touched.
  for (let i = 0; i < extra; i++) expect(result[i]).toBe(0);
}

/** One of each kind; compiling takes a CPU driver seconds for the large ones. */
const CHECKED = ['block4', 'lanes 8x8', 'broadcast 8x4', 'tiled 32x32x8 4x4', 'tiled 64x64x16 8x4'];
const { adapter } = await testGpu();
const variants = MATMUL_VARIANTS.filter((v) => CHECKED.includes(v.name) && runsOn(v, adapter));

describe.each(variants.map((v) => [v.name, v] as const))('%s', (_, variant) => {
  it('every form: residual, accumulating, part of a wider matrix', async () => {
    await check(variant, 'NT', 53, 128, 64, { residual: true, accumulate: false, wider: false });
    await check(variant, 'NN', 53, 128, 64, { residual: false, accumulate: false, wider: true });
    await check(variant, 'TN', 128, 128, 53, { residual: false, accumulate: true, wider: true });
  });
});

it('any rows, any multiple of 64 of columns', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...FORMS),
      fc.integer({ min: 1, max: 90 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      async (form, rows, columns, depth) => {
        const [m, k] = form === 'TN' ? [depth * 64, rows] : [rows, depth * 64];
        await check(MATMUL_VARIANTS[0], form, m, columns * 64, k, {
          residual: false,
          accumulate: false,
          wider: false,
        });
      },
    ),
    { numRuns: 12, seed: 7 },
  );
});

it('createMatmul runs on its own and refuses what it cannot do', async () => {
  const gpu = await testGpu();
  const matmul = await createMatmul(gpu, 64, 128, 64, { transposeB: true });
  const [a, b] = [noise(64 * 64, 5), noise(64 * 128, 6)];
  gpu.device.queue.writeBuffer(matmul.a, 0, a);
  gpu.device.queue.writeBuffer(matmul.b, 0, b);
  matmul.run();
  const got = await readBack(gpu, { buffer: matmul.c, offset: 0, size: matmul.c.size });
  expect(relativeError(got, matmulReference('NT', 64, 128, 64, a, b))).toBeLessThan(2e-6);
  matmul.destroy();
  await expect(createMatmul(gpu, 65, 64, 64)).rejects.toThrow(RangeError);
  await expect(createMatmul(gpu, 64, 64, 64, { transposeA: true, transposeB: true })).rejects.toThrow(
    RangeError,
  );
});

it('a product cut into parts is the same product', async () => {
  const gpu = await testGpu();
  for (const form of FORMS) {
    const [m, n, k] = form === 'TN' ? [192, 64, 53] : [150, 64, 64];
    const [left, right, before] = [noise(m * k, 1), noise(k * n, 2), noise(m * n, 3)];
    const a = storage(gpu, form === 'TN' ? embed(left, k, m, m, 0) : embed(left, m, k, k, 0));
    const b = storage(gpu, form === 'NT' ? right : embed(right, k, n, n, 0));
    const [c, d] = [storage(gpu, padded(m) * n), storage(gpu, embed(before, m, n, n, 0))];
    const whole = { form, m, n, k: Math.ceil(k / 4) * 4, a, b, c, d };
    const parts = splitMatmul(whole, m * n * k);
    expect(parts.length).toBeGreaterThan(1);
    expect(splitMatmul(whole, 1e12)).toEqual([whole]);
    await runLaunches(
      gpu,
      parts.map((part) => matmulLaunch(block4, part)),
    );
    const expected = matmulReference(form, m, n, k, left, right).map((x, i) => x + before[i]);
    expect(relativeError((await readBack(gpu, c)).subarray(0, m * n), expected)).toBeLessThan(2e-6);
    free(a, b, c, d);
  }
});
