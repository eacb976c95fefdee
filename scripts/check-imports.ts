/**
 * Part of `npm run check`: files of src/ import only what scripts/rooms.ts allows their room and never round in a
 * circle, the table of rooms in docs/architecture.md is the list's, and no source file grows past the length where one
 * subject has become two. With `--write` (`npm run rooms`) the table is written.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { importProblems } from './check/graph.ts';
import { readSources } from './check/sources.ts';
import { withTable } from './check/table.ts';
import { EXCEPTIONS, ROOMS } from './rooms.ts';

/** The house limit is "about 600 lines"; this leaves room for a long table. */
const MAX_LINES = 660;

const root = resolve(import.meta.dirname, '..');
const page = join(root, 'docs/architecture.md');

const sources = readSources(join(root, 'src'));
const problems = importProblems(ROOMS, sources, EXCEPTIONS);
for (const { path, lines } of sources)
  if (lines > MAX_LINES) problems.push(`src/${path} has ${lines} lines: split it (limit ${MAX_LINES})`);

const text = readFileSync(page, 'utf8');
const wanted = withTable(text, ROOMS);
if (process.argv.includes('--write')) writeFileSync(page, wanted);
else if (wanted !== text)
  problems.push('docs/architecture.md: the table of rooms is stale; run `npm run rooms`');

if (problems.length > 0) {
  console.error(problems.join('\n'));
  console.error(`imports: ${problems.length} problem(s)`);
  process.exit(1);
}
console.log(
  `imports: ${sources.length} files in ${Object.keys(ROOMS).length} rooms, all as allowed, no cycles`,
);
