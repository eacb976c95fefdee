/**
 * `npm run attack -- [NAME|FILE.mjs] [options]`: starts command.ts where it runs fastest. Without a GPU that is Deno on
 * Mesa's lavapipe with one thread, if both are there; else, and with TABSWARM_GPU=hardware, Dawn in this Node.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { lavapipeIcd } from '../scripts/browsers.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const deno = here('../node_modules/.bin/deno');
const icd = lavapipeIcd();

if (process.env['TABSWARM_GPU'] === 'hardware' || icd === null || !existsSync(deno)) {
  await import('./command.ts');
} else {
  const flags = ['--no-remote', '--no-lock', '--node-modules-dir=manual', '--unstable-webgpu', '--allow-all'];
  const preload = ['--preload', here('../scripts/register.mjs')];
  const child = spawnSync(deno, ['run', ...flags, ...preload, here('command.ts'), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: {
      ...process.env,
      DENO_NO_UPDATE_CHECK: '1',
      VK_ICD_FILENAMES: icd,
      // One thread does the most work for its time on a small model, and leaves the order of sums fixed.
      LP_NUM_THREADS: '1',
      XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
    },
  });
  if (child.error !== undefined) console.error(`Deno did not start: ${child.error.message}`);
  process.exit(child.status ?? 2);
}
