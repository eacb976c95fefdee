/**
 * Certificates: the chain of what the swarm has applied, one link a round that had accepted work or newcomers.
 *
 * A link is a body (messages.ts) and signatures over its exact bytes by validators of more than 2/3 of the manifest's
 * weight. Anybody with the manifest checks it alone: quorum, place in the chain, and that the credits are the rule's.
 */
import * as v from 'valibot';
import { bytesEqual, compareBytes, sha256Sync, toHex } from '../protocol/bytes.ts';
import { decodeCanonical, encodeCanonical } from '../protocol/codec.ts';
import { signedBytes } from '../protocol/envelope.ts';
import { type Identity, verifySignature } from '../protocol/identity.ts';
import { checkJoin, type JoinBase, nextJoinBases, nextJoinBits } from '../protocol/join.ts';
import { creditsFor } from './ledger.ts';
import { MAX_GOSSIP_BYTES } from '../protocol/limits.ts';
import { encodePassedOver } from '../protocol/passed-over.ts';
import {
  type AcceptedEntry,
  type AuditEntry,
  type CertificateBody,
  CertificateBodySchema,
  type JoinedEntry,
  type MessageOf,
  type RefusedEntry,
} from '../protocol/messages.ts';
import { Round } from '../protocol/schema.ts';
import type { Run } from './run.ts';

type Certificate = MessageOf<'certificate'>;

/** What a round came to: everything that its certificate records beside its place in the chain. */
export interface Outcome {
  readonly round: number;
  readonly baseRoot: Uint8Array;
  readonly accepted: readonly AcceptedEntry[];
  readonly refused: readonly RefusedEntry[];
  /** Members that had no room in the round, nor in `refused`. */
  readonly passedOver: readonly Uint8Array[];
  readonly joined: readonly JoinedEntry[];
  readonly audits: readonly AuditEntry[];
}

/** Domain of validators' signatures over a body; an envelope around the certificate has its own. */
const SIGNATURE_KIND = 'certificate-body';

/** The newest certified point of a chain: all that is needed to check or to build the next certificate. */
export interface ChainHead {
  readonly height: number;
  /** Hash of the certificate's body; the run id at height 0. Also the next round's random beacon. */
  readonly hash: Uint8Array;
  /** State root after it. */
  readonly root: Uint8Array;
  /** Its round; -1 at height 0. */
  readonly round: number;
  /** Micro-credits issued up to and including it. */
  readonly issued: number;
  /** Leading zero bits that a join over it needs. */
  readonly joinBits: number;
  /** The newest certificates, this one first: joins may be over each. */
  readonly joinBases: readonly JoinBase[];
}

export const genesisHead = ({ id, manifest }: Run): ChainHead => ({
  height: 0,
  hash: id,
  root: manifest.genesis.root,
  round: -1,
  issued: 0,
  joinBits: manifest.admission.joinBits,
  joinBases: [{ certificate: id, bits: manifest.admission.joinBits, joined: 0 }],
});

/**
 * The body that certifies a round's outcome, after whose accepted work the state has `root`. Throws RangeError when there
 * is nothing to certify ({@link hasCertificate}), or the outcome does not start from the head's root.
 */
export function buildCertificateBody(
  run: Run,
  head: ChainHead,
  outcome: Outcome,
  root: Uint8Array,
): CertificateBody {
  if (!hasCertificate(outcome))
    throw new RangeError(
      'an outcome that accepted and admitted nobody and ended no audit has no certificate',
    );
  if (!bytesEqual(outcome.baseRoot, head.root)) throw new RangeError('the outcome is of another state');
  const accepted = [...outcome.accepted].sort(byContributor);
  return {
    run: run.id,
    round: outcome.round,
    height: head.height + 1,
    previous: head.hash,
    baseRoot: head.root,
    root,
    accepted,
    // Only what all validators agree on: an outcome's entries may carry notes of one machine.
    refused: outcome.refused.map(({ contributor, reason }) => ({ contributor, reason })).sort(byContributor),
    passedOver: encodePassedOver(outcome.passedOver),
    joined: [...outcome.joined].sort(byContributor),
    joinBits: nextJoinBits(head.height + 1, outcome.joined.length, head.joinBases, run.manifest.admission),
    audits: outcome.audits
      .map(({ contributor, round, outcome: ended }) => ({ contributor, round, outcome: ended }))
      .sort(byContributor),
    issued: head.issued,
    credits: creditsFor(run.manifest.credits, head.issued, accepted).map((entry) => ({ ...entry })),
  };
}

/**
 * Whether anything happened that the chain must record. Without work, newcomers are reason enough, and outcomes of
 * audits: where all who are left wait for one, nothing else would ever be certified.
 */
