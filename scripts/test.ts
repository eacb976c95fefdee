/**
 * `npm test`: check, unit, browser and e2e, one after the other (two cores), then one closing line with the sum.
 * A stage that fails does not hide the next; any failure makes the exit code 1.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

mkdirSync('artifacts/reports', { recursive: true });

function run(command: string, args: string[]): boolean {
  return spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}

/** A runner that dies before it can write its report counts as one failure. */
function report(ok: boolean, file: string, read: (json: never) => Count): Count {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const count = read(JSON.parse(readFileSync(file, 'utf8')) as never);
  if (!ok && count.failed === 0) count.failed = 1;
  return count;
}

function vitest(config: string, name: string): Count {
  const file = `artifacts/reports/${name}.json`;
  rmSync(file, { force: true });
  const ok = run('npx', [
    'vitest',
    'run',
    '--config',
    config,
    '--reporter=dot',
    '--reporter=json',
    `--outputFile.json=${file}`,
  ]);
  return report(
    ok,
    file,
    (json: { numPassedTests: number; numFailedTests: number; numPendingTests: number }) => ({
      passed: json.numPassedTests,
      failed: json.numFailedTests,
      skipped: json.numPendingTests,
    }),
  );
}

function playwright(): Count {
  const file = 'artifacts/reports/e2e.json';
  rmSync(file, { force: true });
  const ok = run('npm', ['run', '--silent', 'e2e']);
  return report(
    ok,
    file,
    (json: { stats: { expected: number; unexpected: number; flaky: number; skipped: number } }) => ({
      passed: json.stats.expected,
      failed: json.stats.unexpected + json.stats.flaky,
      skipped: json.stats.skipped,
    }),
  );
}

/** Each `check:NAME` of package.json, so that none is forgotten. */
const CHECKS = Object.keys(
  (JSON.parse(readFileSync('package.json', 'utf8')) as { readonly scripts: Readonly<Record<string, string>> })
    .scripts,
).flatMap((name) => (name.startsWith('check:') ? [name.slice('check:'.length)] : []));
function checks(): Count {
  const failed = CHECKS.filter((name) => !run('npm', ['run', '--silent', `check:${name}`]));
  for (const name of failed) console.error(`check:${name} FAILED`);
  return { passed: CHECKS.length - failed.length, failed: failed.length, skipped: 0 };
}

const stages: [string, () => Count][] = [
  ['check', checks],
  ['unit', () => vitest('vitest.config.ts', 'unit')],
  ['browser', () => vitest('vitest.browser.config.ts', 'browser')],
  ['e2e', playwright],
];
const total: Count = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
for (const [name, stage] of stages) {
  console.log(`\n=== ${name} ===`);
  const start = Date.now();
  const count = stage();
  lines.push(
    `${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped (${Math.round((Date.now() - start) / 1000)} s)`,
  );
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}
console.log(`\n${lines.join('\n')}`);
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exit(total.failed > 0 ? 1 : 0);
