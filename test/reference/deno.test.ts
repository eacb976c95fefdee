/**
 * On Deno: wgpu and naga instead of Dawn, and the one runtime of the test machine whose adapter has shader-f16. So it is
 * here that f16 storage is held against PyTorch, and its kernels against their plain forms, at every test run.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { bundleModule } from '../../bench/lib/bundle.ts';
import { lavapipeIcd } from '../../scripts/browsers.ts';
import type { ReferenceFigure } from '../../src/training/reference-check.ts';

const root = resolve(import.meta.dirname, '../..');
const vectors = ['llama-gqa', 'llama-tied'].map((name) => `test/vectors/${name}.safetensors`);
const run = promisify(execFile);

test('f32 and f16 storage equal PyTorch within their tolerances', async () => {
  const register = resolve(root, 'scripts/register.mjs');
  // Exits with 1, and so rejects, where any figure is past its tolerance.
  const { stdout } = await run(
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

test('every product with f16 operands, and attention in large blocks', async () => {
  const icd = lavapipeIcd();
  if (icd === null) throw new Error('lavapipe is not installed: run "npm run setup"');
  const folder = await mkdtemp(join(tmpdir(), 'tabswarm-kernels-'));
  try {
    const program = join(folder, 'kernels.mjs');
    await writeFile(program, await bundleModule(join(import.meta.dirname, 'kernels.deno.ts')));
    const { stdout } = await run(
      resolve(root, 'node_modules/deno/deno'),
      ['run', '--quiet', '--no-config', '--no-remote', '--unstable-webgpu', program],
      {
        env: { ...process.env, VK_ICD_FILENAMES: icd, XDG_RUNTIME_DIR: tmpdir(), DENO_NO_UPDATE_CHECK: '1' },
        maxBuffer: 1 << 24,
      },
    );
    const { shaderF16, errors }: { shaderF16: boolean; errors: Record<string, number> } = JSON.parse(stdout);
    expect(shaderF16).toBe(true);
    expect(Object.keys(errors).filter((name) => name.includes('half'))).not.toEqual([]);
    for (const [name, error] of Object.entries(errors)) expect(error, name).toBeLessThan(3e-6);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
