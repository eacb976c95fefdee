/**
 * The messages of a run, as one union. Each travels in a signed envelope (envelope.ts); the signer's key is the
 * sender, so no body repeats it. docs/protocol.md describes each with its limits.
 */
import * as v from 'valibot';
import { CarryDigestsSchema, CarryRootsSchema } from './carry.ts';
import {
  MAX_ACCEPTED,
  MAX_AUDITS,
  MAX_BLOB_BYTES,
  MAX_INNER_STEPS,
  MAX_JOIN_BITS,
  MAX_JOINED,
  MAX_REFUSED,
  MAX_WEIGHT,
} from './limits.ts';
import { Name } from './profile.ts';
import {
  BlobRef,
  Bytes,
  Hash,
  Height,
  Key,
  Loss,
  positive,
  real,
  Round,
  Signature,
  text,
  Time,
  uint,
} from './schema.ts';

/** Why a submission was not accepted. The sender sees its own. */
export const REFUSAL_REASONS = [
  'malformed', // does not decode as a submission for this run
  'too-large', // more bytes than the run allows
  'signature', // envelope or submission not signed by its sender
  'wrong-round', // made for another round
  'not-member', // its sender is not admitted (any more)
  'late', // committed or revealed after the deadline
  'not-revealed', // committed, but nobody could be found who serves the bytes
  'hash-mismatch', // the bytes served are not those committed
  'not-finite', // NaN or infinity inside
  'norm', // far from the median norm
  'copy', // overlaps an earlier commit
  'direction', // its signs go against those of the others
  'carry', // what it started from is not what it said it had
  'state', // computed from another state than the certified one
  'loss', // makes the model worse, or hardly better
  'work', // fewer steps than it claims, or round after round no better on its own text than on other text
  'on-trial', // its sender has passed no audit yet, or failed one since
  'capacity', // more good work than one certificate holds, or than could be judged in time
  'duplicate', // a second submission of one contributor
] as const;
export const RefusalReason = v.picklist(REFUSAL_REASONS);
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

const Work = {
  tokens: positive(Number.MAX_SAFE_INTEGER),
  innerSteps: positive(MAX_INNER_STEPS),
};

/**
 * "I want to take part": a proof of work over the newest certificate (join.ts). The next certificate lists the sender,
 * and with it its data is drawn.
 */
export const JoinSchema = v.strictObject({
  kind: v.literal('join'),
  run: Hash,
  /** Hash of the newest certificate's body; the run id before the first. */
  certificate: Hash,
  nonce: uint(Number.MAX_SAFE_INTEGER),
});

/**
 * "I have a submission": sent before anybody's bytes are served, so nothing can be copied. The seal (seal.ts) binds
 * sender and hash without showing the hash, so that repeating another's commit is worth nothing either.
 */
export const CommitSchema = v.strictObject({
  kind: v.literal('commit'),
  run: Hash,
  round: Round,
  seal: Hash,
  /** Bytes of the submission. */
  size: positive(MAX_BLOB_BYTES),
  ...Work,
  /** State root the work started from. */
  baseRoot: Hash,
  /** Mean training loss over the inner steps, as claimed. */
  trainLoss: Loss,
  /** Commitment to private state; in runs with audits. */
  carry: v.exactOptional(CarryRootsSchema),
});

/** "These bytes are what I sealed, and may be fetched now, for example from this libp2p peer." */
export const RevealSchema = v.strictObject({
  kind: v.literal('reveal'),
  run: Hash,
  round: Round,
  submission: BlobRef,
  peer: text(80),
});

/** Letters of a peer id that tell it apart, and links that a presence lists: as many as a tab keeps. */
export const LINK_TAIL = 8;
export const MAX_LINKS_SHOWN = 12;

/** "Show what you carried into and out of this round": a validator, after the reveal deadline, to those it drew. */
export const AuditSchema = v.strictObject({
  kind: v.literal('audit'),
  run: Hash,
  round: Round,
  contributors: v.pipe(v.array(Key), v.minLength(1), v.maxLength(MAX_AUDITS)),
});

/** The answer: digests of the parts, which this libp2p peer serves as blobs of 4 bytes a parameter. */
export const CarrySchema = v.strictObject({
  kind: v.literal('carry'),
  run: Hash,
  round: Round,
  /** Null: zeros. */
  before: v.nullable(CarryDigestsSchema),
  /** As after an accepted round. */
  after: CarryDigestsSchema,
  peer: text(80),
});

/** A sign of life every few seconds, for the picture of the swarm. Nothing depends on its truth. */
export const PresenceSchema = v.strictObject({
  kind: v.literal('presence'),
  run: Hash,
  round: Round,
  peer: text(80),
  role: v.picklist(['contributor', 'watcher', 'validator']),
  state: text(40),
  adapter: text(120),
  tokensPerSecond: real(0, 1e12),
  root: Hash,
  height: Height,
  /**
   * Whom the sender is linked to, for the picture only: the last {@link LINK_TAIL} letters of the peer's id, the path,
   * bytes a second in both directions together.
   */
  links: v.exactOptional(
    v.pipe(
      v.array(v.strictTuple([text(LINK_TAIL), v.picklist(['direct', 'relayed']), uint(1e12)])),
      v.maxLength(MAX_LINKS_SHOWN),
    ),
  ),
});

