/** The search for SwiftShader, in folders made for it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findSwiftShader } from './swiftshader.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tabswarm-swiftshader-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function driver(...folder: string[]): string {
  const path = join(dir, ...folder, 'vk_swiftshader_icd.json');
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '{}');
  return path;
}

it('takes an installed browser’s before Playwright’s', () => {
  const playwright = driver('cache', 'ms-playwright', 'chromium-1200', 'chrome-linux');
  const env = { XDG_CACHE_HOME: join(dir, 'cache') };
  expect(findSwiftShader([join(dir, 'none')], env)).toBe(playwright);
  const installed = driver('usr', 'chromium');
  expect(findSwiftShader([join(dir, 'none'), dirname(installed)], env)).toBe(installed);
});

it('takes the newest of Playwright’s browsers, wherever Playwright was told to keep them', () => {
  driver('own', 'chromium-999', 'chrome-linux');
  const newest = driver('own', 'chromium_headless_shell-1010', 'chrome-linux');
  driver('own', 'firefox-2000', 'firefox');
  expect(findSwiftShader([], { PLAYWRIGHT_BROWSERS_PATH: join(dir, 'own') })).toBe(newest);
});

it('is null where there is none', () => {
  expect(findSwiftShader([], { XDG_CACHE_HOME: dir })).toBeNull();
});
