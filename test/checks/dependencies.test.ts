/** The check of dependencies: licences by SPDX's grammar, install scripts by name, and a lock that is whole. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import {
  dependencyProblems,
  type Installed,
  type Lock,
  type Locked,
  type Manifest,
  type Policy,
} from '../../scripts/check/dependencies.ts';
import { allowsUse } from '../../scripts/check/licences.ts';

describe('licences', () => {
  const allowed = new Set(['MIT', 'Apache-2.0', 'ISC', 'GPL-2.0 WITH Classpath-exception-2.0']);
  it.each([
    ['MIT', true],
    ['(MIT)', true],
    ['MIT+', true],
    ['GPL-3.0-only', false],
    ['BUSL-1.1', false],
    ['UNLICENSED', false],
    ['GPL-3.0-only OR MIT', true],
    ['MIT OR GPL-3.0-only', true],
    ['GPL-3.0-only AND MIT', false],
    // AND binds closer than OR.
    ['MIT OR GPL-3.0-only AND LGPL-3.0', true],
    ['GPL-3.0-only AND MIT OR LGPL-3.0', false],
    ['(MIT OR GPL-3.0-only) AND LGPL-3.0', false],
    ['(MIT OR GPL-3.0-only) AND (Apache-2.0 OR LGPL-3.0)', true],
    ['((ISC))', true],
    ['GPL-2.0 WITH Classpath-exception-2.0', true],
    ['GPL-2.0 WITH Font-exception-2.0', false],
    ['MIT WITH Font-exception-2.0', false],
    ['LicenseRef-own', false],
    ['DocumentRef-a:LicenseRef-b', false],
  ])('%s: %s', (expression, answer) => {
    expect(allowsUse(expression, allowed)).toBe(answer);
  });

  it.each([
    '',
    ' ',
    'MPL 2.0',
    'SEE LICENSE IN LICENSE.txt',
    'MIT/X11',
    'MIT OR',
    'OR MIT',
    'AND',
    'MIT AND OR ISC',
    '(MIT',
    'MIT)',
    '()',
    'MIT WITH',
    'MIT ISC',
    'MIT or ISC',
    'MIT, ISC',
  ])('%j is no expression', (expression) => {
    expect(allowsUse(expression, allowed)).toBeNull();
  });
});

const HASH = `sha512-${'a'.repeat(86)}==`;
const entry = (more: Locked = {}): Locked => ({ version: '1.0.0', integrity: HASH, license: 'MIT', ...more });
const manifest: Manifest = {
  dependencies: { app: '1.0.0', '@types/x': '1' },
  devDependencies: { tool: '1.0.0' },
  overrides: { stub: 'file:./stubs/stub', deep: '1.0.0' },
  allowScripts: { native: true },
};
/** A lock in which all is well, with `change` over its packages; undefined takes one out. */
function lockWith(change: Record<string, Locked | undefined> = {}, root: Manifest = manifest): Lock {
  const { dependencies = {}, devDependencies = {} } = root;
  const packages: Record<string, Locked | undefined> = {
    '': { dependencies, devDependencies },
    'node_modules/app': entry({
      dependencies: { deep: '^1.0.0', native: '1' },
      peerDependencies: { stub: '*' },
    }),
    'node_modules/app/node_modules/deep': entry(),
    'node_modules/deep': entry(),
    'node_modules/native': entry({ hasInstallScript: true, optionalDependencies: { absent: '*' } }),
    'node_modules/@types/x': entry({ version: '1.9.3' }),
    'node_modules/tool': entry({ dependencies: { deep: '*' } }),
    'node_modules/stub': { link: true, resolved: 'node_modules/app/stubs/stub' },
    'node_modules/app/stubs/stub': {},
    ...change,
  };
  const present = Object.entries(packages).filter((pair): pair is [string, Locked] => pair[1] !== undefined);
  return { lockfileVersion: 3, packages: Object.fromEntries(present) };
}
const NONE: Policy = { spelled: {}, withoutLicence: {} };
const nothingInstalled: Installed = () => null;
const check = (
  lock: Lock,
  {
    of = manifest,
    policy = NONE,
    installed = nothingInstalled,
  }: Partial<{ of: Manifest; policy: Policy; installed: Installed }> = {},
) => dependencyProblems(of, lock, policy, installed);

test('a lock in which all is well has no problems', () => {
  expect(check(lockWith())).toEqual([]);
});

