/** Tuning results survive in IndexedDB and are found by adapter, kernel version and shapes only. */
import { expect, test } from 'vitest';
import type { Tuning } from '../kernels/tune.ts';
import { browserTunings } from './tuning-store.ts';

test('what was measured is found again, under its key only', async () => {
  const tuning: Tuning = {
    key: '1 a gpu',
    matmul: { 'NN 64x64x64': 'tiled' },
    measured: { 'NN 64x64x64': { tiled: 900 } },
    storage: 'f32',
    attention: { plain64: 12 },
  };
  expect(await browserTunings.load('1 a gpu shapes')).toBeUndefined();
  await browserTunings.save('1 a gpu shapes', tuning);
  expect(await browserTunings.load('1 a gpu shapes')).toEqual(tuning);
  expect(await browserTunings.load('2 a gpu shapes')).toBeUndefined();
});
