/**
 * Certificates: the chain of what the swarm has applied, one link a round that had accepted work or newcomers.
 *
 * A link is a body (messages.ts) and signatures over its exact bytes by validators of more than 2/3 of the manifest's
 * weight. Anybody with the manifest checks it alone: quorum, place in the chain, and that the credits are the rule's.
 */
import * as v from 'valibot';
import { bytesEqual, compareBytes, sha256Sync, toHex } from './bytes.ts';
import { decodeCanonical, encodeCanonical } from './codec.ts';
import { signedBytes } from './envelope.ts';
import { type Identity, verifySignature } from './identity.ts';
import { joinWorks, nextJoinBits } from './join.ts';
import { creditsFor } from './ledger.ts';
import { MAX_GOSSIP_BYTES } from './limits.ts';
import type { Manifest } from './manifest.ts';
import { type CertificateBody, CertificateBodySchema, type MessageOf } from './messages.ts';

type Certificate = MessageOf<'certificate'>;
type Verdict = MessageOf<'verdict'>;

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
}

export const genesisHead = (manifest: Manifest, runId: Uint8Array): ChainHead => ({
  height: 0,
  hash: runId,
  root: manifest.genesis.root,
  round: -1,
  issued: 0,
  joinBits: manifest.admission.joinBits,
});

export interface CertificateParts {
  readonly manifest: Manifest;
  readonly head: ChainHead;
  readonly verdict: Verdict;
  /** State root after applying the verdict's accepted submissions. */
  readonly root: Uint8Array;
  /** Of the state before this round's update, nats per token. */
  readonly heldOutLoss: number;
  /** Swarm time, epoch ms. */
  readonly time: number;
}

/**
 * The body that certifies a verdict. Throws RangeError when there is nothing to certify ({@link hasCertificate}), or the
 * verdict does not start from the head's root.
 */
export function buildCertificateBody(parts: CertificateParts): CertificateBody {
  const { manifest, head, verdict } = parts;
  if (!hasCertificate(verdict))
    throw new RangeError('a verdict that accepted and admitted nobody and ended no audit has no certificate');
  if (!bytesEqual(verdict.baseRoot, head.root)) throw new RangeError('the verdict judges another state');
  const accepted = [...verdict.accepted].sort(byContributor);
  return {
    run: verdict.run,
    round: verdict.round,
    height: head.height + 1,
    previous: head.hash,
    baseRoot: head.root,
    root: parts.root,
    accepted,
    refused: [...verdict.refused].sort(byContributor),
    joined: [...verdict.joined].sort(byContributor),
    joinBits: nextJoinBits(head.joinBits, verdict.joined.length, manifest.admission),
    audits: [...verdict.audits].sort(byContributor),
    issued: head.issued,
    credits: creditsFor(manifest, head.issued, accepted).map((entry) => ({ ...entry })),
    heldOutLoss: parts.heldOutLoss,
    time: parts.time,
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
}: Pick<Verdict, 'accepted' | 'joined' | 'audits'>): boolean =>
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
  manifest: Manifest,
  runId: Uint8Array,
  head: ChainHead,
): Promise<CertificateCheck> {
  const read = readBody(certificate, manifest, runId);
  if (!read.ok) return read;
  const { body } = read.certificate;
  if (body.height > head.height + 1) return refuse('gap', `height ${body.height}, we are at ${head.height}`);
  if (body.height === head.height && !bytesEqual(read.certificate.head.hash, head.hash)) {
    const quorum = await checkQuorum(certificate, manifest);
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
  return checkJoins(body, manifest, head) ?? (await checkQuorum(certificate, manifest)) ?? read;
}

/** Null when everybody who joined has done the work that the head asked for, and the next work is what the rule says. */
function checkJoins(
  body: CertificateBody,
  manifest: Manifest,
  head: ChainHead,
): (CertificateCheck & { ok: false }) | null {
  const needed = nextJoinBits(head.joinBits, body.joined.length, manifest.admission);
  if (body.joinBits !== needed)
    return refuse('join', `joins are to need ${body.joinBits} bits; by the rule, ${needed}`);
  for (const { contributor, nonce } of body.joined) {
    const challenge = { run: body.run, certificate: head.hash, contributor };
    if (!joinWorks(challenge, nonce, head.joinBits))
      return refuse(
        'join',
        `${toHex(contributor).slice(0, 16)} joined without ${head.joinBits} bits of work`,
      );
  }
  return null;
}

/**
 * Checks a certificate alone, without the chain before it: what a joiner does with the certificate of the checkpoint
 * it starts from. The quorum's signatures vouch for everything before.
 */
export async function checkAnchor(
  certificate: Certificate,
  manifest: Manifest,
  runId: Uint8Array,
): Promise<CertificateCheck> {
  const read = readBody(certificate, manifest, runId);
  if (!read.ok) return read;
  return (await checkQuorum(certificate, manifest)) ?? read;
}

/** Form and inner rules of a body: everything but chain and signatures. */
function readBody(certificate: Certificate, manifest: Manifest, runId: Uint8Array): CertificateCheck {
  const decoded = decodeCanonical(certificate.body, MAX_GOSSIP_BYTES);
  if (!decoded.ok) return refuse('malformed', decoded.detail);
  const parsed = v.safeParse(CertificateBodySchema, decoded.value);
  if (!parsed.success) return refuse('malformed', parsed.issues[0].message.slice(0, 160));
  const body = parsed.output;
  if (!bytesEqual(body.run, runId)) return refuse('other-run', `run ${toHex(body.run).slice(0, 16)}`);
  if (body.accepted.length > manifest.gauntlet.maxAccepted) {
    return refuse(
      'malformed',
      `${body.accepted.length} accepted, the run allows ${manifest.gauntlet.maxAccepted}`,
    );
  }
  if (![body.accepted, body.refused, body.joined, body.audits].every(strictlyAscending)) {
    return refuse('malformed', 'contributors not in ascending order, each once');
  }
  if (!hasCertificate(body))
    return refuse('malformed', 'nobody was accepted, nobody joined, and no audit ended');
  if (body.audits.some(({ round }) => round >= body.round))
    return refuse('malformed', 'an audit of a round that was not over');
  const credits = creditsFor(manifest, body.issued, body.accepted);
  const asRuled =
    credits.length === body.credits.length &&
    credits.every((entry, i) => {
      const claimed = body.credits[i];
      return entry.amount === claimed.amount && bytesEqual(entry.contributor, claimed.contributor);
    });
  if (!asRuled) return refuse('credits', 'credits are not what the manifest rules for these weights');
  const head = {
    height: body.height,
    hash: bodyHash(certificate.body),
    root: body.root,
    round: body.round,
    issued: body.issued + credits.reduce((sum, entry) => sum + entry.amount, 0),
    joinBits: body.joinBits,
  };
  return { ok: true, certificate: { message: certificate, body, head } };
}

/** Null when validators of more than 2/3 of the weight signed; signatures must be distinct, sorted and all good. */
async function checkQuorum(
  certificate: Certificate,
  manifest: Manifest,
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
