/**
 * Starts the child that runs a list of simulations: Deno on Mesa's lavapipe with one thread, which does most on a
 * machine without a GPU; Dawn in Node; or the machine's own GPU with either.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { bundleModule } from '../../bench/lib/bundle.ts';
import { lavapipeIcd } from '../../scripts/browsers.ts';
import type { ByteCorpus } from './data.ts';
import type { Job } from './job.ts';
import { ResultSchema, type RunResult } from './result.ts';
import type { RunSettings } from './settings.ts';

export type Runtime = 'deno' | 'node';

export interface LaunchOptions {
  readonly runtime: Runtime;
  /** The machine's own GPU, not a software driver. */
  readonly hardware: boolean;
}

export class LaunchError extends Error {
  static override readonly name = 'LaunchError';
  override readonly name = 'LaunchError';
}

/** Deno where its software driver is installed or a real GPU is asked for; Dawn in Node elsewhere. */
export const defaultRuntime = (hardware: boolean): Runtime =>
  hardware || lavapipeIcd() !== null ? 'deno' : 'node';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

const JobLineSchema = v.union([
  v.strictObject({ run: v.number(), result: ResultSchema }),
  v.strictObject({ run: v.number(), error: v.string() }),
]);

export type Outcome = { settings: RunSettings; result: RunResult } | { settings: RunSettings; error: string };

/** Results in the order of `runs`, each as soon as it is there. Throws {@link LaunchError} when the child fails. */
export async function* launch(
  runs: readonly RunSettings[],
  corpora: ReadonlyMap<string, ByteCorpus>,
  options: LaunchOptions,
): AsyncGenerator<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'experiment-'));
  try {
    const job: { runs: readonly RunSettings[]; corpora: Record<string, Job['corpora'][string]> } = {
      runs,
      corpora: {},
    };
    for (const [name, corpus] of corpora) {
      const n = Object.keys(job.corpora).length;
      const [train, heldOut] = [join(folder, `${n}-train`), join(folder, `${n}-held-out`)];
      writeFileSync(train, corpus.train);
      writeFileSync(heldOut, corpus.heldOut);
      job.corpora[name] = { train, documents: corpus.documents, heldOut };
    }
    const path = join(folder, 'job.json');
    writeFileSync(path, JSON.stringify(job));
    const { command, args, env } =
      options.runtime === 'deno' ? await denoChild(folder, path, options) : nodeChild(path, options);
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(), ...env },
    });
    const ended = new Promise<string | null>((done) => {
      child.once('error', (error) => done(error.message));
      child.once('close', (code, signal) => done(code === 0 ? null : `exit ${signal ?? code}`));
    });
    for await (const line of createInterface({ input: child.stdout })) {
      if (!line.startsWith('{"run":')) {
        console.error(line);
        continue;
      }
      const parsed = v.parse(JobLineSchema, JSON.parse(line));
      const settings = runs[parsed.run];
      yield 'error' in parsed ? { settings, error: parsed.error } : { settings, result: parsed.result };
    }
    const fault = await ended;
    if (fault !== null) throw new LaunchError(`the runs ended early: ${command}: ${fault}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function denoChild(folder: string, job: string, { hardware }: LaunchOptions) {
  const icd = lavapipeIcd();
  if (!hardware && icd === null) {
    throw new LaunchError(
      'Mesa\'s lavapipe driver is not installed: run "npm run setup" (Debian: mesa-vulkan-drivers), or add --runtime node.',
    );
  }
  const module = join(folder, 'job.mjs');
  writeFileSync(module, await bundleModule(here('../job-deno.ts')));
  return {
    command: here('../../node_modules/.bin/deno'),
    args: ['run', '--no-config', '--no-remote', '--unstable-webgpu', '--allow-read', module, job],
    env: {
      DENO_NO_UPDATE_CHECK: '1',
      // One thread does the most work for its time on small models, and leaves the order of sums fixed.
      ...(hardware || icd === null ? {} : { VK_ICD_FILENAMES: icd, LP_NUM_THREADS: '1' }),
    },
  };
}

function nodeChild(job: string, { hardware }: LaunchOptions) {
  const register = new URL('../../scripts/register.mjs', import.meta.url).href;
  const env: Record<string, string> = hardware ? { TABSWARM_GPU: 'hardware' } : {};
  return { command: process.execPath, args: ['--import', register, here('../job-node.ts'), job], env };
}
