/**
 * Part of `npm run check`: imports inside src/ may point only downward in the list of docs/architecture.md, never
 * round in a circle, and no source file may grow past the length where one subject has become two.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** Top to bottom. A folder may import itself and everything below. */
const LAYERS = [
  ['ui', 'cli', 'widget'],
  ['app'],
  ['host'],
  ['validator'],
  ['worker'],
  ['swarm'],
  ['gauntlet'],
  ['training'],
  ['sparseloco'],
  ['model'],
  ['kernels'],
  ['protocol'],
] as const;

/** Exceptions, each with its reason. */
const ALLOWED = new Set([
  // The manifest contains the model's configuration, which is a plain schema without further imports.
  'protocol -> model/config.ts',
]);

/** The house limit is "about 600 lines"; this leaves room for a long table. */
const MAX_LINES = 660;

const root = resolve(import.meta.dirname, '..');
const src = join(root, 'src');

function files(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? files(join(dir, e.name)) : /\.(ts|tsx)$/.test(e.name) ? [join(dir, e.name)] : [],
  );
}

const rank = new Map<string, number>(LAYERS.flatMap((names, i) => names.map((n) => [n, i] as const)));
const layerOf = (file: string) => relative(src, file).split('/')[0];

/** Relative imports of a file: static, re-exported, dynamic and `new URL(…, import.meta.url)` of workers. */
function imports(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(file, 'utf8');
  const found: { target: string; typeOnly: boolean }[] = [];
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"](\.[^'"]+)['"]|import\(\s*['"](\.[^'"]+)['"]|new URL\(\s*['"](\.[^'"]+\.ts)['"]/g;
  for (const m of text.matchAll(pattern)) {
    const spec = m[2] ?? m[3] ?? m[4];
    const target = resolve(dirname(file), spec.replace(/\?.*$/, ''));
    if (/\.(ts|tsx)$/.test(target)) found.push({ target, typeOnly: m[1] !== undefined });
  }
  return found;
}

const problems: string[] = [];
const graph = new Map<string, string[]>();
for (const file of files(src)) {
  const lines = readFileSync(file, 'utf8').split('\n').length;
  if (lines > MAX_LINES)
    problems.push(`${relative(root, file)} has ${lines} lines: split it (limit ${MAX_LINES})`);
  const layer = layerOf(file);
  if (!rank.has(layer)) {
    if (layer.includes('.')) continue;
    problems.push(`${relative(root, file)}: folder src/${layer} is not in the list of layers`);
    continue;
  }
  const test = /\.test\.tsx?$/.test(file) || /(^|\/)testing[./]/.test(relative(src, file));
  const edges: string[] = [];
  for (const { target, typeOnly } of imports(file)) {
    const to = layerOf(target);
    // Tests may reach sideways for fixtures; the shipped graph may not.
    if (!test && rank.has(to) && (rank.get(to) as number) < (rank.get(layer) as number)) {
      if (!ALLOWED.has(`${layer} -> ${relative(src, target)}`)) {
        problems.push(
          `${relative(root, file)} imports upward: ${relative(root, target)} (${layer} is below ${to})`,
        );
      }
    }
    if (!test && rank.get(to) === rank.get(layer) && to !== layer) {
      problems.push(`${relative(root, file)} imports sideways: ${relative(root, target)}`);
    }
    if (!typeOnly) edges.push(target);
  }
  graph.set(file, edges);
}

/** Depth-first search; reports each cycle once, by its first edge back. */
const state = new Map<string, 'open' | 'done'>();
function visit(file: string, path: string[]): void {
  if (state.get(file) === 'done') return;
  if (state.get(file) === 'open') {
    const cycle = [...path.slice(path.indexOf(file)), file].map((f) => relative(root, f));
    problems.push(`import cycle: ${cycle.join(' -> ')}`);
    return;
  }
  state.set(file, 'open');
  for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
  state.set(file, 'done');
}
for (const file of graph.keys()) visit(file, []);

if (problems.length > 0) {
  console.error(problems.join('\n'));
  console.error(`imports: ${problems.length} problem(s)`);
  process.exit(1);
}
console.log(`imports: ${graph.size} files, all downward, no cycles`);
