/** Where a Node peer keeps things of its user: what must not get lost (keys), and what can be had again (data). */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Keys. By the XDG base directory specification `$XDG_STATE_HOME/tabswarm`; on Windows the user's local data. */
export const stateFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(own(env, 'XDG_STATE_HOME', '.local/state'), 'tabswarm');

/** Blobs of runs and measurements of graphics cards. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  join(own(env, 'XDG_CACHE_HOME', '.cache'), 'tabswarm');

function own(env: NodeJS.ProcessEnv, name: string, otherwise: string): string {
  // The specification has relative paths ignored.
  const named = env[name] ?? '';
  if (isAbsolute(named)) return named;
  const local = env['LOCALAPPDATA'] ?? '';
  return process.platform === 'win32' && local !== '' ? local : join(homedir(), otherwise);
}
