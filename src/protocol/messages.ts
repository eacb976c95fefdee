/**
 * The messages of a run, as one union. Each travels in a signed envelope (envelope.ts); the signer's key is the
 * sender, so no body repeats it. docs/protocol.md describes each with its limits.
 */
import * as v from 'valibot';
import { CleanText, Token } from './clean-text.ts';
import {
  JOIN_WINDOW,
  MAX_ACCEPTED,
  MAX_AUDITS,
  MAX_CLAIM_BYTES,
  MAX_JOIN_BITS,
  MAX_JOINED,
  MAX_REFUSED,
  MAX_WEIGHT,
} from './limits.ts';
import { PassedOver } from './passed-over.ts';
import { Name } from './profile.ts';
import { Bytes, Hash, Height, Key, Loss, positive, real, Round, Signature, Time, uint } from './schema.ts';

/** Why a submission was not accepted. The sender sees its own. */
export const REFUSAL_REASONS = [
  'malformed', // does not decode as a submission for this run
  'too-large', // more bytes than the run allows
  'signature', // envelope or submission not signed by its sender
  'wrong-round', // made for another round
  'not-member', // its sender is not admitted (any more): never in a list, since keys are free
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
  'capacity', // more work than one certificate holds
  'unjudged', // the validator could not judge it: its machine failed or was too slow. Nobody is to blame, nothing is counted
  'duplicate', // a second submission of one contributor
] as const;
export const RefusalReason = v.picklist(REFUSAL_REASONS);
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/**
 * Figures behind a refusal or an audit: which rule it was, and the numbers. Machine-dependent, so they stand in opinions
 * and never in a certificate's body. Words for them are the page's business (ui/strings/notes.ts).
 */
export const NoteSchema = v.strictObject({
  code: Token(40),
  figures: v.pipe(
    v.record(Token(24), v.union([real(-1e300, 1e300), CleanText(64)])),
    v.check((figures) => Object.keys(figures).length <= 8, 'at most 8 figures'),
  ),
});
export type Note = v.InferOutput<typeof NoteSchema>;

/** A contributor's statement of its work. Opaque to the round's core: only the run's kind of work reads it. */
export const ClaimBytes = v.pipe(
  Bytes,
  v.check(
    (b) => b.byteLength > 0 && b.byteLength <= MAX_CLAIM_BYTES,
    `a claim has 1 to ${MAX_CLAIM_BYTES} bytes`,
  ),
);

/**
 * "I want to take part": a proof of work over a new certificate (join.ts). The next certificate lists the sender,
 * and with it its data is drawn.
 */
export const JoinSchema = v.strictObject({
  kind: v.literal('join'),
  run: Hash,
  /** Hash of one of the {@link JOIN_WINDOW} newest certificates' bodies; the run id before the first. */
  certificate: Hash,
  nonce: uint(Number.MAX_SAFE_INTEGER),
});

/**
 * "I have done work": sent before anybody can see the claim or the bytes it is about, so nothing can be copied. The seal
 * (seal.ts) binds sender and claim without showing the claim, so that repeating another's commit is worth nothing either.
 */
export const CommitSchema = v.strictObject({
  kind: v.literal('commit'),
  run: Hash,
  round: Round,
  seal: Hash,
});

/** "This is the claim that I sealed, and its bytes may be fetched now, for example from this libp2p peer." */
export const RevealSchema = v.strictObject({
  kind: v.literal('reveal'),
  run: Hash,
  round: Round,
  claim: ClaimBytes,
  peer: CleanText(80),
});

/** Letters of a peer id that tell it apart, and links that a presence lists: as many as a tab keeps. */
export const LINK_TAIL = 8;
export const MAX_LINKS_SHOWN = 12;

/** "Show what your claim of this round rests on": a validator, once the round is judged, to those it drew. */
export const AuditSchema = v.strictObject({
  kind: v.literal('audit'),
  run: Hash,
  round: Round,
  contributors: v.pipe(v.array(Key), v.minLength(1), v.maxLength(MAX_AUDITS)),
});

/** The answer to an audit, in the form of the run's kind of work; what it names is served by this libp2p peer. */
export const AnswerSchema = v.strictObject({
  kind: v.literal('answer'),
  run: Hash,
  round: Round,
  answer: ClaimBytes,
  peer: CleanText(80),
});

/** UTF-16 units that a presence has for the name of what computes; senders cut and clean what a driver says. */
export const MAX_ADAPTER = 120;

/**
 * A sign of life every few seconds, for the picture of the swarm. One thing depends on it: of two seats with one key, one
 * gives way (peer/validating.ts).
 */