/** "Show this name and team beside my key." The newest `time` counts. Nothing depends on its truth. */
export const ProfileSchema = v.strictObject({
  kind: v.literal('profile'),
  run: Hash,
  name: Name,
  team: Name,
  time: Time,
});

export const AcceptedEntry = v.strictObject({
  contributor: Key,
  submission: BlobRef,
  ...Work,
  weight: positive(MAX_WEIGHT),
});
export type AcceptedEntry = v.InferOutput<typeof AcceptedEntry>;

export const RefusedEntry = v.strictObject({
  contributor: Key,
  reason: RefusalReason,
  /** Numbers behind the reason in plain words, e.g. "norm 41.2, median 0.9, limit 10x". */
  detail: text(160),
});
export type RefusedEntry = v.InferOutput<typeof RefusedEntry>;

export const Score = v.strictObject({
  contributor: Key,
  /** Loss before minus after a scaled step with the submission, on the sender's own assigned data, in nats. */
  assigned: real(-1e6, 1e6),
  /** The same on data that nobody was assigned. */
  unassigned: real(-1e6, 1e6),
});

/** Somebody admitted, with the work that anybody can check. */
export const JoinedEntry = v.strictObject({ contributor: Key, nonce: uint(Number.MAX_SAFE_INTEGER) });
export type JoinedEntry = v.InferOutput<typeof JoinedEntry>;

/** How the replay of somebody's claimed work in an earlier round ended. */
export const AuditEntry = v.strictObject({
  contributor: Key,
  /** The round that was replayed. */
  round: Round,
  outcome: v.picklist(['passed', 'failed']),
  /** Figures behind it in plain words. */
  detail: text(160),
});
export type AuditEntry = v.InferOutput<typeof AuditEntry>;

const Joined = v.pipe(v.array(JoinedEntry), v.maxLength(MAX_JOINED));
const Audits = v.pipe(v.array(AuditEntry), v.maxLength(MAX_AUDITS));

/** One validator's opinion of a round. */
export const VerdictSchema = v.strictObject({
  kind: v.literal('verdict'),
  run: Hash,
  round: Round,
  baseRoot: Hash,
  accepted: v.pipe(v.array(AcceptedEntry), v.maxLength(MAX_ACCEPTED)),
  refused: v.pipe(v.array(RefusedEntry), v.maxLength(MAX_REFUSED)),
  scores: v.pipe(v.array(Score), v.maxLength(MAX_ACCEPTED + MAX_REFUSED)),
  joined: Joined,
  audits: Audits,
});

/** What was applied in a round. Deterministic, so that many validators can sign the same bytes. */
export const CertificateBodySchema = v.strictObject({
  run: Hash,
  round: Round,
  /** Genesis is height 0; the first certificate has height 1. */
  height: Height,
  /** Hash of the previous certificate's body; the run id for the first. Also the next round's random beacon. */
  previous: Hash,
  baseRoot: Hash,
  root: Hash,
  /** Sorted by contributor key. Empty only if somebody joined: else there is no certificate. */
  accepted: v.pipe(v.array(AcceptedEntry), v.maxLength(MAX_ACCEPTED)),
  refused: v.pipe(v.array(RefusedEntry), v.maxLength(MAX_REFUSED)),
  /** Members from the next round on. Since the body's hash is that round's beacon, nobody knew its data before. */
  joined: Joined,
  /** Leading zero bits that joins over this certificate need (nextJoinBits in join.ts). */
  joinBits: uint(MAX_JOIN_BITS),
  /** Audits of earlier rounds that ended since the previous certificate. */
  audits: Audits,
  /** Micro-credits that all earlier certificates issued: makes a certificate's credits checkable at any height. */
  issued: uint(Number.MAX_SAFE_INTEGER),
  /** Micro-credits of this round, in the order of `accepted`. */
  credits: v.pipe(
    v.array(v.strictObject({ contributor: Key, amount: uint(Number.MAX_SAFE_INTEGER) })),
    v.maxLength(MAX_ACCEPTED),
  ),
  /** Held-out loss of the state *before* this round's update, so that measuring it costs the round no time. */
  heldOutLoss: Loss,
  time: Time,
});
export type CertificateBody = v.InferOutput<typeof CertificateBodySchema>;

/** The body's exact bytes with the validators' signatures over them. */
export const CertificateSchema = v.strictObject({
  kind: v.literal('certificate'),
  body: Bytes,
  signatures: v.pipe(
    v.array(v.strictObject({ validator: Key, signature: Signature })),
    v.minLength(1),
    v.maxLength(64),
  ),
});

/** "Nobody's work was accepted in this round, and why": keeps the swarm from waiting. Not part of the chain. */
export const NoCertificateSchema = v.strictObject({
  kind: v.literal('no-certificate'),
  run: Hash,
  round: Round,
  refused: v.pipe(v.array(RefusedEntry), v.maxLength(MAX_REFUSED)),
});

export const MessageSchema = v.variant('kind', [
  JoinSchema,
  CommitSchema,
  RevealSchema,
  AuditSchema,
  CarrySchema,
  PresenceSchema,
  ProfileSchema,
  VerdictSchema,
  CertificateSchema,
  NoCertificateSchema,
]);
export type Message = v.InferOutput<typeof MessageSchema>;
export type MessageKind = Message['kind'];
export type MessageOf<K extends MessageKind> = Extract<Message, { kind: K }>;