test.each<[string, Record<string, Locked | undefined>, RegExp]>([
  [
    'a licence that is not on the list',
    { 'node_modules/tool': entry({ license: 'AGPL-3.0-only', dependencies: { deep: '*' } }) },
    /tool: the licence AGPL/,
  ],
  [
    'words for a licence',
    { 'node_modules/deep': entry({ license: 'Public Domain' }) },
    /deep: "Public Domain" is no SPDX/,
  ],
  ['no licence', { 'node_modules/deep': { version: '1.0.0', integrity: HASH } }, /deep names no licence/],
  ['no hash', { 'node_modules/deep': { version: '1.0.0', license: 'MIT' } }, /deep has no SHA-512 hash/],
  [
    'a weak hash',
    { 'node_modules/deep': entry({ integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }) },
    /deep has no SHA-512/,
  ],
  [
    'another registry',
    { 'node_modules/deep': entry({ resolved: 'https://npm.example.org/deep/-/deep-1.0.0.tgz' }) },
    /deep comes from/,
  ],
  [
    'a repository',
    { 'node_modules/deep': entry({ resolved: 'git+ssh://git@github.com/x/deep.git#abc' }) },
    /deep comes from/,
  ],
  [
    'another package’s archive',
    { 'node_modules/deep': entry({ resolved: 'https://registry.npmjs.org/evil/-/evil-1.0.0.tgz' }) },
    /deep comes from/,
  ],
  [
    'a link that no override names',
    { 'node_modules/deep': { link: true, resolved: '../deep' } },
    /deep is a link/,
  ],
  ['a link to elsewhere', { 'node_modules/stub': { link: true, resolved: '../other' } }, /stub links to/],
  [
    'a script that nobody named',
    { 'node_modules/deep': entry({ hasInstallScript: true }) },
    /deep runs a script/,
  ],
  [
    'a script deep inside',
    { 'node_modules/app/node_modules/deep': entry({ hasInstallScript: true }) },
    /app\/node_modules\/deep runs a script/,
  ],
  ['a missing package', { 'node_modules/native': undefined }, /app needs native, which the lock lacks/],
  [
    'a package that nobody needs',
    { 'node_modules/stray': entry() },
    /stray is in the lock, and nothing needs it/,
  ],
  [
    'another version than asked for',
    { 'node_modules/tool': entry({ version: '1.0.1', dependencies: { deep: '*' } }) },
    /tool: package.json asks for 1.0.0, the lock has 1.0.1/,
  ],
  [
    'another major version of types',
    { 'node_modules/@types/x': entry({ version: '10.0.0' }) },
    /@types\/x: package.json asks for 1, /,
  ],
  [
    'an override that is not kept',
    { 'node_modules/app/node_modules/deep': entry({ version: '1.0.2' }) },
    /override asks for 1.0.0/,
  ],
])('%s is a problem', (_, change, message) => {
  expect(check(lockWith(change)).join('\n')).toMatch(message);
});

test('package.json and lock name the same', () => {
  const more = { ...manifest, devDependencies: { ...manifest.devDependencies, late: '2.0.0' } };
  expect(check(lockWith(), { of: more }).join('\n')).toMatch(
    /late: package.json asks for 2.0.0, the lock for nothing/,
  );
  const fewer = { ...manifest, devDependencies: {} };
  expect(check(lockWith(), { of: fewer }).join('\n')).toMatch(/tool: package.json asks for nothing/);
  const loose = { ...manifest, devDependencies: { tool: '^1.0.0' } };
  expect(check(lockWith({}, loose), { of: loose }).join('\n')).toMatch(
    /tool: package.json asks for \^1.0.0, the lock has 1.0.0/,
  );
});

test('what is installed has to be what the lock says, scripts included', () => {
  const installed =
    (name: string, what: ReturnType<Installed>): Installed =>
    (folder) =>
      folder === `node_modules/${name}` ? what : null;
  const plain = { version: '1.0.0', hasBindings: false };
  const ask = (what: ReturnType<Installed>) => check(lockWith(), { installed: installed('deep', what) });
  expect(ask(plain)).toEqual([]);
  expect(ask({ ...plain, scripts: { test: 'x', prepare: 'x' } })).toEqual([]);
  expect(ask({ ...plain, version: '1.0.9' })).toEqual([expect.stringContaining('installed as 1.0.9')]);
  for (const script of ['preinstall', 'install', 'postinstall'])
    expect(ask({ ...plain, scripts: { [script]: 'node x' } })).toEqual([
      expect.stringContaining(`deep has ${script}, and the lock does not say so`),
    ]);
  expect(ask({ ...plain, hasBindings: true })).toEqual([expect.stringContaining('binding.gyp')]);
});

test('exceptions are for what is there, and no longer', () => {
  const odd = lockWith({
    'node_modules/deep': entry({ license: 'MPL 2.0' }),
    'node_modules/app/node_modules/deep': { version: '1.0.0', integrity: HASH },
  });
  const policy: Policy = {
    spelled: { 'MPL 2.0': 'MPL-2.0' },
    withoutLicence: { deep: 'its README says MIT' },
  };
  expect(check(odd, { policy })).toEqual([]);
  expect(check(lockWith(), { policy })).toEqual([
    'scripts/check-deps.ts: no package says "MPL 2.0" any more',
    'scripts/check-deps.ts: deep is not there, or names its licence now',
  ]);
  const idle = { ...manifest, allowScripts: { native: true, '@types/x@1.9.3': false, gone: true } };
  expect(check(lockWith(), { of: idle })).toEqual([
    'allowScripts names @types/x, which runs no script',
    'allowScripts names gone, which runs no script',
  ]);
});

test('the lock of this project is read in full', () => {
  const read = (name: string) =>
    JSON.parse(readFileSync(resolve(import.meta.dirname, '../..', name), 'utf8'));
  const lock = read('package-lock.json') as Lock;
  const own = { ...(read('package.json') as Manifest), allowScripts: {} };
  const policy: Policy = { spelled: { 'MPL 2.0': 'MPL-2.0' }, withoutLicence: {} };
  const scripts = Object.values(lock.packages).filter((each) => each.hasInstallScript === true);
  const problems = check(lock, { of: own, policy });
  expect(problems.length).toBe(scripts.length);
  expect(scripts.length).toBeGreaterThan(0);
});
