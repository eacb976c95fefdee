/** The experiments by name: which question each asks and which runs answer it. */
import { preset } from '../../src/model/presets.ts';
import {
  BASE_SCALE,
  DILOCO,
  type Method,
  NESTEROV,
  type RunSettings,
  type Scale,
  type SparseSettings,
  tunedRate,
} from './settings.ts';

/** What the command line may change in every run of an experiment. */
export interface Scope {
  readonly corpora: readonly string[];
  readonly seeds: readonly number[];
  readonly scale: Partial<Scale>;
}

export interface Experiment {
  readonly name: string;
  readonly question: string;
  /** What is plotted: loss against tokens, or one mark a variant. */
  readonly picture: 'curves' | 'marks';
  readonly seeds: readonly number[];
  /** All runs for one text and one seed. */
  runs(scale: Scale, seed: number): RunSettings[];
}

/** The presets' own SparseLoCo settings: the default that everything is compared with. */
export const DEFAULT: SparseSettings = preset('1m').sparseloco;

const adamw = (scale: Scale, seed: number, change: Partial<RunSettings> = {}): RunSettings => ({
  ...scale,
  method: 'adamw',
  seed,
  learningRate: tunedRate('adamw', scale),
  ...change,
});

const diloco = (scale: Scale, seed: number, change: Partial<RunSettings> = {}): RunSettings => ({
  ...scale,
  method: 'diloco',
  seed,
  learningRate: tunedRate('diloco', scale),
  diloco: DILOCO,
  ...change,
});

const sparse = (
  scale: Scale,
  seed: number,
  own: Partial<SparseSettings> = {},
  change: Partial<RunSettings> = {},
): RunSettings => ({
  ...scale,
  method: 'sparseloco',
  seed,
  learningRate: tunedRate('sparseloco', scale),
  sparseloco: { ...DEFAULT, ...own },
  ...change,
});

const baselines = (scale: Scale, seed: number) => [adamw(scale, seed), diloco(scale, seed)];

/** Peak learning rates to try, for runs of a third of the base's rounds, of as many and of three times as many. */
const RATES: readonly (readonly [factor: number, rates: readonly number[]])[] = [
  [1 / 3, [4e-3, 8e-3, 1.6e-2, 3.2e-2]],
  [1, [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2]],
  [3, [1e-3, 2e-3, 4e-3, 8e-3]],
];
const METHODS: readonly [
  Method,
  (scale: Scale, seed: number, change: Partial<RunSettings>) => RunSettings,
][] = [
  ['adamw', adamw],
  ['diloco', diloco],
  ['sparseloco', (scale, seed, change) => sparse(scale, seed, {}, change)],
];

const withRounds = (scale: Scale, factor: number): Scale => ({
  ...scale,
  rounds: Math.max(1, Math.round(scale.rounds * factor)),
});

/** A scale with `factor` times fewer inner steps a round and as many more rounds. */
const withInnerSteps = (scale: Scale, innerSteps: number): Scale => ({
  ...scale,
  innerSteps,
  rounds: Math.max(1, Math.round((scale.rounds * scale.innerSteps) / innerSteps)),
});

/** Inner steps 16x apart, summing to workers x H for the base's 8 workers and H = 10; repeated or cut for others. */
const UNEQUAL = [2, 2, 4, 4, 8, 8, 20, 32];

