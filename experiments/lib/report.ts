/** Builds docs/experiments.md and its pictures from the results: nothing in the page is typed but the words. */
import { ANSWERS, HEAD } from './answers.ts';
import { type Experiment, EXPERIMENTS, runsOf } from './named.ts';
import { curves, marks } from './picture.ts';
import type { RunResult } from './result.ts';
import { type RunSettings, SIZES, settingsKey, totalTokens, variantName } from './settings.ts';
import { Baselines, summarise, type Summary } from './summary.ts';

export interface ReportSection {
  readonly experiment: Experiment;
  readonly results: readonly RunResult[];
}

export interface Report {
  readonly markdown: string;
  /** SVG by file name. */
  readonly pictures: ReadonlyMap<string, string>;
}

const percent = (x: number | null): string =>
  x === null ? '' : `${x < 0 ? '−' : '+'}${Math.abs(100 * x).toFixed(1)} %`;

function lossCell({ loss, deviation, results }: Summary): string {
  if (loss === null) return 'diverged';
  const spread = deviation === null ? '' : ` ± ${deviation.toFixed(3)} (${results.length})`;
  const diverged = results.filter((r) => r.loss === null).length;
  return `${loss.toFixed(3)}${spread}${diverged > 0 ? ` (${diverged} diverged)` : ''}`;
}

/** "8" or "2 to 32": what a setting is in these runs. */
function range(values: readonly (number | string)[]): string {
  const distinct = [...new Set(values)];
  if (distinct.length === 1) return String(distinct[0]);
  const numbers = distinct.filter((x) => typeof x === 'number');
  if (numbers.length === distinct.length) return `${Math.min(...numbers)} to ${Math.max(...numbers)}`;
  return distinct.join(', ');
}

function setUp(results: readonly RunResult[]): string {
  const of = (pick: (s: RunSettings) => number | string) => range(results.map((r) => pick(r.settings)));
  const parameters = range(results.map((r) => (r.parameters / 1e6).toFixed(2)));
  const width = of((s) => SIZES[s.size].hiddenSize);
  const layers = of((s) => SIZES[s.size].layers);
  return [
    `${parameters} M parameters (width ${width}, ${layers} layers), bytes of ${of((s) => s.corpus)}; ${of((s) => s.workers)} workers,`,
    `each ${of((s) => s.batch)} x ${of((s) => s.sequence)} tokens an inner step; H = ${of((s) => s.innerSteps)}, ${of((s) => s.rounds)} rounds,`,
    `${of((s) => Math.round(totalTokens(s) / 1000))} thousand tokens; seeds ${[...new Set(results.map((r) => r.settings.seed))].sort((a, b) => a - b).join(', ')}.`,
  ].join('\n');
}

function table(summaries: readonly Summary[]): string[] {
  const corpora = [...new Set(summaries.map((s) => s.corpus))];
  const variants = [...new Set(summaries.map((s) => s.variant))];
  const columns = corpora.flatMap((c) => [`loss, ${c}`, 'to DiLoCo', 'to AdamW']);
  const rows = variants.map((variant) => {
    const own = corpora.map((c) => summaries.find((s) => s.variant === variant && s.corpus === c));
    const cells = own.flatMap((s) =>
      s === undefined ? ['', '', ''] : [lossCell(s), percent(s.gapToDiloco), percent(s.gapToAdamw)],
    );
    const compression = own.find((s) => s !== undefined)?.compression ?? 1;
    return `| ${variant} | ${cells.join(' | ')} | ${compression < 1.05 ? '1' : `${compression.toFixed(0)}x`} |`;
  });
  return [
    `| run | ${columns.join(' | ')} | fewer bytes |`,
    `| --- | ${columns.map(() => '---:').join(' | ')} | ---: |`,
    ...rows,
  ];
}

function hardware(results: readonly RunResult[]): string {
  const where = Map.groupBy(results, (r) => `${r.adapter} in ${r.runtime}`);
  return [...where]
    .map(([name, own]) => {
      const minutes = own.reduce((sum, r) => sum + r.seconds, 0) / 60;
      return `${own.length} runs, ${minutes.toFixed(0)} minutes on ${name}`;
    })
    .join('; ');
}

