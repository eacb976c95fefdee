/**
 * Who may import what: every file belongs to the room (scripts/rooms.ts) whose folder is the longest that contains it,
 * and every import has to be allowed by that room. Types count like values: they too decide what can be changed alone.
 */
import { posix } from 'node:path';
import { isTesting, type Source } from './sources.ts';

export interface Room {
  /** One sentence: what lies in this folder. */
  readonly is: string;
  /** Rooms that its files may import, and single files (`room/file.ts`) of rooms that they may not. */
  readonly rooms: readonly string[];
  /** Packages that its files may import; `@scope/*` is every package of a scope, `node:*` every built-in of Node. */
  readonly packages: readonly string[];
  /** A room for tests only: it may use their helpers, and nothing that ships may import it. */
  readonly testing?: true;
}

/** By folder under src/, from the top down: a room may import only rooms below it. */
export type Rooms = Readonly<Record<string, Room>>;

/** Imports that break a rule for now: from a file to a file. */
export type Exceptions = readonly (readonly [from: string, to: string])[];

/** The room that holds a file; null when none does. */
export function roomOf(rooms: Rooms, path: string): string | null {
  for (let folder = posix.dirname(path); folder !== '.'; folder = posix.dirname(folder))
    if (Object.hasOwn(rooms, folder)) return folder;
  return null;
}

/** The file that a relative specifier names, from src/; null for a package. */
const fileOf = (from: string, specifier: string): string | null =>
  specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier.replace(/\?.*$/, '')) : null;

/** `node:fs`, `hono`, `@noble/hashes`: what package.json would name. */
const packageOf = (specifier: string): string =>
  specifier.startsWith('node:')
    ? specifier
    : specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');

const covers = (allowed: string, name: string): boolean =>
  allowed.endsWith('*') ? name.startsWith(allowed.slice(0, -1)) : allowed === name;

/** Files that a message names. */
const MAX_SHOWN = 3;

/** Every breach of the rules, and everything in the list of rooms that is not so (any more). */
export function importProblems(rooms: Rooms, sources: readonly Source[], exceptions: Exceptions): string[] {
  const used = new Map<string, Set<string>>(Object.keys(rooms).map((room) => [room, new Set()]));
  const usedExceptions = new Set<string>();
  const excepted = new Set(exceptions.map((pair) => pair.join(' -> ')));
  /** What each unlisted folder would need to be listed. */
  const unlisted = new Map<string, { rooms: Set<string>; packages: Set<string> }>();
  const problems = listProblems(rooms);
  /** Files that import what their room may not, by the rule that they break. */
  const refused = new Map<string, string[]>();
  const occupied = new Set<string>();

  for (const { path, imports, workers } of sources) {
    const room = roomOf(rooms, path);
    if (room !== null) occupied.add(room);
    const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
    if (room === null && !unlisted.has(folder))
      unlisted.set(folder, { rooms: new Set(), packages: new Set() });
    if (isTesting(path)) continue;
    for (const specifier of [...imports, ...workers]) {
      const file = fileOf(path, specifier);
      const name = packageOf(specifier);
      const target = file === null ? name : (roomOf(rooms, file) ?? posix.dirname(file));
      if (room === null) {
        const needs = unlisted.get(folder);
        if (file === null) needs?.packages.add(name);
        else if (target !== folder && !target.startsWith(`${folder}/`)) needs?.rooms.add(target);
        continue;
      }
      const pair = `${path} -> ${file}`;
      if (file !== null && rooms[room].testing !== true && (isTesting(file) || rooms[target]?.testing)) {
        if (excepted.has(pair)) usedExceptions.add(pair);
        else problems.push(`src/${path} imports src/${file}, which is only for tests`);
        continue;
      }
      if (target === room) continue;
      const allowance =
        file === null
          ? rooms[room].packages.find((allowed) => covers(allowed, name))
          : rooms[room].rooms.find((allowed) => allowed === target || allowed === file);
      if (allowance !== undefined) used.get(room)?.add(allowance);
      else {
        const rule = `"${room}" may not import "${target}"`;
        const importer = `src/${path}${file === null ? '' : ` (src/${file})`}`;
        refused.set(rule, [...(refused.get(rule) ?? []), importer]);
      }
    }
  }

  for (const [rule, importers] of refused) {
    const more = importers.length > MAX_SHOWN ? ` and ${importers.length - MAX_SHOWN} more` : '';
    problems.push(`${rule}: ${importers.slice(0, MAX_SHOWN).join(', ')}${more}`);
  }
  for (const [folder, needs] of unlisted)
    problems.push(
      `src/${folder} is in no room of scripts/rooms.ts; a line for it: '${folder}': { is: '', rooms: ${list(needs.rooms)}, packages: ${list(needs.packages)} },`,
    );
  for (const [room, { rooms: allowed, packages }] of Object.entries(rooms)) {
    if (!occupied.has(room)) problems.push(`scripts/rooms.ts: there is no file in src/${room}`);
    for (const allowance of [...allowed, ...packages])
      if (used.get(room)?.has(allowance) !== true)
        problems.push(`scripts/rooms.ts: "${room}" may import "${allowance}" and nowhere does`);
  }
  for (const pair of excepted)
    if (!usedExceptions.has(pair)) problems.push(`scripts/rooms.ts: the exception ${pair} is needed no more`);
  return [...problems, ...cycles(sources).map((cycle) => `import cycle: ${cycle.join(' -> ')}`)];
}

const list = (names: ReadonlySet<string>): string =>
  `[${[...names]
    .sort()
    .map((name) => `'${name}'`)
    .join(', ')}]`;

/** Rooms are listed from the top down, so that a glance shows what knows nothing of what. */
function listProblems(rooms: Rooms): string[] {
  const order = Object.keys(rooms);
  return order.flatMap((room, i) =>
    rooms[room].rooms
      .filter((other) => !/\.[a-z]+$/.test(other))
      .flatMap((other) => {
        const at = order.indexOf(other);
        if (at < 0) return [`scripts/rooms.ts: "${room}" may import "${other}", which is no room`];
        return at <= i ? [`scripts/rooms.ts: "${room}" may import "${other}", which is not below it`] : [];
      }),
  );
}

/**
 * One shortest cycle of every group of files that import each other, types included. Files in such a group cannot be
 * read, tested or replaced one at a time. A worker is a program of its own: starting it is no import, so it may share
 * the types of its messages with the file that starts it.
 */
export function cycles(sources: readonly Source[]): string[][] {
  const known = new Set(sources.map(({ path }) => path));
  const edges = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.map((s) => fileOf(path, s)).filter((file): file is string => file !== null && known.has(file)),
    ]),
  );
  const found: string[][] = [];
  const reported = new Set<string>();
  for (const start of known) {
    if (reported.has(start)) continue;
    const cycle = shortestWayBack(start, edges);
    if (cycle === null || cycle.some((file) => reported.has(file))) continue;
    for (const file of cycle) reported.add(file);
    found.push(cycle);
  }
  return found;
}

/** Breadth-first from a file to itself; null when no way leads back. */
function shortestWayBack(start: string, edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const next of edges.get(at) ?? []) {
      if (next === start) {
        const way = [start];
        for (let file: string | undefined = at; file !== undefined; file = cameFrom.get(file))
          way.unshift(file);
        return way;
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, at);
      queue.push(next);
    }
  }
  return null;
}
