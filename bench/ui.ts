/**
 * `npm run bench -- ui [--json] [--seconds 60] [--preset 1m] [--rounds 960] [--hardware] [--trace FILE]`: how the page
 * feels while it trains. Needs `npm run build`.
 *
 * - `ui.longtask_p99`: a host, one tab that trains in headless Chromium, `--seconds` of Chromium's own trace that begin
 *   with the first inner step and hold several rounds; the 99th percentile of the wall time of the main thread's tasks
 *   of 1 ms or more. The many shorter ones would only flatter it.
 * - `ui.first_load_gzip`: bytes that index.html needs before the session (swarm, workers) is asked for.
 * - `ui.heap_growth`: share by which the heap grew in `npm run soak -- ui` of `--rounds` rounds.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright';
import type { AppState } from '../src/app/state.ts';
import { adapterLine } from '../src/kernels/gpu.ts';
import { CHROMIUM_ARGS, chromiumPath } from '../scripts/browsers.ts';
import { runUiSoak } from '../scripts/soak/ui.ts';
import { startHost } from '../e2e/support/host.ts';
import { mainThreadTasks, type Task, TRACE_CATEGORIES } from './lib/main-thread.ts';
import { firstLoad } from './lib/page-weight.ts';
import { reporter } from './lib/report.ts';
import { quantile } from './lib/statistics.ts';

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '60' },
    preset: { type: 'string', default: '1m' },
    rounds: { type: 'string', default: '960' },
    hardware: { type: 'boolean', default: false },
    trace: { type: 'string' },
  },
});
const report = reporter(options.json);
/** Rounds of this length, so that a minute holds every phase several times. */
const ROUND_SECONDS = 15;
const LONG_MS = 50;

const weight = firstLoad(join(import.meta.dirname, '../dist/app'));
report({ name: 'ui.first_load_gzip', value: weight.gzip, unit: 'bytes', files: weight.files.length });

const { tasks, state } = await traced(Number(options.seconds));
const shared = {
  preset: options.preset,
  seconds: Number(options.seconds),
  adapter: state.adapter === null ? 'none' : adapterLine(state.adapter),
  rounds: state.rounds.length,
  innerSteps: state.totals.innerSteps,
};
const walls = (min: number) => tasks.map((t) => t.wall).filter((ms) => ms >= min);
const p99 = quantile(walls(1), 0.99);
report({ name: 'ui.longtask_p99', value: p99, unit: 'ms', tasks: walls(1).length, ...shared });
const cpu = tasks.map((t) => t.cpu).filter((ms) => ms >= 1);
report({ name: 'ui.longtask_p99_cpu', value: quantile(cpu, 0.99), unit: 'ms', ...shared });
report({
  name: 'ui.task_p99_all',
  value: quantile(walls(0), 0.99),
  unit: 'ms',
  tasks: tasks.length,
  ...shared,
});
report({ name: 'ui.task_max', value: Math.max(...walls(0)), unit: 'ms', ...shared });
report({ name: 'ui.longtasks', value: walls(LONG_MS).length, unit: 'tasks', over: LONG_MS, ...shared });
for (const { wall, cpu, what } of longest(tasks, 5))
  report({ name: 'ui.longest_task', value: wall, unit: 'ms', cpu: Math.round(cpu * 10) / 10, what });

const soak = await runUiSoak(Number(options.rounds));
report({
  name: 'ui.heap_growth',
  value: soak.growth,
  unit: 'share',
  rounds: soak.rounds,
  heap: soak.after.heap,
  nodes: soak.after.nodes - soak.before.nodes,
  listeners: soak.after.listeners - soak.before.listeners,
});

function longest(tasks: readonly Task[], n: number): Task[] {
  return [...tasks].sort((a, b) => b.wall - a.wall).slice(0, n);
}

/** The main thread's tasks of a tab that trains, and where it stood at the end. */
async function traced(seconds: number): Promise<{ tasks: Task[]; state: AppState }> {
  const software = '--use-webgpu-adapter=swiftshader';
  const host = await startHost(['--preset', options.preset, '--round-seconds', String(ROUND_SECONDS)]);
  const browser = await chromium.launch({
    executablePath: chromiumPath() ?? undefined,
    args: CHROMIUM_ARGS.filter((arg) => !(options.hardware && arg === software)),
  });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await context.grantPermissions(['camera', 'microphone'], { origin: host.url });
    const page = await context.newPage();
    await page.goto(host.url);
    await page.getByRole('button', { name: 'Start', exact: true }).click();
    const read = (): Promise<AppState> => page.evaluate(() => globalThis.tabswarm.state());
    await trains(page, read);
    await browser.startTracing(page, { categories: TRACE_CATEGORIES });
    await page.waitForTimeout(seconds * 1000);
    const trace = await browser.stopTracing();
    if (options.trace !== undefined) writeFileSync(options.trace, trace);
    return { tasks: mainThreadTasks(trace), state: await read() };
  } finally {
    await browser.close();
    await host.stop();
  }
}

/** Waits for the first inner step. Throws with what the page says when it cannot train. */
async function trains(page: Page, read: () => Promise<AppState>): Promise<void> {
  const end = Date.now() + 180_000;
  for (;;) {
    const { totals, problems, activity } = await read();
    if (totals.innerSteps > 0) return;
    const fatal = problems.find((p) => !p.recovering);
    if (fatal !== undefined) throw new Error(`The tab cannot train: ${fatal.message}`);
    if (Date.now() > end) throw new Error(`The tab did not train within 3 minutes; it is ${activity}.`);
    await page.waitForTimeout(250);
  }
}
