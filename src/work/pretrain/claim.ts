/**
 * What a contributor says of a round of pre-training: which submission, how much work, from which state. Its bytes are
 * opaque to the round's core (protocol/messages.ts); this is the only place that reads and writes them.
 */
import * as v from 'valibot';
import { decodeCanonical, encodeCanonical } from '../../protocol/codec.ts';
import { MAX_CLAIM_BYTES, MAX_INNER_STEPS } from '../../protocol/limits.ts';
import { BlobRef, Hash, positive } from '../../protocol/schema.ts';
import { CarryDigestsSchema, CarryRootsSchema } from '../../training/carry.ts';

const ClaimSchema = v.strictObject({
  submission: BlobRef,
  tokens: positive(Number.MAX_SAFE_INTEGER),
  innerSteps: positive(MAX_INNER_STEPS),
  /** State root that the work started from. */
  baseRoot: Hash,
  /** Commitment to error feedback and moments; null in runs without audits. */
  carry: v.nullable(CarryRootsSchema),
});
export type PretrainClaim = v.InferOutput<typeof ClaimSchema>;

export const encodeClaim = (claim: PretrainClaim): Uint8Array<ArrayBuffer> => encodeCanonical(claim);

/** Null for bytes that are no claim of pre-training. Never throws. */
export function decodeClaim(bytes: Uint8Array): PretrainClaim | null {
  return decoded(bytes, ClaimSchema);
}

/** What an audited contributor shows: digests of the parts, which it serves as blobs of 4 bytes a parameter. */
const AnswerSchema = v.strictObject({
  /** Null: zeros. */
  before: v.nullable(CarryDigestsSchema),
  /** As after an accepted round. */
  after: CarryDigestsSchema,
});
export type CarryAnswer = v.InferOutput<typeof AnswerSchema>;

export const encodeAnswer = (answer: CarryAnswer): Uint8Array<ArrayBuffer> => encodeCanonical(answer);

/** Null for bytes that are no answer. Never throws. */
export function decodeAnswer(bytes: Uint8Array): CarryAnswer | null {
  return decoded(bytes, AnswerSchema);
}

function decoded<S extends v.GenericSchema>(bytes: Uint8Array, schema: S): v.InferOutput<S> | null {
  const value = decodeCanonical(bytes, MAX_CLAIM_BYTES);
  const parsed = value.ok ? v.safeParse(schema, value.value) : null;
  return parsed?.success === true ? parsed.output : null;
}
