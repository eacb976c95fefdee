/** From single results to what a table shows: means over seeds, and gaps to the tuned baselines of the same seed. */
import type { RunResult } from './result.ts';
import { DILOCO, type Method, type RunSettings, settingsKey, tunedRate, variantName } from './settings.ts';

/** All seeds of one variant on one corpus. */
export interface Summary {
  readonly variant: string;
  readonly corpus: string;
  readonly results: readonly RunResult[];
  /** Mean over the seeds that did not diverge; null when all did. */
  readonly loss: number | null;
  /** Standard deviation over seeds (n - 1); null for fewer than two. */
  readonly deviation: number | null;
  /** Relative difference of the loss, paired by seed; null without a baseline. */
  readonly gapToDiloco: number | null;
  readonly gapToAdamw: number | null;
  /** Dense fp32 bytes over bytes sent. */
  readonly compression: number;
}

const mean = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0) / xs.length;

function deviationOf(xs: readonly number[]): number | null {
  if (xs.length < 2) return null;
  const m = mean(xs);
  return Math.sqrt(xs.reduce((sum, x) => sum + (x - m) ** 2, 0) / (xs.length - 1));
}

/** What a run has in common with its baseline: data, seed, model and tokens; for DiLoCo also how often it exchanges. */
function baselineKey(s: RunSettings, method: Method): string {
  const { corpus, data, size, seed, workers, batch, sequence } = s;
  const steps = s.rounds * s.innerSteps;
  const exchange = method === 'diloco' ? s.innerSteps : null;
  return JSON.stringify([method, corpus, data, size, seed, workers, batch, sequence, steps, exchange]);
}

const isBaseline = (s: RunSettings): boolean =>
  s.method !== 'sparseloco' &&
  s.learningRate === tunedRate(s.method, s) &&
  s.unequalSteps === undefined &&
  s.joiners === undefined &&
  (s.diloco === undefined || (s.diloco.alpha === DILOCO.alpha && s.diloco.momentum === DILOCO.momentum));

/** The tuned runs of AdamW data-parallel and DiLoCo among all results. */
export class Baselines {
  readonly #losses = new Map<string, number>();

  constructor(results: readonly RunResult[]) {
    for (const { settings: s, loss } of results) {
      if (isBaseline(s) && loss !== null) this.#losses.set(baselineKey(s, s.method), loss);
    }
  }

  /** (loss - baseline) / baseline, the mean over results that have another run as theirs; null when none has. */
  gap(results: readonly RunResult[], method: 'adamw' | 'diloco'): number | null {
    const gaps = results.flatMap(({ settings, loss }) => {
      if (settings.method === method && isBaseline(settings)) return [];
      const baseline = this.#losses.get(baselineKey(settings, method));
      return baseline === undefined || loss === null ? [] : [(loss - baseline) / baseline];
    });
    return gaps.length === 0 ? null : mean(gaps);
  }
}

/** One summary for each variant and corpus, in the order in which `order` first names them, then by name. */
export function summarise(
  results: readonly RunResult[],
  baselines: Baselines,
  order: readonly RunSettings[] = [],
): Summary[] {
  const unique = new Map(results.map((r) => [settingsKey(r.settings), r]));
  const groups = Map.groupBy(unique.values(), ({ settings }) =>
    JSON.stringify([variantName(settings), settings.corpus]),
  );
  const rank = new Map<string, number>();
  for (const settings of order) {
    const name = variantName(settings);
    if (!rank.has(name)) rank.set(name, rank.size);
  }
  return [...groups.values()]
    .map((own): Summary => {
      const losses = own.flatMap(({ loss }) => (loss === null ? [] : [loss]));
      const [{ settings }] = own;
      return {
        variant: variantName(settings),
        corpus: settings.corpus,
        results: own,
        loss: losses.length === 0 ? null : mean(losses),
        deviation: deviationOf(losses),
        gapToDiloco: baselines.gap(own, 'diloco'),
        gapToAdamw: baselines.gap(own, 'adamw'),
        compression: mean(own.map((r) => r.denseBytes / r.bytesSent)),
      };
    })
    .sort(
      (a, b) =>
        (rank.get(a.variant) ?? rank.size) - (rank.get(b.variant) ?? rank.size) ||
        (a.variant < b.variant ? -1 : a.variant > b.variant ? 1 : 0) ||
        (a.corpus < b.corpus ? -1 : 1),
    );
}
