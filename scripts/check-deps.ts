/**
 * Part of `npm run check`: the packages of package-lock.json may be used, run no script unasked at their installation,
 * and are the ones that were looked at (scripts/check/dependencies.ts). Reads files only.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import {
  dependencyProblems,
  type Installed,
  type Lock,
  type Manifest,
  type Policy,
} from './check/dependencies.ts';

const POLICY: Policy = {
  // node-datachannel and its binaries for each platform.
  spelled: { 'MPL 2.0': 'MPL-2.0' },
  withoutLicence: {},
};

const root = resolve(import.meta.dirname, '..');
const readJson = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** Packages for other platforms are in the lock and not here. */
const installed: Installed = (folder) => {
  const path = join(folder, 'package.json');
  if (!existsSync(join(root, path))) return null;
  return { ...(readJson(path) as Manifest), hasBindings: existsSync(join(root, folder, 'binding.gyp')) };
};

const lock = readJson('package-lock.json') as Lock;
const problems = dependencyProblems(readJson('package.json') as Manifest, lock, POLICY, installed);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  console.error(`dependencies: ${problems.length} problem(s)`);
  process.exit(1);
}
console.log(
  `dependencies: ${Object.keys(lock.packages).length - 1} packages, all with an allowed licence and a hash, no script unasked`,
);
