/**
 * `npm run bench -- matmul`: GFLOP/s of square f32 products in one Chromium, ours beside its peers'.
 *
 *   --max N        largest size (default 4096; 1024 on a software adapter, where larger ones take minutes each)
 *   --rounds N     timings of each at most (default 9)
 *   --budget S     seconds an engine may take per size (default 15)
 *   --hardware     the machine's GPU, not SwiftShader
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleModule } from './lib/bundle.ts';
import { openChromium } from './lib/chromium.ts';
import { reporter } from './lib/report.ts';
import { median, quantile, rounded } from './lib/statistics.ts';
import type { MatmulPlan, MatmulResult } from './matmul/page.ts';

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
const report = reporter(values.json);
let failed = false;

const page = await openChromium({
  module: await bundleModule(fileURLToPath(new URL('matmul/page.ts', import.meta.url))),
  hardware: values.hardware,
  onLog: (line) => console.error(`  ${line.slice(0, 300)}`),
});
try {
  for (const n of SIZES.filter((size) => size <= max)) {
    const plan: MatmulPlan = { n, rounds: Number(values.rounds), shareMs: Number(values.budget) * 1000 };
    const results = await page.call<MatmulResult[]>('multiply', plan);
    const adapter = results.find((result) => !result.peer)?.adapter;
    const gflops = (ms: number) => (2 * n ** 3) / ms / 1e6;
    for (const { name: engine, peer, error, ms, variant } of results) {
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
        rounds: ms.length,
        runtime: 'chromium',
        adapter,
      });
    }
    const own = results.find((result) => !result.peer);
    // Round by round, since both met the same load of the machine then.
    const [best] = results
      .filter((result) => result.peer && result.ms.length > 0)
      .map((result) => ({
        name: result.name,
        ratios: result.ms
          .map((peerMs, round) => peerMs / (own?.ms[round] ?? Number.NaN))
          .filter(Number.isFinite),
      }))
      .sort((x, y) => median(x.ratios) - median(y.ratios));
    if (best === undefined) continue;
    report({
      name: 'matmul.ratio_to_best_peer',
      value: median(best.ratios),
      unit: 'x',
      n,
      best_peer: best.name,
      p10: rounded(quantile(best.ratios, 0.1)),
      p90: rounded(quantile(best.ratios, 0.9)),
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
