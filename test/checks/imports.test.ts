/** The import check: what it reads of a file, what it allows, what it calls a cycle; and the table it writes. */
import { expect, test } from 'vitest';
import { cycles, importProblems, roomOf, type Rooms } from '../../scripts/check/graph.ts';
import { isTesting, parseSource } from '../../scripts/check/sources.ts';
import { withTable } from '../../scripts/check/table.ts';

const ROOMS: Rooms = {
  app: { is: 'session', rooms: ['platform/node', 'core', 'core/deep'], packages: [] },
  'platform/node': { is: 'files', rooms: ['core'], packages: ['node:*'] },
  core: { is: 'rules', rooms: [], packages: ['@scope/one', 'valibot'] },
  'core/deep': { is: 'more', rooms: ['core/plain.ts'], packages: [] },
};

/** A file for each pair of path and text, which together use every allowance above. */
const used: Record<string, string> = {
  'app/session.ts': `import { a } from '../platform/node/disk.ts'; import '../core/a.ts'; import '../core/deep/b.ts';`,
  'platform/node/disk.ts': `import { readFileSync } from 'node:fs'; import type { A } from '../../core/a.ts';`,
  'core/a.ts': `import * as v from 'valibot'; import { x } from '@scope/one/sub.js'; import './plain.ts';`,
  'core/plain.ts': 'export const plain = 1;',
  'core/deep/b.ts': `export { plain } from '../plain.ts';`,
};
const problems = (change: Record<string, string>, rooms = ROOMS, exceptions: [string, string][] = []) =>
  importProblems(
    rooms,
    Object.entries({ ...used, ...change }).map(([path, text]) => parseSource(path, text)),
    exceptions,
  );

test('every way to load a file or a package is read, and nothing that only looks like one', () => {
  const { imports, workers, texts } = parseSource(
    'app/a.ts',
    `import type { A } from './a.ts';
     import './b.ts';
     import text from './c.wgsl?raw';
     export * from './d.ts';
     export type { E } from './e.ts';
     const f = await import('./f.ts');
     type G = import('./g.ts').G;
     new Worker(new URL('./h.worker.ts', import.meta.url));
     // import './comment.ts'
     const shown = "import './text.ts'";
     const page = new URL('./i.ts', location.href);
     const both = \`\${shown} and \${page}\`;`,
  );
  expect(imports).toEqual(['./a.ts', './b.ts', './c.wgsl?raw', './d.ts', './e.ts', './f.ts', './g.ts']);
  expect(workers).toEqual(['./h.worker.ts']);
  expect(texts).toEqual(['./h.worker.ts', "import './text.ts'", './i.ts', '… and …']);
  expect(() => parseSource('app/a.ts', 'const = 1;')).toThrow('app/a.ts');
});

test('a file belongs to the longest folder that is listed', () => {
  expect(roomOf(ROOMS, 'core/deep/x/b.ts')).toBe('core/deep');
  expect(roomOf(ROOMS, 'core/a.ts')).toBe('core');
  expect(roomOf(ROOMS, 'platform/browser/a.ts')).toBeNull();
  expect(roomOf(ROOMS, 'main.ts')).toBeNull();
});

test('what is allowed passes', () => {
  expect(problems({})).toEqual([]);
});

test('rooms and packages that a room may not import are refused, as types and as workers too', () => {
  for (const text of [
    `import type { A } from '../app/session.ts';`,
    `let a: import('../app/session.ts').A;`,
    `new URL('../app/session.ts', import.meta.url);`,
  ])
    expect(problems({ 'core/new.ts': text })).toEqual([
      '"core" may not import "app": src/core/new.ts (src/app/session.ts)',
    ]);
  for (const [text, name] of [
    [`import { hostname } from 'node:os';`, 'node:os'],
    [`import { x } from '@scope/other/a.js';`, '@scope/other'],
    [`import { x } from 'valibot-more';`, 'valibot-more'],
  ])
    expect(problems({ 'core/new.ts': text })).toEqual([`"core" may not import "${name}": src/core/new.ts`]);
  const four = ['b', 'c', 'd', 'e'].map((name) => [`core/${name}.ts`, "import 'hono';"]);
  expect(problems(Object.fromEntries(four))).toEqual([
    '"core" may not import "hono": src/core/b.ts, src/core/c.ts, src/core/d.ts and 1 more',
  ]);
  // A single file is allowed, the rest of its room is not.
  expect(problems({ 'core/deep/c.ts': `import '../a.ts';` })).toEqual([
    '"core/deep" may not import "core": src/core/deep/c.ts (src/core/a.ts)',
  ]);
});

