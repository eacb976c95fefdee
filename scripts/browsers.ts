/** Where the test browser and the software Vulkan drivers are on this machine, and the flags that tests start with. */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { chromium } from 'playwright';

/** A Chromium that can run headless with WebGPU, or null: $CHROMIUM, the system's, then Playwright's own. */
export function chromiumPath(): string | null {
  const candidates = [
    process.env.CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ];
  for (const path of candidates) if (path !== undefined && path !== '' && existsSync(path)) return path;
  const own = chromium.executablePath();
  return existsSync(own) ? own : null;
}

/** SwiftShader's Vulkan driver as Chromium ships it: Dawn in Node runs on it too. */
export function swiftshaderIcd(): string | null {
  const own = chromium.executablePath();
  for (const dir of ['/usr/lib/chromium', '/usr/lib64/chromium', dirname(own)]) {
    const path = join(dir, 'vk_swiftshader_icd.json');
    if (existsSync(path)) return path;
  }
  return null;
}

/** Mesa's CPU driver, which Deno's wgpu runs on. */
export function lavapipeIcd(): string | null {
  const dir = '/usr/share/vulkan/icd.d';
  if (!existsSync(dir)) return null;
  const file = readdirSync(dir).find((name) => name.startsWith('lvp_icd'));
  return file === undefined ? null : join(dir, file);
}

/**
 * Software WebGPU; loopback WebRTC without a network (needs the camera permission beside it, which only makes
 * Chromium list its interfaces); nothing that calls home.
 */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--allow-loopback-in-peer-connection',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-domain-reliability',
  '--no-pings',
  '--disable-default-apps',
  // Tabs of one headless browser all count as hidden; a volunteer's visible tab is not throttled either.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
];