export const hasCertificate = ({
  accepted,
  joined,
  audits,
}: Pick<Outcome, 'accepted' | 'joined' | 'audits'>): boolean =>
  accepted.length + joined.length + audits.length > 0;

/** Hash of a body's exact bytes: the next certificate's `previous`. */
export const bodyHash = (body: Uint8Array): Uint8Array => sha256Sync(body);

/** One validator's signature over a body. */
export async function signBody(
  validator: Identity,
  body: Uint8Array,
): Promise<Certificate['signatures'][number]> {
  return {
    validator: validator.publicKey,
    signature: await validator.sign(signedBytes(SIGNATURE_KIND, body)),
  };
}

/** A certificate of a body, signed by these validators (one or many). */
export async function certify(body: CertificateBody, validators: readonly Identity[]): Promise<Certificate> {
  const bytes = encodeCanonical(body);
  const signatures = await Promise.all(validators.map((validator) => signBody(validator, bytes)));
  return { kind: 'certificate', body: bytes, signatures: signatures.sort(byValidator) };
}

/**
 * Why a certificate was refused. `old`: at or below the head (harmless when it is one we have; a different body at the
 * same height is `fork`, proof that more than 1/3 of the validators' weight signed twice). `gap`: beyond the next
 * height: catch up first.
 */
export type CertificateProblem =
  | 'malformed'
  | 'other-run'
  | 'old'
  | 'fork'
  | 'gap'
  | 'broken-chain'
  | 'credits'
  | 'join'
  /** Of somebody who is no member, or admits a member again (members.ts). */
  | 'member'
  | 'signature'
  | 'quorum';

/** A certificate that passed, with its decoded body and the head it makes. */
export interface CheckedCertificate {
  readonly message: Certificate;
  readonly body: CertificateBody;
  readonly head: ChainHead;
}

export type CertificateCheck =
  | { readonly ok: true; readonly certificate: CheckedCertificate }
  | { readonly ok: false; readonly reason: CertificateProblem; readonly detail: string };

/** Checks that a certificate is the next one after `head`. Never throws. */
export async function checkCertificate(
  certificate: Certificate,
  run: Run,
  head: ChainHead,
): Promise<CertificateCheck> {
  const read = readBody(certificate, run);
  if (!read.ok) return read;
  const { body } = read.certificate;
  if (body.height > head.height + 1) return refuse('gap', `height ${body.height}, we are at ${head.height}`);
  if (body.height === head.height && !bytesEqual(read.certificate.head.hash, head.hash)) {
    const quorum = await checkQuorum(certificate, run);
    return quorum ?? refuse('fork', `two certificates of height ${body.height}`);
  }
  if (body.height <= head.height) return refuse('old', `height ${body.height}, we are at ${head.height}`);
  if (!bytesEqual(body.previous, head.hash))
    return refuse('broken-chain', 'names another previous certificate');
  if (!bytesEqual(body.baseRoot, head.root)) return refuse('broken-chain', 'starts from another state root');
  if (body.round <= head.round)
    return refuse('broken-chain', `round ${body.round} after round ${head.round}`);
  if (body.issued !== head.issued) {
    return refuse(
      'credits',
      `says ${body.issued} micro-credits were issued before it, the chain ${head.issued}`,
    );
  }
  const problem = checkJoins(body, run, head) ?? (await checkQuorum(certificate, run));
  if (problem !== null) return problem;
  const [newest] = read.certificate.head.joinBases;
  const joinBases = nextJoinBases(newest, head.joinBases);
  return { ok: true, certificate: { ...read.certificate, head: { ...read.certificate.head, joinBases } } };
}

/** Null when everybody who joined has done the work that was asked for, and the next work is what the rule says. */
function checkJoins(
  body: CertificateBody,
  { manifest }: Run,
  { height, joinBases }: ChainHead,
): (CertificateCheck & { ok: false }) | null {
  const needed = nextJoinBits(height + 1, body.joined.length, joinBases, manifest.admission);
  if (body.joinBits !== needed)
    return refuse('join', `joins are to need ${body.joinBits} bits; by the rule, ${needed}`);
  for (const { contributor, nonce, age } of body.joined) {
    const base = joinBases[age];
    if (base === undefined) return refuse('join', `a join over a certificate ${age} before the last`);
    if (checkJoin(body.run, contributor, { certificate: base.certificate, nonce }, [base]).is !== 'good')
      return refuse('join', `${toHex(contributor).slice(0, 16)} joined without ${base.bits} bits of work`);
  }
  return null;
}

