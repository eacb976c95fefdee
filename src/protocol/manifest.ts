/**
 * The manifest: everything that defines a run. Its SHA-256 is the run id, so nothing in it can change.
 *
 * Addresses of hosts and relays are deliberately absent: they come from whoever serves the page and may move.
 */
import * as v from 'valibot';
import { ModelConfigSchema } from '../model/config.ts';
import { MAX_AUDITS, MAX_JOIN_BITS, MAX_JOINED, PROTOCOL_VERSION } from './limits.ts';
import { CleanText } from './clean-text.ts';
import { BlobRef, Hash, Key, positive, real, Time, uint } from './schema.ts';

/** A shard: little-endian u16 token ids, documents separated by the end-of-text token. */
export const ShardRef = v.strictObject({ ...BlobRef.entries, tokens: positive(1 << 30) });
export type ShardRef = v.InferOutput<typeof ShardRef>;

/** Inner optimiser and batch. */
export const TrainingSchema = v.strictObject({
  /** Sequences in an inner step's micro-batch, and micro-batches accumulated before the AdamW update. */
  batch: positive(4096),
  accumulation: positive(4096),
  sequence: positive(1 << 16),
  /** H: the most inner steps that count in one round. */
  maxInnerSteps: positive(100_000),
  learningRate: real(1e-9, 10),
  /** Cosine floor as a share of the peak. */
  minLearningRateRatio: real(0, 1),
  /** In outer rounds (certificates), so that a slow round does not race through the schedule. */
  warmupRounds: uint(1_000_000),
  totalRounds: positive(10_000_000),
  beta1: real(0, 0.99999),
  beta2: real(0, 0.9999999),
  epsilon: real(1e-20, 1),
  weightDecay: real(0, 10),
  clipNorm: real(1e-6, 1e6),
});
export type Training = v.InferOutput<typeof TrainingSchema>;

/** SparseLoCo (arXiv 2508.15706). */
export const SparseLocoSchema = v.strictObject({
  /** Values kept of each chunk of 4096. */
  topK: v.pipe(v.number(), v.integer(), v.minValue(8), v.maxValue(512)),
  quantiser: v.picklist(['tensor4', 'sign2', 'sign1']),
  /** Error-feedback decay β and outer step size α. */
  beta: real(0, 1),
  alpha: real(1e-6, 10),
  /** Divide a coordinate's weighted sum by the weight of all accepted contributors, or of those that sent it. */
  average: v.picklist(['all', 'senders']),
  /** θ is an i32 in units of 2^-fractionBits. */
  fractionBits: v.pipe(v.number(), v.integer(), v.minValue(12), v.maxValue(30)),
});
export type SparseLoco = v.InferOutput<typeof SparseLocoSchema>;

/**
 * A round of `roundMs` counted from `startMs`: train until `trainMs`, commit until `commitMs`, reveal until
 * `revealMs`, certificate expected by `roundMs`. Times are offsets from the round's start, in milliseconds.
 */
export const ScheduleSchema = v.pipe(
  v.strictObject({
    startMs: Time,
    roundMs: positive(86_400_000),
    trainMs: positive(86_400_000),
    commitMs: positive(86_400_000),
    revealMs: positive(86_400_000),
  }),
  v.check(
    (s) => s.trainMs < s.commitMs && s.commitMs < s.revealMs && s.revealMs < s.roundMs,
    'a schedule needs trainMs < commitMs < revealMs < roundMs',
  ),
);
export type Schedule = v.InferOutput<typeof ScheduleSchema>;