export const PresenceSchema = v.strictObject({
  kind: v.literal('presence'),
  run: Hash,
  round: Round,
  peer: CleanText(80),
  role: v.picklist(['contributor', 'watcher', 'validator']),
  state: CleanText(40),
  adapter: CleanText(MAX_ADAPTER),
  tokensPerSecond: real(0, 1e12),
  root: Hash,
  height: Height,
  /**
   * Whom the sender is linked to, for the picture only: the last {@link LINK_TAIL} letters of the peer's id, the path,
   * bytes a second in both directions together.
   */
  links: v.exactOptional(
    v.pipe(
      v.array(v.strictTuple([CleanText(LINK_TAIL), v.picklist(['direct', 'relayed']), uint(1e12)])),
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
  claim: ClaimBytes,
  /** What the ledger counts of this work; tokens in pre-training. */
  units: positive(Number.MAX_SAFE_INTEGER),
  weight: positive(MAX_WEIGHT),
});
export type AcceptedEntry = v.InferOutput<typeof AcceptedEntry>;

export const RefusedEntry = v.strictObject({ contributor: Key, reason: RefusalReason });
export type RefusedEntry = v.InferOutput<typeof RefusedEntry>;

export const Score = v.strictObject({
  contributor: Key,
  /** Loss before minus after a scaled step with the submission, on the sender's own assigned data, in nats. */
  assigned: real(-1e6, 1e6),
  /** The same on text that only the validator knows, and that the sender was not assigned. */
  unassigned: real(-1e6, 1e6),
});
export type Score = v.InferOutput<typeof Score>;

/** Somebody admitted, with the work that anybody can check. */
export const JoinedEntry = v.strictObject({
  contributor: Key,
  nonce: uint(Number.MAX_SAFE_INTEGER),
  /** Certificates between the one that the work is over and the one that lists it. */
  age: uint(JOIN_WINDOW - 1),
});
export type JoinedEntry = v.InferOutput<typeof JoinedEntry>;

/** How the replay of somebody's claimed work in an earlier round ended. */
export const AuditEntry = v.strictObject({
  contributor: Key,
  /** The round that was replayed. */
  round: Round,
  outcome: v.picklist(['passed', 'failed']),
});
export type AuditEntry = v.InferOutput<typeof AuditEntry>;

const Joined = v.pipe(v.array(JoinedEntry), v.maxLength(MAX_JOINED));
const Audits = v.pipe(v.array(AuditEntry), v.maxLength(MAX_AUDITS));

const Noted = v.strictObject({ contributor: Key, note: NoteSchema });

/**
 * What one validator measured of a round, beside what all validators agree on. Floats, texts and clocks of one machine
 * are in here and not in the certificate, so that many validators can sign the same certificate.
 */
export const OpinionSchema = v.strictObject({
  kind: v.literal('opinion'),
  run: Hash,
  round: Round,
  /** Height of the state that the round started from. */
  height: Height,
  /** Held-out loss of that state, nats per token; null when it was not measured. */
  heldOutLoss: v.nullable(Loss),
  scores: v.pipe(v.array(Score), v.maxLength(MAX_ACCEPTED + MAX_REFUSED)),
  /** Figures behind the round's refusals, and behind the audits that ended with it. */
  refused: v.pipe(v.array(Noted), v.maxLength(MAX_REFUSED)),
  audits: v.pipe(v.array(Noted), v.maxLength(MAX_AUDITS)),
});

/**
 * What was applied in a round. Nothing in it depends on the machine that made it, so that many validators can sign the
 * same bytes: no losses, no texts, no clocks ({@link OpinionSchema}).
 */
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
  /** Members that had no room in the round, nor in the list of refusals (passed-over.ts): as good as `capacity`. */
  passedOver: PassedOver,
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

/** What a validator's machine failed at, when it could not judge a round or certify it. */
export const ROUND_FAILURES = [
  'disk-full',
  'disk', // cannot be written or read
  'memory',
  'measuring', // losses cannot be measured
  'other',
] as const;
export type RoundFailure = (typeof ROUND_FAILURES)[number];

/** "Nobody's work was accepted in this round, and why": keeps the swarm from waiting. Not part of the chain. */
export const NoCertificateSchema = v.strictObject({
  kind: v.literal('no-certificate'),
  run: Hash,
  round: Round,
  /** Null: it was judged. Else whoever is not refused below is `unjudged`. */
  failure: v.nullable(v.picklist(ROUND_FAILURES)),
  refused: v.pipe(v.array(RefusedEntry), v.maxLength(MAX_REFUSED)),
  passedOver: PassedOver,
});

export const MessageSchema = v.variant('kind', [
  JoinSchema,
  CommitSchema,
  RevealSchema,
  AuditSchema,
  AnswerSchema,
  PresenceSchema,
  ProfileSchema,
  OpinionSchema,
  CertificateSchema,
  NoCertificateSchema,
]);
export type Message = v.InferOutput<typeof MessageSchema>;
export type MessageKind = Message['kind'];
export type MessageOf<K extends MessageKind> = Extract<Message, { kind: K }>;
