/**
 * `npm run reference` on Deno: wgpu and naga instead of Dawn, and the one runtime of the test machine whose adapter has
 * shader-f16. So it is here that both storage types, f32 and f16, are held against PyTorch at every test run.
 */
import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { ReferenceFigure } from '../../src/training/reference-check.ts';

const root = resolve(import.meta.dirname, '../..');
const vectors = ['llama-gqa', 'llama-tied'].map((name) => `test/vectors/${name}.safetensors`);

test('f32 and f16 storage equal PyTorch within their tolerances', { timeout: 180_000 }, async () => {
  const register = resolve(root, 'scripts/register.mjs');
  // Exits with 1, and so rejects, where any figure is past its tolerance.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', register, 'scripts/reference/main.ts', ...vectors, '--runtime', 'deno'],
    { cwd: root, maxBuffer: 1 << 24 },
  );
  const figures = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): ReferenceFigure & { file: string } => JSON.parse(line));
  console.log(`adapter: ${figures[0]?.adapter}`);
  for (const file of vectors) {
    const of = (dtype: string) => figures.filter((f) => f.file === file && f.dtype === dtype);
    expect(of('f32').length).toBeGreaterThan(50);
    expect(of('f16').map(({ name, tensor, step }) => ({ name, tensor, step }))).toEqual(
      of('f32').map(({ name, tensor, step }) => ({ name, tensor, step })),
    );
    // Rounding to eleven bits shows: this was another kernel, not f32 once more.
    const logits = of('f16').find(({ name }) => name === 'reference.logits');
    expect(logits?.value).toBeGreaterThan(1e-5);
  }
  expect(figures.filter(({ pass }) => !pass)).toEqual([]);
});
