/**
 * `npm run bench -- train`: tokens per second of the same Llama training step on our engine and on its peers, in one
 * Chromium run, and on our engine in Node (Dawn). Losses must agree to 1e-3 before anything is timed.
 *
 *   --sizes tiny,small,medium   from bench/train/problem.ts; 10m, 30m and 124m are for real GPUs
 *   --peers NAME,...            default all: jax-js webgpu, tfjs webgpu, tfjs webgl
 *   --rounds N                  timed steps of each at most (default 15)
 *   --budget SECONDS            timing per size, at least three rounds (default 60)
 *   --hardware                  the machine's GPU, not SwiftShader
 *   --no-node                   leave Node out
 *   --no-deep                   leave out the 12 layers on which only ours is measured: JavaScript and dispatches
 *
 * On a CPU driver a step also has its `cpu_ms`, the processor time of Chromium's GPU process, and the ratio its `cpu`: other
 * work on the machine lengthens these far less than the clock's.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleModule } from './lib/bundle.ts';
import { openChromium } from './lib/chromium.ts';
import { type Figure, reporter } from './lib/report.ts';
import { median, quantile, rounded } from './lib/statistics.ts';
import type { CandidateResult, Plan } from './train/compare.ts';
import { DEFAULT_SIZES, SIZES, type Size } from './train/problem.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    sizes: { type: 'string', default: DEFAULT_SIZES.join(',') },
    peers: { type: 'string', default: '' },
    rounds: { type: 'string', default: '15' },
    budget: { type: 'string', default: '60' },
    hardware: { type: 'boolean', default: false },
    'no-node': { type: 'boolean', default: false },
    'no-deep': { type: 'boolean', default: false },
  },
});
const list = (text: string) => text.split(',').filter((item) => item !== '');
const sizes = list(values.sizes).map((name): [string, Size] => {
  const size = SIZES[name];
  if (size === undefined) {
    console.error(`bench train: no size "${name}"; there are ${Object.keys(SIZES).join(', ')}`);
    process.exit(2);
  }
  return [name, size];
});
const report = reporter(values.json);
const plan = (size: Size): Plan => ({
  size,
  rounds: Number(values.rounds),
  budgetMs: Number(values.budget) * 1000,
});
let failed = false;

/** Median tokens per second, NaN where nothing was timed. */
const rate = (size: Size, ms: number) => (size.batch * size.sequence * 1000) / ms;

/** How many times faster ours was, round by round: both met the same load of the machine then. */
const pairedRatios = (own: readonly number[], peer: readonly number[]) =>
  peer.map((ms, round) => ms / (own[round] ?? Number.NaN)).filter(Number.isFinite);

function describe(name: string, size: Size, runtime: string, result: CandidateResult): void {
  const where = { size: name, runtime, engine: result.name, adapter: result.adapter };
  if (result.error !== undefined) {
    // A peer that cannot run a size is left out of its ratio and said so; ours must run.
    failed ||= !result.peer;
    report({ name: 'train.error', value: 1, unit: 'failures', ...where, error: result.error });
    return;
  }
  const perSecond = result.stepMs.map((ms) => rate(size, ms));
  const value = median(perSecond);
  const figure = (figureName: string, number: number, unit: string, more: Partial<Figure> = {}) =>
    report({ name: figureName, value: number, unit, ...where, ...more });
  figure('train.tokens_per_second', value, 'tokens/s', {
    p10: rounded(quantile(perSecond, 0.1)),
    p90: rounded(quantile(perSecond, 0.9)),
    steps: perSecond.length,
    step_ms: rounded(median(result.stepMs)),
    ...(!values.hardware && result.cpuMs.length > 0 && { cpu_ms: rounded(median(result.cpuMs)) }),
    loss_error: result.lossError,
  });
  figure('train.dispatches_per_step', result.dispatches, 'dispatches', { layers: size.config.layers });
  figure('train.bytes_allocated', result.bytes, 'bytes', { peak: result.peakBytes });
  if (result.javascriptMs.length > 0) {
    figure('train.js_per_step', median(result.javascriptMs), 'ms', {
      layers: size.config.layers,
      p10: rounded(quantile(result.javascriptMs, 0.1)),
      p90: rounded(quantile(result.javascriptMs, 0.9)),
    });
  }
}

const module = await bundleModule(fileURLToPath(new URL('train/page.ts', import.meta.url)));
const peers = list(values.peers);
const runs = sizes.map(([name, size]) => ({ name, size, names: peers }));
// Ours is always among the candidates; naming no peer leaves it alone.
if (!values['no-deep'] && SIZES['deep'] !== undefined) {
  runs.push({ name: 'deep', size: SIZES['deep'], names: ['ours'] });
}
for (const { name, size, names } of runs) {
  // A fresh browser for each size: pools and caches of the last one would count as held, and could crowd memory.
  const page = await openChromium({
    module,
    hardware: values.hardware,
    onLog: (line) => console.error(`  ${line.slice(0, 300)}`),
  });
  try {
    console.error(`${name}, Chromium ${page.version}`);
    const argument = { names, ...plan(size) };
    const results = await page.call<CandidateResult[]>('compare', argument);
    for (const result of results) describe(name, size, 'chromium', result);
    const own = results.find((result) => !result.peer);
    if (own === undefined) continue;
    const compared = results
      .filter((result) => result.peer && result.stepMs.length > 0)
      .map((result) => ({
        name: result.name,
        ratios: pairedRatios(own.stepMs, result.stepMs),
        cpu: median(pairedRatios(own.cpuMs, result.cpuMs)),
      }))
      .sort((x, y) => median(x.ratios) - median(y.ratios));
    const [best] = compared;
    if (best === undefined) continue;
    report({
      name: 'train.ratio_to_best_peer',
      value: median(best.ratios),
      unit: 'x',
      size: name,
      runtime: 'chromium',
      best_peer: best.name,
      p10: rounded(quantile(best.ratios, 0.1)),
      p90: rounded(quantile(best.ratios, 0.9)),
      peers: Object.fromEntries(compared.map((peer) => [peer.name, rounded(median(peer.ratios))])),
      ...(!values.hardware && { cpu: rounded(Math.min(...compared.map((peer) => peer.cpu))) }),
      adapter: own.adapter,
    });
  } finally {
    await page.close();
  }
}

if (!values['no-node']) {
  const register = new URL('../scripts/register.mjs', import.meta.url).href;
  const script = fileURLToPath(new URL('train/node.ts', import.meta.url));
  const child = spawnSync(
    process.execPath,
    ['--import', register, script, ...sizes.map(([, size]) => JSON.stringify(plan(size)))],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
      env: { ...process.env, ...(values.hardware ? { TABSWARM_GPU: 'hardware' } : {}) },
    },
  );
  const lines = child.stdout.split('\n').filter((line) => line.startsWith('['));
  for (const [i, [name, size]] of sizes.entries()) {
    const [result] = JSON.parse(lines[i] ?? '[]') as CandidateResult[];
    if (result !== undefined) describe(name, size, 'node', result);
    else {
      failed = true;
      console.error(`bench train: Node gave nothing for ${name} (exit ${child.signal ?? child.status})`);
    }
  }
}
process.exit(failed ? 1 : 0);
