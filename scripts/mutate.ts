/**
 * `npm run mutate -- [--room NAME] [--file PATH] [--tests PATH] [--jobs N] [--json]`: mutation tests (Stryker) of the
 * rooms whose mistakes cost a run its honesty. Not part of `npm test`: a room takes from minutes to an hour. Reports are
 * in artifacts/mutate/ROOM.html; --json prints one `{name, value, unit}` object a line.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { add, type Counts, countsOf, figures, line, type Report } from './mutate/report.ts';

const ROOMS = ['protocol', 'chain', 'gauntlet', 'validator', 'peer', 'sparseloco'];

const { values } = parseArgs({
  options: {
    /** One room instead of all; may be repeated. */
    room: { type: 'string', multiple: true },
    /** Only these files of the room, e.g. src/protocol/bytes.ts; may be repeated. */
    file: { type: 'string', multiple: true },
    /** Only these test files: quicker, and shows what a file's own tests notice; may be repeated. */
    tests: { type: 'string', multiple: true },
    /** Mutants tested at a time. Default: the machine's cores. */
    jobs: { type: 'string' },
    json: { type: 'boolean' },
  },
});

const rooms = values.room ?? ROOMS.filter((room) => existsSync(`src/${room}`));
const missing = rooms.filter((room) => !existsSync(`src/${room}`));
if (missing.length > 0 || (values.file !== undefined && rooms.length !== 1)) {
  console.error(missing.length > 0 ? `there is no src/${missing[0]}` : '--file needs one --room');
  process.exit(2);
}

mkdirSync('artifacts/mutate', { recursive: true });
const print = (name: string, counts: Counts): void => {
  if (values.json !== true) console.log(line(name, counts));
  else for (const figure of figures(name, counts)) console.log(JSON.stringify(figure));
};

let failed = false;
for (const room of rooms) {
  const report = `artifacts/mutate/${room}.json`;
  rmSync(report, { force: true });
  const env: NodeJS.ProcessEnv = { ...process.env, MUTATE_ROOM: room };
  if (values.file !== undefined) env.MUTATE_FILES = values.file.join(',');
  if (values.tests !== undefined) env.MUTATE_TESTS = values.tests.join(',');
  if (values.jobs !== undefined) env.MUTATE_CONCURRENCY = values.jobs;
  // Stryker's own lines go to stderr, so that stdout has figures only.
  const { status } = spawnSync('npx', ['stryker', 'run'], { stdio: ['ignore', 2, 2], env });
  if (status !== 0 || !existsSync(report)) {
    console.error(`mutate: ${room} could not be tested`);
    failed = true;
    continue;
  }
  const { files } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  const byFile = Object.entries(files).map(([path, { mutants }]) => [path, countsOf(mutants)] as const);
  if (values.json !== true) for (const [path, counts] of byFile) print(path, counts);
  print(room, add(byFile.map(([, counts]) => counts)));
}
process.exit(failed ? 1 : 0);
