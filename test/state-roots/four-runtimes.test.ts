/**
 * The promise behind certificates: the same submissions give the same state root on plain TypeScript, on Dawn in Node,
 * on Chromium and on Deno (wgpu and naga, another WebGPU implementation and shader compiler). A missing runtime fails.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleModule } from '../../bench/lib/bundle.ts';
import { openChromium } from '../../bench/lib/chromium.ts';
import { lavapipeIcd } from '../../scripts/browsers.ts';
import { nodeGpuEntry } from '../../src/kernels/node-gpu.ts';
import { cpuRoots, gpuRoots, makeScenarios, type RuntimeRoots, type Scenario } from './scenarios.ts';

const here = import.meta.dirname;
const DENO = resolve(here, '../../node_modules/deno/deno');
let scenarios: Scenario[];
let reference: RuntimeRoots;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tabswarm-roots-'));
  scenarios = await makeScenarios();
  reference = await cpuRoots(scenarios);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function check({ adapter, roots, saturated, compressed }: RuntimeRoots, expected: RegExp): void {
  console.log(`adapter: ${adapter}`);
  expect(adapter).toMatch(expected);
  expect(roots).toEqual(reference.roots);
  expect(saturated).toEqual(reference.saturated);
  expect(compressed).toBe(reference.compressed);
}

test('the reference moves at every step, and saturates only where it should', () => {
  for (const roots of reference.roots) expect(new Set(roots).size).toBe(3);
  expect(reference.saturated.map((n) => n > 0)).toEqual([false, false, false, true]);
});

test('Dawn in Node', async () => {
  check(await gpuRoots(scenarios, await nodeGpuEntry()), /\w/);
});

test('Chromium', async () => {
  const page = await openChromium({ module: await bundleModule(join(here, 'page.ts')) });
  try {
    check(await page.call<RuntimeRoots>('gpuRoots', scenarios), /\w/);
  } finally {
    await page.close();
  }
});

test('Deno: wgpu and naga, on lavapipe', async () => {
  const icd = lavapipeIcd();
  if (icd === null) throw new Error('lavapipe is not installed: run "npm run setup"');
  const [program, input] = [join(folder, 'deno.mjs'), join(folder, 'scenarios.json')];
  await writeFile(program, await bundleModule(join(here, 'deno.ts')));
  await writeFile(input, JSON.stringify(scenarios));
  const { stdout } = await promisify(execFile)(
    DENO,
    ['run', '--quiet', '--allow-read', '--allow-env', program, input],
    {
      env: { ...process.env, VK_ICD_FILENAMES: icd, XDG_RUNTIME_DIR: tmpdir(), DENO_NO_UPDATE_CHECK: '1' },
      maxBuffer: 1 << 24,
    },
  );
  check(JSON.parse(stdout), /llvmpipe|lavapipe/i);
});
