/**
 * Every setting of one experimental run, the common base that experiments vary, and how a run is named.
 *
 * A run is fully described by its {@link RunSettings}: the same settings on the same adapter give the same losses to
 * the bit, so a result is found again by its settings ({@link settingsKey}) and not by when or why it was made.
 */
import type { ModelConfig } from '../../src/model/config.ts';
import type { SparseLoco } from '../../src/protocol/manifest.ts';
import type { OptimizerSettings } from '../../src/training/types.ts';

export type Method = 'adamw' | 'diloco' | 'sparseloco';

export interface DilocoSettings {
  /** Outer step size α and Nesterov momentum (DiLoCo, arXiv 2311.08105: 0.7 and 0.9). */
  readonly alpha: number;
  readonly momentum: number;
}

/** SparseLoCo as in the manifest, and a density for the first rounds that only experiments know. */
export interface SparseSettings extends SparseLoco {
  readonly early?: { readonly rounds: number; readonly topK: number };
}

export interface RunSettings {
  readonly method: Method;
  readonly corpus: string;
  /** iid: all workers draw from the whole text. documents: each from its own run of consecutive documents. */
  readonly data: 'iid' | 'documents';
  readonly size: SizeName;
  readonly seed: number;
  readonly workers: number;
  readonly rounds: number;
  /** H: inner steps of each worker in a round; with `unequalSteps`, their mean over workers. */
  readonly innerSteps: number;
  /** Inner steps of each worker where they differ. */
  readonly unequalSteps?: readonly number[];
  /** What a worker's update counts: its tokens, or the same for all. */
  readonly weights: 'tokens' | 'equal';
  /** Sequences in a worker's inner step. AdamW data-parallel takes workers x batch in one step. */
  readonly batch: number;
  readonly sequence: number;
  /** Peak inner learning rate; warm-up and cosine follow src/training/learning-rate.ts. */
  readonly learningRate: number;
  readonly diloco?: DilocoSettings;
  readonly sparseloco?: SparseSettings;
  /** Workers replaced each round by joiners, whose moments and error feedback are empty. */
  readonly joiners?: number;
  /** Zero idle: an update is applied one round late, to the state that training has moved on from. */
  readonly late?: boolean;
}

const llama = (
  hiddenSize: number,
  intermediateSize: number,
  layers: number,
  heads: number,
  tiedEmbeddings = true,
): ModelConfig => ({
  vocabSize: 256,
  hiddenSize,
  intermediateSize,
  layers,
  heads,
  kvHeads: heads,
  tiedEmbeddings,
  ropeTheta: 10_000,
  rmsNormEps: 1e-5,
});

/** Byte-level models by parameters, in millions. */
export const SIZES = {
  // An output matrix of its own: so small a model with tied ones stays for long at the frequencies of single bytes.
  '0.07m': llama(64, 128, 1, 2, false),
  '0.1m': llama(64, 192, 2, 2),
  '0.7m': llama(128, 384, 3, 4),
  // The layers of the presets' 1m, with the output matrix that it has too.
  '0.8m': llama(128, 384, 3, 4, false),
  '3m': llama(256, 704, 4, 4),
  '20m': llama(512, 1408, 6, 8),
} as const satisfies Record<string, ModelConfig>;
export type SizeName = keyof typeof SIZES;
export const isSize = (name: string): name is SizeName => Object.hasOwn(SIZES, name);

/** The inner optimiser of every method: that of the presets. eps 1e-8 for the baselines too. */
export const OPTIMIZER: OptimizerSettings = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
};
/** Cosine floor as a share of the peak, as in the presets. */
export const MIN_LEARNING_RATE_RATIO = 0.1;
/** Inner steps of warm-up; schedules count rounds, so it is rounded to whole ones, at least one. */
const WARMUP_STEPS = 20;
export const warmupRounds = (s: RunSettings): number => Math.max(1, Math.round(WARMUP_STEPS / s.innerSteps));

/**
 * Best peak learning rate of each method in experiment `lr`, by the inner steps of the whole run: the longer the
 * schedule, the lower the best rate. A baseline is tuned as hard as ours.
 */