test('tests reach anywhere; what ships reaches no test, unless it is excepted for now', () => {
  const upward = `import '../app/session.ts'; import 'anything';`;
  expect(
    problems({ 'core/a.test.ts': upward, 'core/testing.ts': upward, 'core/testing/b.ts': upward }),
  ).toEqual([]);
  const ships = { 'core/testing-a.ts': '', 'core/new.ts': `import './testing-a.ts';` };
  expect(problems(ships)).toEqual(['src/core/new.ts imports src/core/testing-a.ts, which is only for tests']);
  expect(problems(ships, ROOMS, [['core/new.ts', 'core/testing-a.ts']])).toEqual([]);
  expect(problems({}, ROOMS, [['core/new.ts', 'core/testing-a.ts']])).toEqual([
    'scripts/rooms.ts: the exception core/new.ts -> core/testing-a.ts is needed no more',
  ]);
  expect(isTesting('core/testing.ts') && isTesting('core/deep/testing/a.tsx')).toBe(true);
  expect(isTesting('core/contesting.ts') || isTesting('core/testing.md.ts')).toBe(false);
});

test('a room for tests uses their helpers, within what it may import, and nothing that ships imports it', () => {
  const rooms: Rooms = {
    sim: { is: 'made-up world', rooms: ['core'], packages: [], testing: true },
    ...ROOMS,
  };
  const sim = { 'sim/a.ts': `import '../core/testing.ts';`, 'core/testing.ts': '' };
  expect(problems(sim, rooms)).toEqual([]);
  expect(problems({ ...sim, 'sim/b.ts': `import 'hono';` }, rooms)).toEqual([
    '"sim" may not import "hono": src/sim/b.ts',
  ]);
  expect(problems({ ...sim, 'core/new.ts': `import '../sim/a.ts';` }, rooms)).toEqual([
    'src/core/new.ts imports src/sim/a.ts, which is only for tests',
  ]);
});

test('an unlisted folder is an error that carries the line to add', () => {
  const text = `import '../core/a.ts'; import 'hono'; import type { T } from './types.ts';`;
  expect(problems({ 'chain/head.ts': text, 'chain/types.ts': '' })).toEqual([
    `src/chain is in no room of scripts/rooms.ts; a line for it: 'chain': { is: '', rooms: ['core'], packages: ['hono'] },`,
  ]);
});

test('the list stays true: no idle allowance, no empty room, nothing upward', () => {
  const rooms: Rooms = {
    ...ROOMS,
    core: { is: 'rules', rooms: ['app', 'nowhere'], packages: ['@scope/one', 'valibot', 'hono'] },
    sim: { is: 'nothing yet', rooms: [], packages: [] },
  };
  expect(problems({}, rooms)).toEqual([
    'scripts/rooms.ts: "core" may import "app", which is not below it',
    'scripts/rooms.ts: "core" may import "nowhere", which is no room',
    'scripts/rooms.ts: "core" may import "app" and nowhere does',
    'scripts/rooms.ts: "core" may import "nowhere" and nowhere does',
    'scripts/rooms.ts: "core" may import "hono" and nowhere does',
    'scripts/rooms.ts: there is no file in src/sim',
  ]);
});

test('cycles are found through types, each group once, and a worker closes none', () => {
  const sources = Object.entries({
    'a/one.ts': `import { two } from './two.ts';`,
    'a/two.ts': `import type { Three } from './three.ts';`,
    'a/three.ts': `import './one.ts'; import './two.ts';`,
    'a/self.ts': `import './self.ts';`,
    'b/start.ts': `new URL('./x.worker.ts', import.meta.url);`,
    'b/x.worker.ts': `import type { Message } from './start.ts';`,
  }).map(([path, text]) => parseSource(path, text));
  expect(cycles(sources)).toEqual([
    ['a/one.ts', 'a/two.ts', 'a/three.ts', 'a/one.ts'],
    ['a/self.ts', 'a/self.ts'],
  ]);
});

test('the table stands between its marks and only there', () => {
  const marks = ['<!-- rooms: written by `npm run rooms` from scripts/rooms.ts -->', '<!-- /rooms -->'];
  const page = withTable(`before\n${marks[0]}stale${marks[1]}\nafter`, ROOMS);
  expect(page).toMatch(/^before\n<!-- rooms.*<!-- \/rooms -->\nafter$/s);
  expect(page).toContain('| `src/platform/node/` | files | `core` | `node:*` |');
  expect(page).toContain('| `src/core/` | rules | nothing | `@scope/one`, `valibot` |');
  expect(page).not.toContain('stale');
  expect(withTable(page, ROOMS)).toBe(page);
  expect(() => withTable('no marks', ROOMS)).toThrow('the page needs');
});
