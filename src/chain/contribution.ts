/**
 * A contribution certificate: what a contributor may show to a friend, and how the friend checks it.
 *
 * The contributor's key signs a claim: its figures at one height of the run's chain, the hash of the certificate there
 * (the anchor), the hash of the picture they are drawn on and the hash of the evidence. The evidence is the signed
 * manifest, the anchor and certificates that name the contributor, each signed by the run's validators. So the picture
 * and the name are the contributor's word; credits, rounds and units are the validators'. Against a host's whole chain
 * the figures are recomputed (peer/verify-contribution.ts); from the evidence alone they are proven as far as the
 * certificates in it add up.
 */
import * as v from 'valibot';
import { bytesEqual, compareBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import { checkAnchor, type CheckedCertificate, type ChainHead } from './certificate.ts';
import { decodeCanonical, encodeCanonical } from '../protocol/codec.ts';
import { type OpenFailure, openSigned, signBytes } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Account } from './ledger.ts';
import { openRun, type Run } from './run.ts';
import { CertificateSchema, type MessageOf } from '../protocol/messages.ts';
import { Name } from '../protocol/profile.ts';
import { Bytes, Hash, Height, positive, Round, Time, uint } from '../protocol/schema.ts';

const KIND = 'contribution';
/** A claim is about 400 bytes; a link with it still fits a chat message. */
const MAX_CLAIM_BYTES = 2048;
/** Evidence travels inside a picture that people send around. */
export const MAX_EVIDENCE_BYTES = 512 * 1024;
/** A manifest that names thousands of shards is left out of the evidence: its run can then be checked at its host. */
const MAX_EMBEDDED_MANIFEST = 128 * 1024;
const MAX_FILE_BYTES = MAX_CLAIM_BYTES + MAX_EVIDENCE_BYTES + MAX_EMBEDDED_MANIFEST + 64;

const Safe = uint(Number.MAX_SAFE_INTEGER);

export const FiguresSchema = v.strictObject({
  /** Micro-credits held at the anchor, provisional ones included, forfeited ones not. */
  credits: Safe,
  /** Rounds of accepted work, and its units: tokens in pre-training. */
  accepted: positive(0xffffffff),
  units: Safe,
  /** Of the accepted submissions. */
  firstRound: Round,
  lastRound: Round,
});
export type Figures = v.InferOutput<typeof FiguresSchema>;

export const ClaimSchema = v.strictObject({
  run: Hash,
  name: Name,
  team: Name,
  anchor: v.strictObject({ height: Height, hash: Hash }),
  ...FiguresSchema.entries,
  /** When it was signed, by the swarm's clock. */
  time: Time,
  /** SHA-256 of the PNG file without the chunk that carries this. */
  picture: Hash,
  /** SHA-256 of the evidence's bytes. */
  evidence: Hash,
});
export type Claim = v.InferOutput<typeof ClaimSchema>;

const EvidenceSchema = v.strictObject({
  /** Signed manifest; null when it is too big to embed. */
  manifest: v.nullable(Bytes),
  /** By ascending height, each once; the anchor is the last. */
  certificates: v.pipe(v.array(CertificateSchema), v.minLength(1), v.maxLength(4096)),
});

const FileSchema = v.strictTuple([Bytes, Bytes]);

type Certificate = MessageOf<'certificate'>;

/** Figures of a contributor from its account and the rounds of its first and last accepted submission. */
export function figuresOf(account: Account, firstRound: number, lastRound: number): Figures {
  const { credits, accepted, units } = account;
  return { credits, accepted, units, firstRound, lastRound };
}

export const sameFigures = (a: Figures, b: Figures): boolean =>
  (['credits', 'accepted', 'units', 'firstRound', 'lastRound'] as const).every((key) => a[key] === b[key]);

/**
 * Evidence for a claim: the anchor, and as many of the contributor's own certificates as fit, newest first. `own` by
 * ascending height; the anchor may be one of them.
 */
export function buildEvidence(
  manifestBytes: Uint8Array,
  own: readonly CheckedCertificate[],
  anchor: CheckedCertificate,
  maxBytes = MAX_EVIDENCE_BYTES,
): Uint8Array<ArrayBuffer> {
  const manifest = manifestBytes.byteLength > MAX_EMBEDDED_MANIFEST ? null : manifestBytes;
  const certificates: Certificate[] = [anchor.message];
  let size = sizeOf(anchor.message);
  for (const certificate of own.toReversed()) {
    if (certificate.body.height >= anchor.body.height) continue;
    size += sizeOf(certificate.message);
    if (size > maxBytes) break;
    certificates.push(certificate.message);
  }
  return encodeCanonical({ manifest, certificates: certificates.reverse() });
}

/** Encoded size of a certificate, with room for the keys and heads around its parts. */
export const sizeOf = ({ body, signatures }: Certificate): number =>
  body.byteLength + 140 * signatures.length + 64;

