/**
 * `npm run setup`: makes sure the tests have a Chromium, a Vulkan loader and the software GPU drivers they run on,
 * installing what is missing, and says which it took. Every test command runs it first; it is quick when all is there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromiumPath, lavapipeIcd, swiftshaderIcd } from './browsers.ts';

const linux = process.platform === 'linux';

function run(command: string, args: string[]): boolean {
  console.log(`setup: ${command} ${args.join(' ')}`);
  return (
    spawnSync(command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0
  );
}

const has = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

/** Debian and its kin, where we may install: the system's Chromium brings SwiftShader, Mesa brings lavapipe. */
function aptInstall(packages: string[]): boolean {
  if (!linux || !has('apt-get')) return false;
  const sudo = process.getuid?.() === 0 ? [] : has('sudo') ? ['sudo', '-n'] : null;
  if (sudo === null) return false;
  const apt = (...args: string[]) => {
    const [command, ...rest] = [...sudo, 'apt-get', ...args];
    return run(command, rest);
  };
  // Lists may be old but good enough; refresh them only when the first try fails.
  return (
    apt('install', '-y', '-qq', ...packages) ||
    (apt('update', '-qq') && apt('install', '-y', '-qq', ...packages))
  );
}

if (chromiumPath() === null) {
  if (!aptInstall(['chromium'])) run('npx', ['playwright', 'install', '--with-deps', 'chromium']);
}
if (linux) {
  const vulkan = [
    '/usr/lib/x86_64-linux-gnu/libvulkan.so.1',
    '/usr/lib/aarch64-linux-gnu/libvulkan.so.1',
    '/usr/lib64/libvulkan.so.1',
  ];
  const missing = [
    ...(vulkan.some((path) => existsSync(path)) ? [] : ['libvulkan1']),
    ...(lavapipeIcd() === null ? ['mesa-vulkan-drivers'] : []),
  ];
  if (missing.length > 0) aptInstall(missing);
}

const chromium = chromiumPath();
if (chromium === null) {
  console.error(
    'setup: no Chromium. Install one (Debian: "apt-get install chromium"; elsewhere: "npx playwright install chromium") or point CHROMIUM at it.',
  );
  process.exit(1);
}
console.log(`setup: Chromium ${chromium}`);
console.log(
  `setup: SwiftShader for Node ${swiftshaderIcd() ?? 'none found: unit tests use the real GPU driver'}`,
);
if (linux)
  console.log(
    `setup: lavapipe for Deno ${lavapipeIcd() ?? 'none found (apt-get install mesa-vulkan-drivers)'}`,
  );
