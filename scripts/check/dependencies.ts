/**
 * The packages of package-lock.json: may each be used, does none run code at its installation unasked, and is each the
 * one that was looked at. Only files are read, so the check needs no network.
 */
import { ALLOWED_LICENCES, allowsUse } from './licences.ts';

/** package.json, as far as this check reads it. */
export interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  readonly dependencies?: Names;
  readonly devDependencies?: Names;
  readonly optionalDependencies?: Names;
  readonly overrides?: Readonly<Record<string, unknown>>;
  readonly allowScripts?: Readonly<Record<string, boolean>>;
  readonly scripts?: Names;
}
type Names = Readonly<Record<string, string>>;

/** One package of the lock. */
export interface Locked {
  /** Its real name, where it is installed under another. */
  readonly name?: string;
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly license?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Names;
  readonly devDependencies?: Names;
  readonly optionalDependencies?: Names;
  readonly peerDependencies?: Names;
}
export interface Lock {
  readonly lockfileVersion: number;
  /** By folder; '' is the project. */
  readonly packages: Readonly<Record<string, Locked>>;
}

export interface Policy {
  /** What some packages write for a licence, and its SPDX name. */
  readonly spelled: Names;
  /** Packages whose entry names no licence: why they may be used all the same. */
  readonly withoutLicence: Names;
}

/** What lies in a folder of the lock; null: it is not installed here. */
export type Installed = (folder: string) => (Manifest & { readonly hasBindings: boolean }) | null;

const REGISTRY = 'https://registry.npmjs.org/';
const SHA_512 = /^sha512-[A-Za-z0-9+/]{86}==$/;
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'] as const;

/** `node_modules/a/node_modules/@b/c` is @b/c. */
const nameOf = (folder: string, entry: Locked): string =>
  entry.name ?? folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length);

/** Everything that is wrong, one line each. */
export function dependencyProblems(
  manifest: Manifest,
  lock: Lock,
  policy: Policy,
  installed: Installed,
): string[] {
  const folders = Object.keys(lock.packages).filter((folder) => folder !== '');
  return [
    ...(lock.lockfileVersion === 3 ? [] : [`the lock has version ${lock.lockfileVersion}, not 3`]),
    ...rootProblems(manifest, lock),
    ...reachProblems(manifest, lock),
    ...folders.flatMap((folder) => entryProblems(folder, manifest, lock, policy)),
    ...scriptProblems(manifest, lock, installed),
    ...staleProblems(lock, policy),
  ];
}

/** Names that package.json replaces by a folder of this project: the lock has no hash of them. */
const ownFolder = (manifest: Manifest, name: string): string | null => {
  const spec = manifest.overrides?.[name];
  return typeof spec === 'string' && spec.startsWith('file:./') ? spec.slice('file:./'.length) : null;
};

/** The lock names the same direct dependencies, at the versions that package.json asks for. */
function rootProblems(manifest: Manifest, lock: Lock): string[] {
  const problems: string[] = [];
  const root = lock.packages[''] ?? {};
  for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
    const [asked, locked] = [manifest[kind] ?? {}, root[kind] ?? {}];
    for (const name of new Set([...Object.keys(asked), ...Object.keys(locked)])) {
      if (asked[name] !== locked[name])
        problems.push(
          `${name}: package.json asks for ${asked[name] ?? 'nothing'}, the lock for ${locked[name] ?? 'nothing'} (${kind}); run "npm install"`,
        );
      const version = lock.packages[`node_modules/${name}`]?.version ?? null;
      const spec = asked[name] ?? '';
      // "24" is any 24.x.y, as types need it; everything else is written out.
      const fits = /^\d+$/.test(spec) ? version?.startsWith(`${spec}.`) === true : version === spec;
      if (asked[name] !== undefined && !fits)
        problems.push(`${name}: package.json asks for ${spec}, the lock has ${version ?? 'none'}`);
    }
  }
  for (const [name, spec] of Object.entries(manifest.overrides ?? {}))
    for (const [folder, entry] of Object.entries(lock.packages)) {
      if (folder === '' || nameOf(folder, entry) !== name || entry.version === undefined) continue;
      if (typeof spec === 'string' && ownFolder(manifest, name) === null && entry.version !== spec)
        problems.push(`${folder}: the override asks for ${spec}, the lock has ${entry.version}`);
    }
  return problems;
}

/** Every package that is needed is there, and none is there that nobody needs. */
function reachProblems(manifest: Manifest, lock: Lock): string[] {
  const problems: string[] = [];
  const reached = new Set<string>();
  const queue: [folder: string, name: string, needed: boolean][] = [];
  const add = (folder: string, names: Names | undefined, needed: boolean): void => {
    for (const name of Object.keys(names ?? {})) queue.push([folder, name, needed]);
  };
  add('', { ...manifest.dependencies, ...manifest.devDependencies }, true);
  add('', manifest.optionalDependencies, false);
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const [from, name, needed] = next;
    const found = resolveFrom(lock, from, name);
    if (found === null) {
      if (needed) problems.push(`${from === '' ? 'package.json' : from} needs ${name}, which the lock lacks`);
      continue;
    }
    if (reached.has(found)) continue;
    reached.add(found);
    const entry = lock.packages[found];
    if (entry.link === true && entry.resolved !== undefined) reached.add(entry.resolved);
    add(found, entry.dependencies, true);
    add(found, entry.optionalDependencies, false);
    add(found, entry.peerDependencies, false);
  }
  for (const folder of Object.keys(lock.packages))
    if (folder !== '' && !reached.has(folder))
      problems.push(`${folder} is in the lock, and nothing needs it`);
  return problems;
}