const TUNED: readonly (readonly [mostSteps: number, Readonly<Record<Method, number>>])[] = [
  [80, { adamw: 8e-3, diloco: 1.6e-2, sparseloco: 3.2e-2 }],
  [240, { adamw: 4e-3, diloco: 1.6e-2, sparseloco: 8e-3 }],
  [Number.POSITIVE_INFINITY, { adamw: 2e-3, diloco: 2e-3, sparseloco: 4e-3 }],
];

/** The peak learning rate that a method is compared at. The tied two-layer model has the same for all (`tied`). */
export function tunedRate(
  method: Method,
  { size, rounds, innerSteps }: Pick<RunSettings, 'size' | 'rounds' | 'innerSteps'>,
): number {
  if (size === '0.1m') return 2e-3;
  const steps = rounds * innerSteps;
  return (TUNED.find(([mostSteps]) => steps <= mostSteps) as (typeof TUNED)[number])[1][method];
}

/** DiLoCo's momentum as published. */
export const NESTEROV = 0.9;
/**
 * The best dense outer step of experiment `alpha`: plain averaging. With Nesterov momentum every α does worse in runs as
 * short as these, so gaps measured against the published step would flatter ours.
 */
export const DILOCO: DilocoSettings = { alpha: 1, momentum: 0 };

export type Scale = Pick<
  RunSettings,
  'corpus' | 'data' | 'size' | 'workers' | 'rounds' | 'innerSteps' | 'weights' | 'batch' | 'sequence'
>;

export const BASE_SCALE: Scale = {
  corpus: 'sotu',
  data: 'iid',
  size: '0.07m',
  workers: 8,
  rounds: 16,
  innerSteps: 10,
  weights: 'tokens',
  batch: 2,
  sequence: 64,
};

const steps = (s: RunSettings): number => s.rounds * s.innerSteps;

/** Tokens that all workers together train on. */
export const totalTokens = (s: RunSettings): number => steps(s) * s.workers * s.batch * s.sequence;

/** The settings as text with sorted names: equal for equal runs. */
export function settingsKey(settings: RunSettings): string {
  return JSON.stringify(settings, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** What a name leaves unsaid. Not the presets' default, which these experiments may change: names must stay. */
const UNSAID: SparseLoco = {
  topK: 64,
  quantiser: 'sign1',
  beta: 0.95,
  alpha: 1,
  average: 'senders',
  fractionBits: 24,
};

/** A short name for a file and a table's row: whatever differs from the base, without corpus and seed. */
export function variantName(s: RunSettings): string {
  const parts: string[] = [s.method];
  const add = (differs: boolean, text: string) => {
    if (differs) parts.push(text);
  };
  if (s.diloco !== undefined) {
    add(true, `alpha${s.diloco.alpha}`);
    add(s.diloco.momentum !== NESTEROV, `momentum${s.diloco.momentum}`);
  }
  const own = s.sparseloco;
  if (own !== undefined) {
    add(own.topK !== UNSAID.topK, `k${own.topK}`);
    add(own.early !== undefined, `first${own.early?.rounds}k${own.early?.topK}`);
    add(own.quantiser !== UNSAID.quantiser, own.quantiser);
    add(own.beta !== UNSAID.beta, `beta${own.beta}`);
    add(own.alpha !== UNSAID.alpha, `alpha${own.alpha}`);
    add(own.average !== UNSAID.average, own.average);
  }
  add(true, `lr${s.learningRate}`);
  add(s.size !== BASE_SCALE.size, s.size);
  add(s.workers !== BASE_SCALE.workers, `w${s.workers}`);
  add(s.innerSteps !== BASE_SCALE.innerSteps, `h${s.innerSteps}`);
  add(s.rounds !== BASE_SCALE.rounds, `r${s.rounds}`);
  add(s.batch !== BASE_SCALE.batch || s.sequence !== BASE_SCALE.sequence, `b${s.batch}x${s.sequence}`);
  add(s.unequalSteps !== undefined, 'unequal');
  add(s.weights !== BASE_SCALE.weights, `${s.weights}-weights`);
  add(s.data !== BASE_SCALE.data, s.data);
  add(s.joiners !== undefined, `joiners${s.joiners}`);
  add(s.late === true, 'late');
  return parts.join('-');
}
