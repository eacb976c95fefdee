/**
 * `npm run experiment -- NAME [options]`: does the model learn as well? Runs many workers in one process on the
 * project's own engine and writes one JSON file a run; runs whose file exists are not repeated.
 *
 *   NAME                  an experiment, `list` (their names and questions) or `report` (rebuilds docs/experiments.md)
 *   --corpus sotu,FILE    texts, default sotu (the State of the Union addresses that ship with the project)
 *   --seeds 1,2,3         default: the experiment's own
 *   --size, --workers, --rounds, --inner-steps, --batch, --sequence    instead of the base's
 *   --runtime deno|node   default Deno on lavapipe where it is installed, else Node (Dawn)
 *   --hardware            the machine's GPU
 *   --only RUN,...        single rows of the experiment's table, also ones that it plans no longer
 *   --results FOLDER      default experiments/results; another folder runs everything again
 *   --json                one JSON object a line
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { reporter } from '../bench/lib/report.ts';
import { UsageError, wholeFrom } from '../src/cli/arguments.ts';
import { errorText } from '../src/cli/say.ts';
import { HostFault } from '../src/host/faults.ts';
import type { ByteCorpus } from './lib/data.ts';
import { defaultRuntime, launch, LaunchError } from './lib/launch.ts';
import { defaultRuns, EXPERIMENTS, runsOf, type Scope } from './lib/named.ts';
import { buildReport, sectionsOf } from './lib/report.ts';
import type { RunResult } from './lib/result.ts';
import { isSize, type RunSettings, type Scale, SIZES, settingsKey, variantName } from './lib/settings.ts';
import { ResultStore } from './lib/store.ts';
import { Baselines } from './lib/summary.ts';
import { corpusName, readCorpus } from './lib/texts.ts';

/** No flag takes a greater number. */
const MOST = 1_000_000_000;
/** Committed results. */
const RESULTS = fileURLToPath(new URL('results', import.meta.url));

const { values: args, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    corpus: { type: 'string', default: 'sotu' },
    seeds: { type: 'string' },
    size: { type: 'string' },
    workers: { type: 'string' },
    rounds: { type: 'string' },
    'inner-steps': { type: 'string' },
    batch: { type: 'string' },
    sequence: { type: 'string' },
    only: { type: 'string' },
    runtime: { type: 'string' },
    hardware: { type: 'boolean', default: false },
    results: { type: 'string', default: RESULTS },
    json: { type: 'boolean', default: false },
  },
});
const print = reporter(args.json);

function scaleFromFlags(): Partial<Scale> {
  const scale: Partial<Record<'workers' | 'rounds' | 'innerSteps' | 'batch' | 'sequence', number>> = {};
  const flags = [
    ['workers', 'workers'],
    ['rounds', 'rounds'],
    ['inner-steps', 'innerSteps'],
    ['batch', 'batch'],
    ['sequence', 'sequence'],
  ] as const;
  for (const [flag, key] of flags) {
    const text = args[flag];
    if (text !== undefined) scale[key] = wholeFrom(flag, text, 1, MOST);
  }
  const { size } = args;
  if (size === undefined) return scale;
  if (!isSize(size))
    throw new UsageError(`There is no size "${size}". Sizes: ${Object.keys(SIZES).join(', ')}.`);
  return { ...scale, size };
}

const list = (text: string) => text.split(',').filter((item) => item !== '');

function printResult(experiment: string, result: RunResult): void {
  const { settings: s, loss } = result;
  print({
    name: 'experiment.loss',
    value: loss ?? Number.NaN,
    unit: 'nats/byte',
    experiment,
    method: s.method,
    variant: variantName(s),
    workers: s.workers,
    density: s.sparseloco === undefined ? 1 : s.sparseloco.topK / 4096,
    seed: s.seed,
    corpus: s.corpus,
    bytes: Math.round(result.bytesSent),
    compression: Math.round(result.denseBytes / result.bytesSent),
    seconds: result.seconds,
    adapter: result.adapter,
  });
}

/** The planned runs of a name; else those of a committed result's settings: a row of the page that is no longer planned. */
function named(variant: string, planned: readonly RunSettings[], { corpora, seeds }: Scope): RunSettings[] {
  const found = planned.filter((settings) => variantName(settings) === variant);
  if (found.length > 0) return found;
  const results = new ResultStore(RESULTS);
  const past = results.experiments().flatMap((experiment) => results.list(experiment));
  const row = past.find(({ settings }) => variantName(settings) === variant);
  if (row === undefined) {
    const names = [...new Set(planned.map(variantName))].join(', ');
    throw new UsageError(`There is neither a plan nor a result of a run "${variant}". Planned: ${names}.`);
  }
  return corpora.flatMap((corpus) => seeds.map((seed) => ({ ...row.settings, corpus, seed })));
}