/** A signed claim: what a verify link carries. Throws RangeError when the claim breaks its own schema. */
export function signClaim(identity: Identity, claim: Claim): Promise<Uint8Array<ArrayBuffer>> {
  const checked = v.safeParse(ClaimSchema, claim);
  if (!checked.success) throw new RangeError(`cannot sign a contribution: ${checked.issues[0].message}`);
  return signBytes(identity, KIND, encodeCanonical(claim));
}

/** Claim and evidence as the one byte string that a picture carries. */
export const packContribution = (signedClaim: Uint8Array, evidence: Uint8Array): Uint8Array<ArrayBuffer> =>
  encodeCanonical([signedClaim, evidence]);

export type OpenedContribution =
  | {
      readonly ok: true;
      readonly contributor: Uint8Array;
      readonly claim: Claim;
      /** Null when a bare claim was given, as a link carries it. */
      readonly evidence: Uint8Array | null;
    }
  | OpenFailure;

/** Opens a packed contribution or a bare signed claim and checks the contributor's signature. Never throws. */
export async function openContribution(bytes: Uint8Array): Promise<OpenedContribution> {
  const file = decodeCanonical(bytes, MAX_FILE_BYTES);
  const packed = file.ok ? v.safeParse(FileSchema, file.value) : null;
  const [signedClaim, evidence] = packed?.success === true ? packed.output : [bytes, null];
  const opened = await openSigned(signedClaim, KIND, MAX_CLAIM_BYTES);
  if (!opened.ok) return opened;
  const claim = v.safeParse(ClaimSchema, opened.value);
  if (!claim.success)
    return { ok: false, reason: 'malformed', detail: claim.issues[0].message.slice(0, 160) };
  if (evidence !== null && !bytesEqual(sha256Sync(evidence), claim.output.evidence)) {
    return { ok: false, reason: 'signature', detail: 'the evidence is not what the contributor signed for' };
  }
  return { ok: true, contributor: opened.sender, claim: claim.output, evidence };
}

/** What the evidence proves by itself. */
export type EvidenceCheck =
  | {
      readonly ok: true;
      readonly run: Run;
      /** Certificates whose validators' signatures are good, and how many of them accepted the contributor's work. */
      readonly certificates: number;
      readonly rounds: number;
      /** What these award. Credits lost to a failed audit elsewhere in the chain are not known here. */
      readonly proven: Figures | null;
      /** Whether they add up to everything that is claimed. */
      readonly complete: boolean;
    }
  | { readonly ok: false; readonly reason: 'no-manifest' | 'forged'; readonly detail: string };

const forged = (detail: string): EvidenceCheck => ({ ok: false, reason: 'forged', detail });

/**
 * Checks the evidence of an opened claim: that the manifest is the claimed run's, that validators of more than 2/3 of
 * its weight signed every certificate, and what these add up to. `hostRun` stands in where none is embedded.
 */
export async function checkEvidence(
  claim: Claim,
  contributor: Uint8Array,
  evidence: Uint8Array,
  hostRun: Run | null = null,
): Promise<EvidenceCheck> {
  const decoded = decodeCanonical(evidence, MAX_EVIDENCE_BYTES + MAX_EMBEDDED_MANIFEST);
  const parsed = decoded.ok ? v.safeParse(EvidenceSchema, decoded.value) : null;
  if (parsed?.success !== true) return forged('the evidence cannot be read');
  const { manifest: embedded, certificates } = parsed.output;
  let run = hostRun;
  if (embedded !== null) {
    const opened = await openRun(embedded);
    if (!opened.ok) return forged(`the run's description: ${opened.detail}`);
    if (!bytesEqual(opened.run.id, claim.run)) return forged('the description is another run’s');
    ({ run } = opened);
  }
  if (run === null)
    return { ok: false, reason: 'no-manifest', detail: 'its description is too big to embed' };
  let head: ChainHead | null = null;
  let rounds = 0;
  const sum = { credits: 0, units: 0 };
  let first = 0;
  let last = 0;
  for (const message of certificates) {
    const checked = await checkAnchor(message, run);
    if (!checked.ok) return forged(`a certificate: ${checked.detail}`);
    const { body } = checked.certificate;
    if (head !== null && body.height <= head.height)
      return forged('certificates are not in order, each once');
    ({ head } = checked.certificate);
    const own = body.accepted.find((entry) => bytesEqual(entry.contributor, contributor));
    if (own === undefined) continue;
    if (rounds === 0) first = body.round;
    last = body.round;
    rounds++;
    sum.units += own.units;
    sum.credits += body.credits.find((e) => compareBytes(e.contributor, contributor) === 0)?.amount ?? 0;
  }
  const { anchor } = claim;
  if (head === null || head.height !== anchor.height || !bytesEqual(head.hash, anchor.hash))
    return forged(`the certificate at height ${anchor.height} is not ${toHex(anchor.hash).slice(0, 16)}`);
  const proven = rounds === 0 ? null : { ...sum, accepted: rounds, firstRound: first, lastRound: last };
  const complete = proven !== null && sameFigures(proven, claim);
  return { ok: true, run, certificates: certificates.length, rounds, proven, complete };
}