export const GauntletSchema = v.strictObject({
  /** Contributors whose submissions one certificate applies at most. */
  maxAccepted: positive(64),
  /** Share of a sender's step that is applied when its loss is measured. */
  evaluationScale: real(1e-3, 1),
  /** Sequences in each loss measurement. */
  evaluationSequences: positive(4096),
  heldOutSequences: positive(65_536),
  /** A submission whose norm exceeds the median this many times is refused. */
  maxNormRatio: real(1, 1e6),
  /** A submission sharing more of its positions with an earlier commit than this is a copy. */
  maxOverlap: real(0, 1),
  /**
   * Agreement of signs with the others', as a share of the round's median, under which a submission is refused
   * (gauntlet/agreement.ts). Absent: no such check.
   */
  minAgreement: v.exactOptional(real(0, 1)),
  /**
   * Gain on common text, as a share of the round's median for the same tokens, under which a submission is refused
   * (gauntlet/scores.ts). Absent: only what makes the model worse is refused.
   */
  minGain: v.exactOptional(real(0, 1)),
  /**
   * Norm, as a share of the median of the others' for the tokens claimed, under which a submission is refused: fewer steps
   * than it says (gauntlet/checks.ts). Absent: no such check.
   */
  minNorm: v.exactOptional(real(0, 1)),
  /** Accepted rounds over which a newcomer's weight rises to that of its tokens. Absent or 0: no ramp. */
  rampRounds: v.exactOptional(uint(10_000)),
  /** Where so many of a round have passed an audit, work of those who never did is not applied. */
  trialFrom: v.exactOptional(v.pipe(uint(64), v.minValue(1))),
  /** Greatest share of a round's weight that one identity gets (never less than an equal share). Absent: no cap. */
  maxShare: v.exactOptional(real(1e-3, 1)),
  /** Who is judged when more commit than can be accepted: drawn by lot (the default), or best ratings first. */
  selection: v.exactOptional(v.picklist(['lottery', 'rating'])),
  /**
   * Contributors that validators audit in a round (docs/gauntlet.md). Absent or 0: none, and commits carry no
   * commitment to private state.
   */
  auditsPerRound: v.exactOptional(uint(MAX_AUDITS)),
});
export type GauntletRules = v.InferOutput<typeof GauntletSchema>;

/**
 * What contributors do in a run, and with what. One kind so far: `pretrain`, next-token prediction on assigned windows of
 * plain text. What every kind shares (model, tokenizer, outer step) stands beside it in the manifest.
 */
export const TaskSchema = v.variant('kind', [
  v.strictObject({
    kind: v.literal('pretrain'),
    data: v.strictObject({
      source: CleanText(200),
      licence: CleanText(200),
      train: v.pipe(v.array(ShardRef), v.minLength(1), v.maxLength(10_000)),
      heldOut: ShardRef,
    }),
    training: TrainingSchema,
  }),
]);
export type Task = v.InferOutput<typeof TaskSchema>;

/** Who may commit (docs/gauntlet.md). */
export const AdmissionSchema = v.strictObject({
  /** Least leading zero bits of a join's SHA-256; one more doubles the work. */
  joinBits: uint(MAX_JOIN_BITS),
  /** Joins in one certificate above which the next ones need a bit more, and below half of which one less. */
  joinTarget: positive(MAX_JOINED),
  /** Rounds without an entry in any certificate after which a member has to join again. */
  idleRounds: positive(1_000_000),
});
export type Admission = v.InferOutput<typeof AdmissionSchema>;

export const CreditSchema = v.pipe(
  v.strictObject({
    /** Micro-credits issued per certified round at the start, before any halving. */
    perRound: positive(Number.MAX_SAFE_INTEGER),
    /** The emission halves each time half of what was left of this total has been issued. */
    total: positive(Number.MAX_SAFE_INTEGER),
    /** Certificates after which credits are beyond the reach of a failed audit, unless a passed one vests them before. */
    vestRounds: uint(1_000_000),
  }),
  v.check(({ perRound, total }) => perRound <= total, 'perRound must not be more than total'),
);
export type CreditRules = v.InferOutput<typeof CreditSchema>;

export const ManifestSchema = v.strictObject({
  protocol: v.literal(PROTOCOL_VERSION),
  name: CleanText(80),
  description: CleanText(2000),
  organizer: v.strictObject({ name: CleanText(80), contact: CleanText(200), key: Key }),
  model: ModelConfigSchema,
  tokenizer: BlobRef,
  task: TaskSchema,
  sparseloco: SparseLocoSchema,
  schedule: ScheduleSchema,
  gauntlet: GauntletSchema,
  admission: AdmissionSchema,
  credits: CreditSchema,
  genesis: v.strictObject({ root: Hash, checkpoint: BlobRef }),
  validators: v.pipe(
    v.array(v.strictObject({ key: Key, weight: positive(1_000_000) })),
    v.minLength(1),
    v.maxLength(64),
  ),
});
export type Manifest = v.InferOutput<typeof ManifestSchema>;
