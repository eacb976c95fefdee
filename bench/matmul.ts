/**
 * `npm run bench -- matmul`: GFLOP/s of square f32 products in one Chromium, ours beside its peers'.
 *
 *   --max N        largest size (default 4096; 1024 on a software adapter, where larger ones take minutes each)
 *   --rounds N     timings of each at most (default 9)
 *   --budget S     seconds an engine may take per size (default 15)
 *   --hardware     the machine's GPU, not SwiftShader
 *
 * On a CPU driver each figure also says `cpu`: the same by the processor time of Chromium's GPU process, which other work on
 * the machine lengthens far less than the clock's.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleModule } from './lib/bundle.ts';
import { openChromium } from './lib/chromium.ts';
import { reporter } from './lib/report.ts';
import { median, quantile, rounded } from './lib/statistics.ts';
import type { MatmulEntry } from './matmul/page.ts';

const SIZES = [256, 512, 1024, 2048, 4096];

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    max: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    budget: { type: 'string', default: '15' },
    hardware: { type: 'boolean', default: false },
  },
});
const max = Number(values.max ?? (values.hardware ? 4096 : 1024));
const software = !values.hardware;
const report = reporter(values.json);
let failed = false;

const page = await openChromium({
  module: await bundleModule(fileURLToPath(new URL('matmul/page.ts', import.meta.url))),
  hardware: values.hardware,
  onLog: (line) => console.error(`  ${line.slice(0, 300)}`),
});
try {
  for (const n of SIZES.filter((size) => size <= max)) {
    const entries = await page.call<MatmulEntry[]>('load', n);
    const adapter = entries.find((entry) => !entry.peer)?.adapter;
    const runs = entries.map((entry) => ({ ...entry, ms: [] as number[], cpu: [] as number[], spent: 0 }));
    for (let i = 0; i < Number(values.rounds); i++) {
      for (const [engine, run] of runs.entries()) {
        if (run.error !== undefined || (i > 0 && run.spent > Number(values.budget) * 1000)) continue;
        const { repeats } = run;
        const before = await page.gpuProcessMs();
        const ms = await page.call<number>('round', { engine, repeats });
        run.spent += ms;
        run.ms.push(ms / repeats);
        run.cpu.push(((await page.gpuProcessMs()) - before) / repeats);
      }
    }
    const gflops = (ms: number) => (2 * n ** 3) / ms / 1e6;
    for (const { name: engine, peer, error, ms, cpu, variant } of runs) {
      if (error !== undefined) {
        failed ||= !peer;
        report({ name: 'matmul.error', value: 1, unit: 'failures', n, engine, adapter, error });
        continue;
      }
      report({
        name: 'matmul.gflops',
        value: gflops(median(ms)),
        unit: 'GFLOP/s',
        n,
        engine,
        variant,
        p10: rounded(gflops(quantile(ms, 0.9))),
        p90: rounded(gflops(quantile(ms, 0.1))),
        ...(software && { cpu: rounded(gflops(median(cpu))) }),
        rounds: ms.length,
        runtime: 'chromium',
        adapter,
      });
    }
    const own = runs.find((run) => !run.peer);
    // Round by round, since both met the same load of the machine then.
    const ratios = (peer: readonly number[], ours: readonly number[] = []) =>
      peer.map((value, i) => value / (ours[i] ?? Number.NaN)).filter(Number.isFinite);
    const peers = runs
      .filter((run) => run.peer && run.ms.length > 0)
      .map(({ name, ms, cpu }) => ({ name, wall: ratios(ms, own?.ms), cpu: ratios(cpu, own?.cpu) }))
      .sort((x, y) => median(x.wall) - median(y.wall));
    const [best] = peers;
    if (best === undefined) continue;
    // The best peer by the clock need not be the best by processor time.
    const cpu = Math.min(...peers.map((peer) => median(peer.cpu)));
    report({
      name: 'matmul.ratio_to_best_peer',
      value: median(best.wall),
      unit: 'x',
      n,
      best_peer: best.name,
      p10: rounded(quantile(best.wall, 0.1)),
      p90: rounded(quantile(best.wall, 0.9)),
      ...(software && { cpu: rounded(cpu) }),
      runtime: 'chromium',
      adapter,
    });
  }
  const left = SIZES.filter((size) => size > max);
  if (left.length > 0) {
    report({
      name: 'matmul.sizes_left_out',
      value: left.length,
      unit: 'sizes',
      sizes: left,
      reason: `over --max ${max}`,
    });
  }
} finally {
  await page.close();
}
process.exit(failed ? 1 : 0);