/** The folder that Node would find a package in, from a folder upwards. */
function resolveFrom(lock: Lock, folder: string, name: string): string | null {
  for (let from = folder; from !== ''; from = parentOf(from)) {
    const place = `${from}/node_modules/${name}`;
    if (Object.hasOwn(lock.packages, place)) return place;
  }
  const place = `node_modules/${name}`;
  return Object.hasOwn(lock.packages, place) ? place : null;
}

/** `node_modules/a/node_modules/b` lies in node_modules/a, and that in the project. */
function parentOf(folder: string): string {
  const at = folder.lastIndexOf('/node_modules/');
  return at < 0 ? '' : folder.slice(0, at);
}

/** Licence, source and hash of one package. */
function entryProblems(folder: string, manifest: Manifest, lock: Lock, policy: Policy): string[] {
  const entry = lock.packages[folder];
  const own = ownFolder(manifest, nameOf(folder, entry));
  // A folder of this project, once as a link and once as what the link leads to.
  if (own !== null && entry.link === true)
    return entry.resolved?.endsWith(own) === true
      ? []
      : [`${folder} links to ${entry.resolved}, not to ${own}`];
  const linkedTo = Object.entries(lock.packages).find(([, other]) => other.link && other.resolved === folder);
  if (linkedTo !== undefined && ownFolder(manifest, nameOf(...linkedTo)) !== null) return [];

  const name = nameOf(folder, entry);
  const problems: string[] = [];
  if (entry.version === undefined || !/^\d+\.\d+\.\d+/.test(entry.version))
    problems.push(`${folder} has no version`);
  if (entry.link === true) problems.push(`${folder} is a link to ${entry.resolved}: name it in overrides`);
  // Without an address npm takes name and version from its registry; the hash says whether it is the same.
  if (entry.resolved !== undefined && !entry.resolved.startsWith(`${REGISTRY}${name}/-/`))
    problems.push(`${folder} comes from ${entry.resolved}, not from ${REGISTRY}${name}`);
  if (!SHA_512.test(entry.integrity ?? '')) problems.push(`${folder} has no SHA-512 hash`);

  const licence = entry.license;
  if (licence === undefined) {
    if (policy.withoutLicence[name] === undefined)
      problems.push(
        `${folder} names no licence: read it, and list the package in scripts/check-deps.ts with why`,
      );
    return problems;
  }
  const spelled = policy.spelled[licence] ?? licence;
  const allowed = allowsUse(spelled, ALLOWED_LICENCES);
  if (allowed === null) problems.push(`${folder}: "${licence}" is no SPDX licence expression`);
  else if (!allowed)
    problems.push(`${folder}: the licence ${licence} is not on the list of scripts/check/licences.ts`);
  return problems;
}

/** Every package that runs a script at its installation is named in allowScripts, with true or false. */
function scriptProblems(manifest: Manifest, lock: Lock, installed: Installed): string[] {
  const problems: string[] = [];
  // "name" or "name@1.2.3"
  const named = new Set(Object.keys(manifest.allowScripts ?? {}).map((key) => key.replace(/(?<=.)@.*$/, '')));
  const used = new Set<string>();
  for (const [folder, entry] of Object.entries(lock.packages)) {
    if (folder === '' || entry.link === true) continue;
    const name = nameOf(folder, entry);
    if (entry.hasInstallScript === true) {
      used.add(name);
      if (!named.has(name))
        problems.push(
          `${folder} runs a script at its installation: name it in allowScripts with true or false`,
        );
    }
    const here = installed(folder);
    if (here === null) continue;
    if (here.version !== entry.version)
      problems.push(`${folder} is installed as ${here.version}, the lock has ${entry.version}: run "npm ci"`);
    const script = INSTALL_SCRIPTS.find((kind) => here.scripts?.[kind] !== undefined);
    if ((script !== undefined || here.hasBindings) && entry.hasInstallScript !== true)
      problems.push(`${folder} has ${script ?? 'a binding.gyp'}, and the lock does not say so`);
  }
  for (const name of named)
    if (!used.has(name)) problems.push(`allowScripts names ${name}, which runs no script`);
  return problems;
}

/** What the policy excuses and nothing needs any more. */
function staleProblems(lock: Lock, policy: Policy): string[] {
  const entries = Object.entries(lock.packages);
  return [
    ...Object.keys(policy.spelled)
      .filter((licence) => !entries.some(([, entry]) => entry.license === licence))
      .map((licence) => `scripts/check-deps.ts: no package says "${licence}" any more`),
    ...Object.keys(policy.withoutLicence)
      .filter(
        (name) => !entries.some(([at, entry]) => nameOf(at, entry) === name && entry.license === undefined),
      )
      .map((name) => `scripts/check-deps.ts: ${name} is not there, or names its licence now`),
  ];
}
