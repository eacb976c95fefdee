/** The tuning run: measures, serialises, and is ignored where it does not belong. */
import { expect, it } from 'vitest';
import type { AttentionShape } from './attention-frame.ts';
import { defaultChoice } from './choice.ts';
import { block4, lanes } from './matmul-registers.ts';
import type { MatmulShape } from './matmul-shape.ts';
import { testGpu } from './testing.ts';
import { choiceFrom, type Tuning, tune, tuningKey } from './tune.ts';

const shape: MatmulShape = { form: 'NN', m: 64, n: 64, k: 64 };
const attention: AttentionShape = { batch: 1, sequence: 24, heads: 2, kvHeads: 1, headDim: 8 };

it('measures each variant on each shape once and its JSON makes the choice', async () => {
  const gpu = await testGpu();
  const result = await tune(
    gpu,
    { products: [shape, shape, { ...shape, m: 53 }], f16: [], attention },
    {
      budgetMs: Number.POSITIVE_INFINITY,
      variants: [block4, lanes(8, 4, 8, 8)],
    },
  );
  expect(Object.keys(result.matmul)).toEqual(['NN 64x64x64']);
  const speeds = Object.values(result.measured['NN 64x64x64'] ?? {});
  expect(speeds).toHaveLength(2);
  for (const s of speeds) expect(s).toBeGreaterThan(0);
  const kept = JSON.parse(JSON.stringify(result)) as typeof result;
  expect(choiceFrom(gpu.adapter, kept).matmul(shape).name).toBe(result.matmul['NN 64x64x64']);
  // Without f16's products there is nothing to compare f32 with.
  expect(result.storage).toBe('f32');
  expect(choiceFrom(gpu.adapter, kept).attention(attention).name in result.attention).toBe(true);
  const measured = { 'NN 64x64x64': { block4: 4000, 'lanes 8x4': 2000 } };
  expect(choiceFrom(gpu.adapter, { ...kept, measured }).dispatchFlops).toBe(4000e9 * 0.05);
});

it('falls back to the default: nothing stored, another adapter, an unknown variant, a shape not measured', async () => {
  const { adapter } = await testGpu();
  const usual = defaultChoice(adapter).matmul(shape).name;
  const tuned: Tuning = {
    key: tuningKey(adapter),
    matmul: { 'NN 64x64x64': 'no such variant' },
    measured: {},
    storage: 'f16',
    attention: { 'no such variant': 1 },
  };
  const other: Tuning = { ...tuned, key: 'other', matmul: { 'NN 64x64x64': 'lanes 16x8' } };
  expect(choiceFrom(adapter, undefined).matmul(shape).name).toBe(usual);
  expect(choiceFrom(adapter, other).matmul(shape).name).toBe(usual);
  expect(choiceFrom(adapter, tuned).matmul(shape).name).toBe(usual);
  expect(choiceFrom(adapter, tuned).attention(attention).name).toBe(
    defaultChoice(adapter).attention(attention).name,
  );
  expect(choiceFrom({ ...adapter, shaderF16: false }, tuned).storage).toBe('f32');
  expect(choiceFrom({ ...adapter, shaderF16: true }, tuned).storage).toBe('f16');
  expect(choiceFrom(adapter, { ...other, key: tuned.key }).matmul(shape).name).toBe('lanes 16x8');
  expect(choiceFrom(adapter, { ...other, key: tuned.key }).matmul({ ...shape, form: 'TN' }).name).toBe(usual);
});
