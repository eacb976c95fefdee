/** In Chromium: checks the golden file served at a URL. Called by main.ts through Playwright. */
import { checkFile } from './check.ts';

const checkUrl = async (url: string) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return checkFile(new Uint8Array(await response.arrayBuffer()));
};

Object.assign(globalThis, { checkUrl });