/**
 * Checks a certificate alone, without the chain before it: what a joiner does with the certificate of the checkpoint
 * it starts from. The quorum's signatures vouch for everything before. Its head knows no certificate before it.
 */
export async function checkAnchor(certificate: Certificate, run: Run): Promise<CertificateCheck> {
  const read = readBody(certificate, run);
  if (!read.ok) return read;
  return (await checkQuorum(certificate, run)) ?? read;
}

/** The round that a certificate says it is of, unchecked; null when its body cannot be read. */
export function roundOf({ body }: Pick<Certificate, 'body'>): number | null {
  const decoded = decodeCanonical(body, MAX_GOSSIP_BYTES);
  const read = decoded.ok ? v.safeParse(v.looseObject({ round: Round }), decoded.value) : null;
  return read?.success === true ? read.output.round : null;
}

/** Form and inner rules of a body: everything but chain and signatures. */
function readBody(certificate: Certificate, run: Run): CertificateCheck {
  const decoded = decodeCanonical(certificate.body, MAX_GOSSIP_BYTES);
  if (!decoded.ok) return refuse('malformed', decoded.detail);
  const parsed = v.safeParse(CertificateBodySchema, decoded.value);
  if (!parsed.success) return refuse('malformed', parsed.issues[0].message.slice(0, 160));
  const body = parsed.output;
  if (!bytesEqual(body.run, run.id)) return refuse('other-run', `run ${toHex(body.run).slice(0, 16)}`);
  if (body.accepted.length > run.rules.maxAccepted) {
    return refuse('malformed', `${body.accepted.length} accepted, the run allows ${run.rules.maxAccepted}`);
  }
  if (![body.accepted, body.refused, body.joined, body.audits].every(strictlyAscending)) {
    return refuse('malformed', 'contributors not in ascending order, each once');
  }
  if (!hasCertificate(body))
    return refuse('malformed', 'nobody was accepted, nobody joined, and no audit ended');
  if (body.audits.some(({ round }) => round >= body.round))
    return refuse('malformed', 'an audit of a round that was not over');
  const credits = creditsFor(run.manifest.credits, body.issued, body.accepted);
  const asRuled =
    credits.length === body.credits.length &&
    credits.every((entry, i) => {
      const claimed = body.credits[i];
      return entry.amount === claimed.amount && bytesEqual(entry.contributor, claimed.contributor);
    });
  if (!asRuled) return refuse('credits', 'credits are not what the manifest rules for these weights');
  const hash = bodyHash(certificate.body);
  const head: ChainHead = {
    height: body.height,
    hash,
    root: body.root,
    round: body.round,
    issued: body.issued + credits.reduce((sum, entry) => sum + entry.amount, 0),
    joinBits: body.joinBits,
    joinBases: [{ certificate: hash, bits: body.joinBits, joined: body.joined.length }],
  };
  return { ok: true, certificate: { message: certificate, body, head } };
}

/** Null when validators of more than 2/3 of the weight signed; signatures must be distinct, sorted and all good. */
async function checkQuorum(
  certificate: Certificate,
  { manifest }: Run,
): Promise<(CertificateCheck & { ok: false }) | null> {
  const weights = new Map(manifest.validators.map(({ key, weight }) => [toHex(key), weight]));
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const signed = signedBytes(SIGNATURE_KIND, certificate.body);
  let weight = 0;
  let last: Uint8Array | null = null;
  for (const { validator, signature } of certificate.signatures) {
    const name = toHex(validator).slice(0, 16);
    if (last !== null && compareBytes(last, validator) >= 0) {
      return refuse('malformed', 'validators not in ascending order, each once');
    }
    last = validator;
    const own = weights.get(toHex(validator));
    if (own === undefined) return refuse('signature', `${name} is no validator of this run`);
    if (!(await verifySignature(validator, signed, signature))) {
      return refuse('signature', `the signature of ${name} is not good`);
    }
    weight += own;
  }
  // Integers: weight / total > 2/3.
  if (3 * weight <= 2 * total) return refuse('quorum', `weight ${weight} of ${total}, more than 2/3 needed`);
  return null;
}

interface Listed {
  readonly contributor: Uint8Array;
}
const byContributor = (a: Listed, b: Listed): number => compareBytes(a.contributor, b.contributor);
const byValidator = (a: { validator: Uint8Array }, b: { validator: Uint8Array }): number =>
  compareBytes(a.validator, b.validator);

const strictlyAscending = (entries: readonly Listed[]): boolean =>
  entries.every((entry, i) => i === 0 || compareBytes(entries[i - 1].contributor, entry.contributor) < 0);

function refuse(reason: CertificateProblem, detail: string): CertificateCheck & { ok: false } {
  return { ok: false, reason, detail };
}
