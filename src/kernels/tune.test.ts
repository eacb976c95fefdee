/** The tuning run: measures, serialises, and is ignored where it does not belong. */
import { expect, it } from 'vitest';
import { defaultChoice } from './choice.ts';
import { block4, lanes } from './matmul-registers.ts';
import type { MatmulShape } from './matmul-shape.ts';
import { testGpu } from './testing.ts';
import { choiceFrom, tune, tuningKey } from './tune.ts';

const shape: MatmulShape = { form: 'NN', m: 64, n: 64, k: 64 };

it('measures each variant on each shape once and its JSON makes the choice', async () => {
  const gpu = await testGpu();
  const result = await tune(gpu, [shape, shape, { ...shape, m: 53 }], {
    budgetMs: 60_000,
    variants: [block4, lanes(8, 4, 8, 8)],
  });
  expect(Object.keys(result.matmul)).toEqual(['NN 64x64x64']);
  const speeds = Object.values(result.measured['NN 64x64x64'] ?? {});
  expect(speeds).toHaveLength(2);
  for (const s of speeds) expect(s).toBeGreaterThan(0);
  const kept = JSON.parse(JSON.stringify(result)) as typeof result;
  expect(choiceFrom(gpu.adapter, kept).matmul(shape).name).toBe(result.matmul['NN 64x64x64']);
  const measured = { 'NN 64x64x64': { block4: 4000, 'lanes 8x4': 2000 } };
  expect(choiceFrom(gpu.adapter, { ...kept, measured }).dispatchFlops).toBe(4000e9 * 0.05);
});

it('falls back to the default: nothing stored, another adapter, an unknown variant, a shape not measured', async () => {
  const { adapter } = await testGpu();
  const usual = defaultChoice(adapter).matmul(shape).name;
  const tuned = { key: tuningKey(adapter), matmul: { 'NN 64x64x64': 'no such variant' }, measured: {} };
  const other = { ...tuned, key: 'other', matmul: { 'NN 64x64x64': 'lanes 16x8' } };
  expect(choiceFrom(adapter, undefined).matmul(shape).name).toBe(usual);
  expect(choiceFrom(adapter, other).matmul(shape).name).toBe(usual);
  expect(choiceFrom(adapter, tuned).matmul(shape).name).toBe(usual);
  expect(choiceFrom(adapter, { ...other, key: tuned.key }).matmul(shape).name).toBe('lanes 16x8');
  expect(choiceFrom(adapter, { ...other, key: tuned.key }).matmul({ ...shape, form: 'TN' }).name).toBe(usual);
});
