/** Where SwiftShader is: Chromium's Vulkan driver for the processor, on which Dawn runs without a graphics card. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const MANIFEST = 'vk_swiftshader_icd.json';

/** Folders of the browsers that Linux distributions and vendors install. */
const INSTALLED = [
  '/usr/lib/chromium',
  '/usr/lib64/chromium',
  '/usr/lib/chromium-browser',
  '/usr/lib64/chromium-browser',
  '/opt/google/chrome',
  '/opt/microsoft/msedge',
];

/** Where Playwright keeps the browsers that it downloads, by its own rules. */
function playwrightFolder(env: NodeJS.ProcessEnv): string {
  const own = env['PLAYWRIGHT_BROWSERS_PATH'];
  if (own !== undefined && own !== '' && own !== '0') return own;
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'ms-playwright');
}

/** Folders of Playwright's Chromium, the newest first. */
function playwrightChromiums(env: NodeJS.ProcessEnv): string[] {
  const folder = playwrightFolder(env);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^chromium(_headless_shell)?-\d+$/.test(name))
    .sort((a, b) => Number(b.split('-').at(-1)) - Number(a.split('-').at(-1)))
    .flatMap((name) => readdirSync(join(folder, name)).map((inner) => join(folder, name, inner)));
}

/** Path of SwiftShader's driver manifest, for the Vulkan loader; null where no Chromium has brought one. */
export function findSwiftShader(
  installed: readonly string[] = INSTALLED,
  env: NodeJS.ProcessEnv = process.env,
): string | null {
  for (const folder of [...installed, ...playwrightChromiums(env)]) {
    const path = join(folder, MANIFEST);
    if (existsSync(path)) return path;
  }
  return null;
}
