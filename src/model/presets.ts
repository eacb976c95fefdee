/**
 * The run sizes an organizer can name, each with the settings that go with it.
 *
 * Sizes are for what takes part: `1m` for software adapters and demos, `10m` for phones and laptops, `30m` and `124m`
 * for real GPUs. Every number can be overridden when a run is made; all of them end up in the manifest.
 */
import * as v from 'valibot';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { type Manifest, ManifestSchema, type ShardRef, type Training } from '../protocol/manifest.ts';
import type { BlobRef } from '../protocol/schema.ts';
import type { ModelConfig } from './config.ts';

export interface Preset
  extends Pick<Manifest, 'model' | 'sparseloco' | 'gauntlet' | 'admission' | 'credits'> {
  readonly training: Training;
  readonly name: PresetName;
  readonly description: string;
  /** Round length and the offsets in it, without the start time. */
  readonly schedule: Omit<Manifest['schedule'], 'startMs'>;
}

export const PRESET_NAMES = ['tiny', '1m', '10m', '30m', '124m'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

const llama = (
  sizes: Pick<ModelConfig, 'vocabSize' | 'hiddenSize' | 'intermediateSize' | 'layers' | 'heads' | 'kvHeads'>,
  tiedEmbeddings = true,
): ModelConfig => ({ ...sizes, tiedEmbeddings, ropeTheta: 10_000, rmsNormEps: 1e-5 });

/** AdamW as SparseLoCo and Covenant-72B use it (arXiv 2508.15706), with what differs by size. */
const training = (
  own: Pick<
    Training,
    'batch' | 'accumulation' | 'sequence' | 'maxInnerSteps' | 'learningRate' | 'warmupRounds' | 'totalRounds'
  >,
): Training => ({
  minLearningRateRatio: 0.1,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  ...own,
});

/** The least time between the end of training and the commit deadline. */
const COMMIT_GAP_MS = 500;

/**
 * Phases of a round of this length. A contributor stops training by itself as early as its own compression needs
 * before the commit deadline, so the gap here is only a floor. What follows the deadline is no idle time: a certificate
 * comes as soon as everything revealed is judged, and training goes on at once, in the rest of this round, for the next.
 */
export const scheduleFor = (roundMs: number): Preset['schedule'] => {
  const commitMs = Math.round(roundMs * 0.78);
  return {
    roundMs,
    trainMs: commitMs - Math.min(COMMIT_GAP_MS, Math.round(roundMs * 0.05)),
    commitMs,
    revealMs: Math.round(roundMs * 0.88),
  };
};

/** Rows are docs/experiments.md's. */
const sparseloco: Manifest['sparseloco'] = {
  // Experiment `density`, rows k32 to k512 with beta0.5: fewer and more both do worse.
  topK: 64,
  // Fewest bytes (docs/wire.md); its loss against two bits is experiment `quantiser`.
  quantiser: 'sign1',
  // Experiment `beta`, rows beta0 to beta0.99: the paper's 0.95 (arXiv 2508.15706) ends 11 % higher after 16 rounds.
  beta: 0.5,
  // Experiment `alpha`, rows alpha0.5 to alpha1.4 with beta0.5.
  alpha: 1,
  // Experiments `average` and `tied`, rows with and without "all".
  average: 'senders',
  fractionBits: 24,
};

const gauntlet: Manifest['gauntlet'] = {
  maxAccepted: 16,
  // Gauntlet's b < 1: whole steps of one contributor give noisier rankings.
  evaluationScale: 0.5,
  // What a slow host cannot measure in time it leaves out, down to four (gauntlet/round-losses.ts).
  evaluationSequences: 16,
  heldOutSequences: 32,
  maxNormRatio: 10,
  // Honest contributors share up to 0.30, and 0.47 after rounds without being applied, whose steps add up in their error
  // feedback (decision 3); templar penalises from 0.4 and bans from 0.6.
  maxOverlap: 0.55,
  minAgreement: 0.5,
  minGain: 0.3,
  minNorm: 0.8,
  // A newcomer's weight rises over its first eight accepted rounds; nobody decides alone.
  rampRounds: 8,
  maxShare: 0.5,
};

/**
 * Commitments to private state cost 12 bytes a parameter to read back and 28 to keep: for models that can afford it. With
 * six proven contributors newcomers wait for their audit; with four a run of twenty lost half of three rounds' work to
 * that, which cost more than any attack (decision 2).
 */
const audited: Manifest['gauntlet'] = { ...gauntlet, auditsPerRound: 1, trialFrom: 6 };
/** The rules that the attacks of docs/threat-model.md are played by: 12 to 24 MB of upload for each who is audited. */
const wellAudited: Manifest['gauntlet'] = { ...audited, auditsPerRound: 4 };

const MICRO = 1_000_000;
/** 100 credits a round at first, 2,100,000 in all: the first halving comes after 10,500 rounds. */
const credits: Manifest['credits'] = { perRound: 100 * MICRO, total: 2_100_000 * MICRO, vestRounds: 20 };

/** 2^17 hashes took 0.2 s on one core of a shared server; a phone may take a second or two. */
const admission: Manifest['admission'] = { joinBits: 17, joinTarget: 16, idleRounds: 60 };

const PRESETS: Readonly<Record<PresetName, Preset>> = {
  tiny: {
    name: 'tiny',
    description: 'A model for tests, too small to write sentences',
    model: llama({ vocabSize: 512, hiddenSize: 64, intermediateSize: 192, layers: 2, heads: 2, kvHeads: 2 }),
    training: training({
      batch: 2,
      accumulation: 1,
      sequence: 64,
      maxInnerSteps: 20,
      learningRate: 5e-3,
      warmupRounds: 1,
      totalRounds: 200,
    }),
    schedule: scheduleFor(10_000),
    sparseloco,
    gauntlet: { ...gauntlet, heldOutSequences: 16 },
    admission,
    credits,
  },
  '1m': {
    name: '1m',
    description: 'A demonstration, small enough to take part even without a real GPU',
    // A matrix of its own for the output: with tied ones so narrow a model first stands still at the frequencies of single
    // tokens (docs/experiments.md, tied embeddings). A layer less pays for it.
    model: llama(
      { vocabSize: 2048, hiddenSize: 128, intermediateSize: 384, layers: 3, heads: 4, kvHeads: 2 },
      false,
    ),
    training: training({
      batch: 2,
      accumulation: 1,
      sequence: 128,
      maxInnerSteps: 30,
      learningRate: 3e-3,
      warmupRounds: 2,
      totalRounds: 1000,
    }),
    schedule: scheduleFor(30_000),
    sparseloco,
    gauntlet: wellAudited,
    admission,
    credits,
  },
  '10m': {
    name: '10m',
    description: 'A small model for laptops and phones with a GPU',
    model: llama({
      vocabSize: 4096,
      hiddenSize: 256,
      intermediateSize: 704,
      layers: 12,
      heads: 4,
      kvHeads: 2,
    }),
    training: training({
      batch: 8,
      accumulation: 1,
      sequence: 256,
      maxInnerSteps: 30,
      learningRate: 1.5e-3,
      warmupRounds: 5,
      totalRounds: 2000,
    }),
    schedule: scheduleFor(60_000),
    sparseloco,
    gauntlet: audited,
    admission,
    credits,
  },
  '30m': {
    name: '30m',
    description: 'A model for desktop GPUs',
    model: llama({
      vocabSize: 8192,
      hiddenSize: 384,
      intermediateSize: 1088,
      layers: 16,
      heads: 6,
      kvHeads: 2,
    }),
    training: training({
      batch: 8,
      accumulation: 2,
      sequence: 512,
      maxInnerSteps: 30,
      learningRate: 1e-3,
      warmupRounds: 10,
      totalRounds: 4000,
    }),
    schedule: scheduleFor(180_000),
    sparseloco,
    gauntlet: { ...gauntlet, heldOutSequences: 16 },
    admission,
    credits,
  },
  '124m': {
    name: '124m',
    description: "A model of GPT-2's size, for strong desktop GPUs and long rounds",
    model: llama({
      vocabSize: 50_304,
      hiddenSize: 768,
      intermediateSize: 2048,
      layers: 12,
      heads: 12,
      kvHeads: 12,
    }),
    training: training({
      batch: 4,
      accumulation: 8,
      sequence: 1024,
      maxInnerSteps: 30,
      learningRate: 6e-4,
      warmupRounds: 20,
      totalRounds: 10_000,
    }),
    schedule: scheduleFor(600_000),
    sparseloco,
    gauntlet: { ...gauntlet, maxAccepted: 32, heldOutSequences: 16 },
    admission,
    credits,
  },
};

/** Looks a preset up by name. Throws RangeError that lists the names. */
export function preset(name: string): Preset {
  if (!Object.hasOwn(PRESETS, name)) throw new RangeError(`no preset is named "${name}"`);
  return PRESETS[name as PresetName];
}

/** What a run adds to its preset. */
export interface RunParts {
  readonly name: string;
  readonly description: string;
  readonly organizer: Manifest['organizer'];
  readonly tokenizer: BlobRef;
  readonly data: {
    readonly source: string;
    readonly licence: string;
    readonly train: readonly ShardRef[];
    readonly heldOut: ShardRef;
  };
  readonly genesis: Manifest['genesis'];
  readonly validators: Manifest['validators'];
  readonly startMs: number;
  /** Replaces single settings of the preset. */
  readonly overrides?: {
    readonly training?: Partial<Training>;
    readonly schedule?: Partial<Preset['schedule']>;
    readonly sparseloco?: Partial<Manifest['sparseloco']>;
    readonly gauntlet?: Partial<Manifest['gauntlet']>;
    readonly admission?: Partial<Manifest['admission']>;
    readonly credits?: Partial<Manifest['credits']>;
  };
}

/** The manifest of a run by a preset. Throws valibot's ValiError when a part or an override is out of bounds. */
export function presetManifest(base: Preset, parts: RunParts): Manifest {
  const over = parts.overrides ?? {};
  const { source, licence, train, heldOut } = parts.data;
  return v.parse(ManifestSchema, {
    protocol: PROTOCOL_VERSION,
    name: parts.name,
    description: parts.description,
    organizer: parts.organizer,
    model: base.model,
    tokenizer: parts.tokenizer,
    task: {
      kind: 'pretrain',
      data: { source, licence, train: [...train], heldOut },
      training: { ...base.training, ...over.training },
    },
    sparseloco: { ...base.sparseloco, ...over.sparseloco },
    schedule: { ...base.schedule, ...over.schedule, startMs: parts.startMs },
    gauntlet: { ...base.gauntlet, ...over.gauntlet },
    admission: { ...base.admission, ...over.admission },
    credits: { ...base.credits, ...over.credits },
    genesis: parts.genesis,
    validators: parts.validators,
  });
}
