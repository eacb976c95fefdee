/** The page is built from results alone: means, gaps to the tuned baseline of the same seed, one picture each. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultRuns, EXPERIMENTS, runsOf } from '../../experiments/lib/named.ts';
import { buildReport, sectionsOf } from '../../experiments/lib/report.ts';
import type { RunResult } from '../../experiments/lib/result.ts';
import { type RunSettings, totalTokens } from '../../experiments/lib/settings.ts';
import { ResultStore } from '../../experiments/lib/store.ts';
import { Baselines, summarise } from '../../experiments/lib/summary.ts';

const gap = EXPERIMENTS.get('gap');
if (gap === undefined) throw new Error('there is no experiment "gap"');
const scope = { corpora: ['sotu'], seeds: [1, 2], scale: {} };

const LOSSES = { adamw: 2, diloco: 2.5, sparseloco: 2.2 };
const resultOf = (settings: RunSettings, loss: number | null): RunResult => ({
  settings,
  loss,
  curve: loss === null ? [] : [{ round: 24, tokens: totalTokens(settings), loss }],
  parameters: 123_200,
  bytesSent: settings.method === 'sparseloco' ? 1000 : 250_000,
  denseBytes: 250_000,
  saturated: 0,
  seconds: 60,
  adapter: 'a device',
  runtime: 'a runtime',
});
const results = runsOf(gap, scope).map((s) => resultOf(s, LOSSES[s.method] * s.seed));

describe('the report', () => {
  it('pairs gaps by seed and says what was sent', () => {
    const own = summarise(results, new Baselines(results), runsOf(gap, scope));
    expect(own.map((s) => s.variant.replace(/-.*/, ''))).toEqual(['adamw', 'diloco', 'sparseloco']);
    const [adamw, diloco, sparse] = own;
    expect(sparse.loss).toBeCloseTo(3.3, 10);
    expect(sparse.gapToAdamw).toBeCloseTo(0.1, 10);
    expect(sparse.gapToDiloco).toBeCloseTo(-0.12, 10);
    expect(sparse.compression).toBe(250);
    expect([adamw.gapToAdamw, diloco.gapToDiloco]).toEqual([null, null]);
    expect(diloco.gapToAdamw).toBeCloseTo(0.25, 10);
  });

  it('has a table, a picture and the command for each experiment with results', () => {
    const { markdown, pictures } = buildReport(
      [...EXPERIMENTS.values()].map((experiment) => ({
        experiment,
        results: experiment === gap ? results : [],
      })),
    );
    expect(markdown).toContain('+10.0 %');
    expect(markdown).toContain('−12.0 %');
    expect(markdown).toContain('npm run experiment -- gap --corpus sotu --seeds 1,2');
    expect(markdown).toContain('4 runs'.replace('4', String(results.length)));
    expect([...pictures.keys()]).toEqual(['gap.svg']);
    expect(pictures.get('gap.svg')).toMatch(/^<svg[^]*<polyline[^]*<\/svg>\n$/);
  });

  it('shows a shared run in every experiment that has begun, and names what is missing', () => {
    const [settings] = runsOf(EXPERIMENTS.get('density') ?? gap, scope).filter(
      (s) => s.sparseloco?.topK === 32,
    );
    const sections = sectionsOf(
      new Map([
        ['gap', results],
        ['density', [resultOf(settings, 2.3)]],
      ]),
    );
    const density = sections.find(({ experiment }) => experiment.name === 'density');
    // Those of the one seed that it ran itself.
    expect(density?.results).toHaveLength(1 + results.length / 2);
    expect(sections.find(({ experiment }) => experiment.name === 'beta')?.results).toEqual([]);
    const { markdown } = buildReport(sections);
    expect(markdown).toMatch(/Not run yet: sparseloco-k128-/);
    expect(markdown).toMatch(/## Not run yet\n[^#]*`beta`/);
  });

  it('says so when runs diverged', () => {
    const [settings] = defaultRuns({ ...scope, seeds: [9] });
    const { markdown, pictures } = buildReport([
      { experiment: EXPERIMENTS.get('beta') ?? gap, results: [resultOf(settings, null), ...results] },
    ]);
    expect(markdown).toContain('(1 diverged)');
    expect(pictures.size).toBe(1);
  });
});

describe('results on disk', () => {
  it('are found again by their settings, whichever experiment made them, and refused when broken', () => {
    const folder = mkdtempSync(join(tmpdir(), 'experiment-store-'));
    try {
      const store = new ResultStore(folder);
      const [result] = results;
      const path = store.save('gap', result);
      expect(store.list('gap')).toEqual([result]);
      expect(store.list('beta')).toEqual([]);
      expect(store.find({ ...result.settings })).toEqual(result);
      expect(store.find({ ...result.settings, seed: 99 })).toBeUndefined();
      writeFileSync(path, '{}');
      expect(() => store.list('gap')).toThrow(/no result of an experiment/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
