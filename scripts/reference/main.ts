/**
 * `npm run reference -- FILE... [--runtime chromium,node,deno] [--hardware]`: holds the training engine against golden
 * vectors, on three WebGPU implementations, and prints one JSON object per figure. Exits 1 when a figure is past its
 * tolerance, a file is broken or a runtime is missing (leave one out with --runtime).
 *
 * chromium: Dawn in the browser, on SwiftShader; node: Dawn, on SwiftShader; deno: wgpu/naga, on Mesa's lavapipe.
 * --hardware uses the machine's own GPU in all three.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleModule } from '../../bench/lib/bundle.ts';
import { openChromium, RuntimeMissingError } from '../../bench/lib/chromium.ts';
import type { ReferenceFigure } from '../../src/training/reference-check.ts';
import { lavapipeIcd } from '../browsers.ts';

const RUNTIMES = ['chromium', 'node', 'deno'] as const;
type Runtime = (typeof RUNTIMES)[number];
type Outcome = { path: string; figures: ReferenceFigure[] } | { path: string; error: string };

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const bin = (name: string) => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url));

interface Run {
  readonly paths: readonly string[];
  readonly hardware: boolean;
}

const runners: Record<Runtime, (run: Run) => AsyncIterable<Outcome>> = {
  async *chromium({ paths, hardware }) {
    const module = await bundleModule(here('page.ts'));
    const files = new Map(paths.map((path, i) => [`${i}`, new Uint8Array(readFileSync(path))]));
    const page = await openChromium({ module, files, hardware });
    try {
      for (const [i, path] of paths.entries()) {
        try {
          yield { path, figures: await page.call<ReferenceFigure[]>('checkUrl', `/files/${i}`) };
        } catch (error) {
          yield { path, error: message(error) };
        }
      }
    } finally {
      await page.close();
    }
  },

  async *node({ paths, hardware }) {
    const register = new URL('../register.mjs', import.meta.url).href;
    const env = hardware ? { TABSWARM_GPU: 'hardware' } : {};
    yield* outcomes(process.execPath, ['--import', register, here('node.ts'), ...paths], env);
  },

  async *deno({ paths, hardware }) {
    const icd = lavapipeIcd();
    if (!hardware && icd === null) {
      throw new RuntimeMissingError(
        'Mesa\'s lavapipe driver is not installed: run "npm run setup" (Debian: mesa-vulkan-drivers).',
      );
    }
    const folder = mkdtempSync(join(tmpdir(), 'reference-'));
    try {
      const module = join(folder, 'deno.mjs');
      writeFileSync(module, await bundleModule(here('deno.ts')));
      const args = [
        'run',
        '--no-config',
        '--no-remote',
        '--unstable-webgpu',
        '--allow-read',
        module,
        ...paths,
      ];
      const env = {
        DENO_NO_UPDATE_CHECK: '1',
        ...(hardware || icd === null ? {} : { VK_ICD_FILENAMES: icd }),
      };
      yield* outcomes(bin('deno'), args, env);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Reads a child's JSON lines; whatever else it prints goes to stderr. */
async function* outcomes(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): AsyncIterable<Outcome> {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), ...env },
  });
  const ended = new Promise<string | null>((done) => {
    child.once('error', (error) => done(message(error)));
    child.once('close', (code, signal) => done(code === 0 ? null : `exit ${signal ?? code}`));
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{"path":')) yield JSON.parse(line) as Outcome;
    else console.error(line);
  }
  const fault = await ended;
  if (fault !== null) throw new RuntimeMissingError(`${command}: ${fault}`);
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runtime: { type: 'string', default: RUNTIMES.join(',') },
    hardware: { type: 'boolean', default: false },
    // The output is JSON lines anyway; taken because every measuring command takes it.
    json: { type: 'boolean', default: false },
  },
});
const chosen = values.runtime.split(',').map((name) => name.trim());
const unknown = chosen.filter((name) => !(RUNTIMES as readonly string[]).includes(name));
if (positionals.length === 0 || unknown.length > 0) {
  if (unknown.length > 0) console.error(`reference: unknown runtime ${unknown.join(', ')}`);
  console.error(`usage: npm run reference -- FILE... [--runtime ${RUNTIMES.join(',')}] [--hardware]`);
  process.exit(2);
}
const paths = positionals.map((path) => resolve(path));
const unreadable = paths.filter((path) => {
  try {
    readFileSync(path);
    return false;
  } catch (error) {
    console.error(`reference: ${message(error)}`);
    return true;
  }
});
if (unreadable.length > 0) process.exit(2);

let figures = 0;
let failures = 0;
for (const runtime of chosen as Runtime[]) {
  const checked = new Set<string>();
  try {
    for await (const outcome of runners[runtime]({ paths, hardware: values.hardware })) {
      checked.add(outcome.path);
      const file = positionals[paths.indexOf(outcome.path)];
      if ('error' in outcome) {
        failures++;
        console.log(
          JSON.stringify({ name: 'reference.error', file, runtime, error: outcome.error, pass: false }),
        );
        continue;
      }
      for (const { name, value, unit, ...rest } of outcome.figures) {
        figures++;
        if (!rest.pass) failures++;
        console.log(JSON.stringify({ name, value, unit, file, runtime, ...rest }));
      }
    }
  } catch (error) {
    failures++;
    console.log(JSON.stringify({ name: 'reference.error', runtime, error: message(error), pass: false }));
  }
  for (const [i, path] of paths.entries()) {
    if (checked.has(path)) continue;
    failures++;
    const error = 'not checked: the runtime did not get to it';
    console.log(
      JSON.stringify({ name: 'reference.error', file: positionals[i], runtime, error, pass: false }),
    );
  }
}
console.error(`reference: ${figures} figures on ${chosen.join(', ')}, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
