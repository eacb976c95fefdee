/**
 * `npm run bench -- ui [--json] [--seconds 60] [--preset 1m] [--rounds 960] [--hardware] [--trace FILE]`: how the page
 * feels while it trains. Needs `npm run build`.
 *
 * - `ui.longtask_p99`: a host, one tab that trains in headless Chromium, `--seconds` of Chromium's own trace that begin
 *   with the first inner step and hold several rounds; the 99th percentile of the main thread's tasks of 1 ms or more
 *   (the many shorter ones would only flatter it). On a real GPU that is wall time. A software GPU takes every core from
 *   the page, so that wall time shows the scheduler's queue: there it is the task's own processor time. Both are printed.
 * - `ui.first_load_gzip`: bytes that index.html needs before the session (swarm, workers) is asked for.
 * - `ui.heap_growth`: share by which the heap grew in `npm run soak -- ui` of `--rounds` rounds.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright';
import type { AppState } from '../src/app/state.ts';
import { problemText } from '../src/ui/strings/problems.ts';
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
const times = (kind: 'wall' | 'cpu', min = 0) => tasks.map((t) => t[kind]).filter((ms) => ms >= min);
const p99 = (kind: 'wall' | 'cpu', min = 0) => quantile(times(kind, min), 0.99);
const clock = state.adapter?.software === true ? 'cpu' : 'wall';
const counted = times(clock, 1).length;
report({ name: 'ui.longtask_p99', value: p99(clock, 1), unit: 'ms', clock, tasks: counted, ...shared });
for (const kind of ['wall', 'cpu'] as const) {
  report({ name: `ui.longtask_p99_${kind}`, value: p99(kind, 1), unit: 'ms', ...shared });
  report({ name: `ui.task_p99_${kind}`, value: p99(kind), unit: 'ms', tasks: tasks.length, ...shared });
  report({ name: `ui.task_max_${kind}`, value: Math.max(...times(kind)), unit: 'ms', ...shared });
}
const long = times(clock, LONG_MS).length;
report({ name: 'ui.longtasks', value: long, unit: 'tasks', over: LONG_MS, clock, ...shared });
for (const { wall, cpu, what } of longest(5))
  report({ name: 'ui.longest_task', value: cpu, unit: 'ms', wall: Math.round(wall * 10) / 10, what });

const soak = await runUiSoak({ rounds: Number(options.rounds) });
report({
  name: 'ui.heap_growth',
  value: soak.growth,
  unit: 'share',
  rounds: soak.rounds,
  heap: soak.after.heap,
  nodes: soak.after.nodes - soak.before.nodes,
  listeners: soak.after.listeners - soak.before.listeners,
});

/** The tasks that the page itself worked on for longest. */
function longest(n: number): Task[] {
  return [...tasks].sort((a, b) => b.cpu - a.cpu).slice(0, n);
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
    if (fatal !== undefined) throw new Error(`The tab cannot train: ${problemText(fatal) || fatal.code}`);
    if (Date.now() > end) throw new Error(`The tab did not train within 3 minutes; it is ${activity}.`);
    await page.waitForTimeout(250);
  }
}