async function runExperiment(name: string): Promise<void> {
  const experiment = EXPERIMENTS.get(name);
  if (experiment === undefined)
    throw new UsageError(
      `There is no experiment "${name}": ${[...EXPERIMENTS.keys()].join(', ')}, or report.`,
    );
  const runtime = args.runtime ?? defaultRuntime(args.hardware);
  if (runtime !== 'deno' && runtime !== 'node')
    throw new UsageError(`--runtime is deno or node, not "${runtime}".`);
  const texts = new Map<string, ByteCorpus>(list(args.corpus).map((a) => [corpusName(a), readCorpus(a)]));
  const seeds =
    args.seeds === undefined ? experiment.seeds : list(args.seeds).map((s) => wholeFrom('seeds', s, 1, MOST));
  const scale = scaleFromFlags();
  const scope = { corpora: [...texts.keys()], seeds, scale };
  const planned = runsOf(experiment, scope);
  const runs =
    args.only === undefined ? planned : list(args.only).flatMap((run) => named(run, planned, scope));
  const store = new ResultStore(args.results);
  const known = new Set(store.list(name).map((result) => settingsKey(result.settings)));
  const missing = [];
  for (const settings of runs) {
    const result = store.find(settings);
    if (result === undefined) missing.push(settings);
    else {
      if (!known.has(settingsKey(settings))) store.save(name, result);
      printResult(name, result);
    }
  }
  for await (const outcome of missing.length === 0
    ? []
    : launch(missing, texts, { runtime, hardware: args.hardware })) {
    if ('error' in outcome) {
      console.error(`experiment ${variantName(outcome.settings)}: ${outcome.error}`);
      process.exitCode = 1;
      continue;
    }
    store.save(name, outcome.result);
    printResult(name, outcome.result);
  }
  printGaps(
    runs.flatMap((settings) => store.find(settings) ?? []),
    scale,
  );
}

/** How far the presets' default at a scale is from the tuned baselines, by corpus, where there are results of both. */
function printGaps(all: readonly RunResult[], scale: Partial<Scale>): void {
  const baselines = new Baselines(all);
  const key = (settings: RunSettings) => settingsKey({ ...settings, seed: 0 });
  for (const corpus of new Set(all.map((r) => r.settings.corpus))) {
    const [chosen] = defaultRuns({ corpora: [corpus], seeds: [0], scale });
    const own = all.filter((r) => key(r.settings) === key(chosen));
    const unique = [...new Map(own.map((r) => [r.settings.seed, r])).values()];
    for (const method of ['diloco', 'adamw'] as const) {
      const gap = baselines.gap(unique, method);
      if (gap === null) continue;
      const seeds = unique.length;
      print({
        name: `experiment.gap_to_${method}`,
        value: gap,
        unit: 'relative',
        corpus,
        variant: variantName(chosen),
        seeds,
      });
    }
  }
}

function report(): void {
  const store = new ResultStore(args.results);
  const sections = sectionsOf(new Map(store.experiments().map((name) => [name, store.list(name)])));
  const { markdown, pictures } = buildReport(sections);
  const folder = fileURLToPath(new URL('../docs/', import.meta.url));
  mkdirSync(join(folder, 'images', 'experiments'), { recursive: true });
  writeFileSync(join(folder, 'experiments.md'), markdown);
  for (const [name, svg] of pictures) writeFileSync(join(folder, 'images', 'experiments', name), svg);
  for (const { experiment, results } of sections)
    for (const result of results) printResult(experiment.name, result);
  printGaps(
    sections.flatMap((s) => s.results),
    {},
  );
}

try {
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0)
    throw new UsageError(`Name one experiment: ${[...EXPERIMENTS.keys()].join(', ')}, or report.`);
  if (name === 'report') report();
  else if (name === 'list') for (const e of EXPERIMENTS.values()) console.log(`${e.name}: ${e.question}`);
  else await runExperiment(name);
} catch (error) {
  if (!(error instanceof UsageError || error instanceof HostFault || error instanceof LaunchError))
    throw error;
  console.error(`experiment: ${errorText(error)}`);
  process.exitCode = 2;
}