const list: readonly Experiment[] = [
  {
    name: 'gap',
    question: 'How far is the default from DiLoCo and from AdamW data-parallel, at equal tokens?',
    picture: 'curves',
    seeds: [1, 2, 3],
    runs: (scale, seed) => [...baselines(scale, seed), sparse(scale, seed)],
  },
  {
    name: 'lr',
    question: 'Which peak inner learning rate is best for each method?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) =>
      RATES.flatMap(([factor, rates]) =>
        METHODS.flatMap(([, make]) =>
          rates.map((learningRate) => make(withRounds(scale, factor), seed, { learningRate })),
        ),
      ),
  },
  {
    name: 'average',
    question: "Divide a coordinate's sum by all accepted contributors, or by those that sent it?",
    picture: 'marks',
    seeds: [1, 2],
    runs: (scale, seed) => [
      ...baselines(scale, seed),
      ...(['senders', 'all'] as const).map((average) => sparse(scale, seed, { average })),
    ],
  },
  {
    name: 'quantiser',
    question: 'What do one bit, two bits and the published four bins per tensor cost in loss?',
    picture: 'marks',
    seeds: [1, 2],
    runs: (scale, seed) => [
      diloco(scale, seed),
      ...(['sign1', 'sign2', 'tensor4'] as const).map((quantiser) => sparse(scale, seed, { quantiser })),
    ],
  },
  {
    name: 'density',
    question: 'How many of each 4096 values should be sent, and does it help to send more at first?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) => [
      ...baselines(scale, seed),
      ...[32, 64, 128, 256, 512].map((topK) => sparse(scale, seed, { topK })),
      sparse(scale, seed, { early: { rounds: Math.max(1, Math.round(scale.rounds / 6)), topK: 256 } }),
    ],
  },
  {
    name: 'beta',
    question: 'How much of the error feedback should survive a round?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) => [0, 0.5, 0.8, 0.9, 0.95, 0.99].map((beta) => sparse(scale, seed, { beta })),
  },
  {
    name: 'alpha',
    question: 'How large should the outer step be, for SparseLoCo and for DiLoCo?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) => [
      ...[0.5, 0.7, 1, 1.4].map((alpha) => sparse(scale, seed, { alpha })),
      ...[0.1, 0.2, 0.4, 0.7].map((alpha) => diloco(scale, seed, { diloco: { alpha, momentum: NESTEROV } })),
      diloco(scale, seed, { diloco: { alpha: 1, momentum: 0 } }),
    ],
  },
  {
    name: 'inner-steps',
    question: 'How long may workers train between exchanges, at equal tokens?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) => [
      adamw(scale, seed),
      ...[1, 4, 10, 40, 80].flatMap((h) => [
        diloco(withInnerSteps(scale, h), seed),
        sparse(withInnerSteps(scale, h), seed),
      ]),
    ],
  },
  {
    name: 'unequal',
    question: 'What if some peers do 16 times the inner steps of others, and should weights follow tokens?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) => {
      const unequalSteps = Array.from({ length: scale.workers }, (_, w) => UNEQUAL[w % UNEQUAL.length]);
      return [
        sparse(scale, seed),
        ...(['tokens', 'equal'] as const).map((weights) =>
          sparse(scale, seed, {}, { unequalSteps, weights }),
        ),
        diloco(scale, seed, { unequalSteps }),
      ];
    },
  },
  {
    name: 'heterogeneous',
    question: 'What if every worker has documents of its own instead of a share of everything?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) =>
      (['iid', 'documents'] as const).flatMap((data) => {
        const own = { ...scale, data };
        return [...baselines(own, seed), sparse(own, seed), sparse(own, seed, { average: 'all' })];
      }),
  },
  {
    name: 'workers',
    question: 'From 2 to 32 workers, each with the same number of steps: does more work help?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) =>
      [2, 4, 8, 16, 32].flatMap((workers) => {
        const own = { ...scale, workers };
        return [...baselines(own, seed), sparse(own, seed)];
      }),
  },
  {
    name: 'joiners',
    question: 'What do joiners with empty moments and empty error feedback cost?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) => [
      sparse(scale, seed),
      ...[1, 2, 4].map((joiners) => sparse(scale, seed, {}, { joiners })),
      diloco(scale, seed, { joiners: 2 }),
    ],
  },
  {
    name: 'zero-idle',
    question: 'What does it cost to train on while a round is agreed and apply its update one round late?',
    picture: 'curves',
    seeds: [1, 2],
    runs: (scale, seed) => [sparse(scale, seed), sparse(scale, seed, {}, { late: true })],
  },
  {
    name: 'tied',
    question:
      'The same with two layers and tied embeddings, where training first stalls at single-byte frequencies',
    picture: 'marks',
    seeds: [1, 2],
    runs: (base, seed) => {
      const scale = { ...base, size: '0.1m' as const, rounds: 24 };
      const published = [0.1, 0.2, 0.7].map((alpha) => ({ diloco: { alpha, momentum: NESTEROV } }));
      return [
        ...baselines(scale, seed),
        ...published.map((change) => diloco(scale, seed, change)),
        sparse(scale, seed),
        sparse(scale, seed, { average: 'all' }),
        ...[32, 128, 256].map((topK) => sparse(scale, seed, { topK })),
      ];
    },
  },
  {
    name: 'embeddings',
    question: "At the width of the presets' 1m: should the output have a matrix of its own?",
    picture: 'curves',
    seeds: [1],
    runs: (base, seed) =>
      (['0.7m', '0.8m'] as const).flatMap((size) => {
        const scale = { ...base, size };
        // No DiLoCo: its rate would have to be tuned at this size first.
        return [adamw(scale, seed), sparse(scale, seed)];
      }),
  },
  {
    name: 'longer',
    question: 'Does the gap close with more rounds?',
    picture: 'marks',
    seeds: [1],
    runs: (scale, seed) =>
      [1 / 3, 1, 3, 6].flatMap((factor) => {
        const own = withRounds(scale, factor);
        return [...baselines(own, seed), sparse(own, seed)];
      }),
  },
];

export const EXPERIMENTS: ReadonlyMap<string, Experiment> = new Map(list.map((e) => [e.name, e]));

/** All runs of an experiment, each once, in order of importance: one text and seed after the other. */
export function runsOf(experiment: Experiment, scope: Scope): RunSettings[] {
  return scope.corpora.flatMap((corpus) =>
    scope.seeds.flatMap((seed) => experiment.runs({ ...BASE_SCALE, ...scope.scale, corpus }, seed)),
  );
}

/** The presets' default at the base's scale. */
export const defaultRuns = ({ corpora, seeds, scale }: Scope): RunSettings[] =>
  corpora.flatMap((corpus) => seeds.map((seed) => sparse({ ...BASE_SCALE, ...scale, corpus }, seed)));