function section(own: ReportSection, baselines: Baselines, picture: string): string[] {
  const { experiment, results } = own;
  const gaps = missing(own);
  const corpora = [...new Set(results.map((r) => r.settings.corpus))];
  const order = runsOf(experiment, { corpora, seeds: [1], scale: {} });
  const texts = corpora.map((c) => (c === 'sotu' ? c : `${c.toUpperCase()}.TXT`));
  const seeds = [...new Set(results.map((r) => r.settings.seed))].sort((a, b) => a - b);
  const command = `npm run experiment -- ${experiment.name} --corpus ${texts.join(',')} --seeds ${seeds.join(',')}`;
  return [
    `## ${experiment.name}`,
    '',
    `**${experiment.question}**`,
    '',
    `Set-up: ${setUp(results)}`,
    '',
    ...table(summarise(results, baselines, order)),
    '',
    `![${experiment.question}](images/experiments/${picture})`,
    '',
    ANSWERS[experiment.name] ?? 'No answer has been written yet.',
    '',
    ...(gaps.length > 0 ? [`Not run yet: ${gaps.join(', ')}.`, ''] : []),
    `Hardware: ${hardware(results)}.`,
    `Run it again: \`${command}\`; one row of it: add \`--only RUN\`.`,
    '',
  ];
}

/** Every experiment with its results and with those of others that are among its runs, e.g. the default's. */
export function sectionsOf(results: ReadonlyMap<string, readonly RunResult[]>): ReportSection[] {
  const all = [...results.values()].flat();
  return [...EXPERIMENTS.values()].map((experiment) => {
    // Only texts and seeds that it ran itself: rows of different seeds are not to be compared.
    const own = results.get(experiment.name) ?? [];
    const corpora = [...new Set(own.map((r) => r.settings.corpus))];
    const seeds = [...new Set(own.map((r) => r.settings.seed))];
    const planned = new Set(runsOf(experiment, { corpora, seeds, scale: {} }).map(settingsKey));
    const unique = new Map(own.map((r) => [settingsKey(r.settings), r]));
    for (const r of all) {
      const key = settingsKey(r.settings);
      if (planned.has(key) && !unique.has(key)) unique.set(key, r);
    }
    return { experiment, results: [...unique.values()] };
  });
}

/** Runs of an experiment's plan that have no result for any seed, by name. */
function missing({ experiment, results }: ReportSection): string[] {
  const corpora = [...new Set(results.map((r) => r.settings.corpus))];
  const done = new Set(results.map((r) => variantName(r.settings)));
  const planned = runsOf(experiment, { corpora: corpora.slice(0, 1), seeds: [1], scale: {} });
  return [...new Set(planned.map(variantName))].filter((name) => !done.has(name));
}

/** The page and its pictures. */
export function buildReport(sections: readonly ReportSection[]): Report {
  const baselines = new Baselines(sections.flatMap((s) => s.results));
  const pictures = new Map<string, string>();
  const body = sections
    .filter(({ results }) => results.length > 0)
    .flatMap((own) => {
      const { experiment, results } = own;
      const corpora = [...new Set(results.map((r) => r.settings.corpus))];
      const order = runsOf(experiment, { corpora, seeds: [1], scale: {} });
      const draw = experiment.picture === 'curves' ? curves : marks;
      const name = `${experiment.name}.svg`;
      pictures.set(name, draw(experiment.question, summarise(results, baselines, order)));
      return section(own, baselines, name);
    });
  const waiting = sections.filter(({ results }) => results.length === 0).map((own) => own.experiment);
  if (waiting.length > 0) {
    body.push('## Not run yet', '', ...waiting.map((e) => `- \`${e.name}\`: ${e.question}`));
  }
  return { markdown: `${[HEAD, ...body].join('\n').trimEnd()}\n`, pictures };
}
