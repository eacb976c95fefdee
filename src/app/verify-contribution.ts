/**
 * Checks a contribution certificate: the contributor's signature, the picture, the evidence inside, and, where a host
 * of the run can be asked, every figure against the run's whole chain, each link of which is checked here.
 */
import { fromBase64Url } from '../protocol/base64url.ts';
import { bytesEqual, sha256Sync, toHex } from '../protocol/bytes.ts';
import { checkCertificate, genesisHead } from '../protocol/certificate.ts';
import {
  type Claim,
  checkEvidence,
  type Figures,
  figuresOf,
  openContribution,
  sameFigures,
} from '../protocol/contribution.ts';
import { open, openManifest } from '../protocol/envelope.ts';
import { emptyLedger, foldLedger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { splitPng } from '../protocol/png-text.ts';
import { fromBase64, HostError, type HostClient } from './host-client.ts';

/** What was handed in: bytes that claim to be a contribution, and the picture around them if there was one. */
export interface Presented {
  readonly bytes: Uint8Array;
  readonly picture: Uint8Array | null;
}

export type Unreadable = 'no-png' | 'no-text' | 'damaged' | 'no-link';
export type Reading =
  | { readonly ok: true; readonly value: Presented }
  | { readonly ok: false; readonly reason: Unreadable };

/** Reads a picture file. */
export function readPicture(file: Uint8Array): Reading {
  const split = splitPng(file);
  if (!split.ok) return split;
  const bytes = fromBase64Url(split.text);
  return bytes === null
    ? { ok: false, reason: 'damaged' }
    : { ok: true, value: { bytes, picture: split.picture } };
}

/** What stands between the page's address and the claim in a verify link. */
const LINK = '#verify=';

/** The link that shows a signed claim on a host's verify page. */
export const verifyLink = (base: string, claim: string): string => `${base}/${LINK}${claim}`;

/** Reads a verify link, its part after `#`, or the bare text in it. */
export function readLink(text: string): Reading {
  const at = text.indexOf(LINK);
  const bytes = fromBase64Url(at === -1 ? text.trim() : text.slice(at + LINK.length).trim());
  if (bytes === null || bytes.byteLength === 0) return { ok: false, reason: 'no-link' };
  return { ok: true, value: { bytes, picture: null } };
}

/** Which claim is false; `version` is no lie, but made for a page of another version. */
export type Falsehood = 'malformed' | 'signature' | 'version' | 'picture' | 'evidence' | 'chain';

/** What the host's chain says. */
export type ChainFinding =
  | { readonly state: 'matches'; readonly heights: number }
  /** The host has another run, or its chain does not reach the anchor yet. */
  | { readonly state: 'other-run' | 'behind' }
  | { readonly state: 'unreachable'; readonly detail: string };

export interface RunFacts {
  readonly id: string;
  readonly name: string;
  readonly organizer: string;
  readonly organizerKey: string;
}

export type Verification =
  | {
      readonly genuine: false;
      readonly falsehood: Falsehood;
      readonly detail: string;
      readonly claim: Claim | null;
    }
  | {
      readonly genuine: true;
      readonly contributor: string;
      readonly claim: Claim;
      /** Null when neither evidence nor host described the run. */
      readonly run: RunFacts | null;
      readonly picture: 'signed' | 'absent';
      /** Null for a link, or when the manifest to check it with is not known. */
      readonly evidence: {
        readonly certificates: number;
        readonly rounds: number;
        readonly proven: Figures | null;
        readonly complete: boolean;
      } | null;
      readonly chain: ChainFinding;
      /** `all`: every figure is the validators'. `part`: some rounds are. `none`: so far only the contributor's word. */
      readonly proof: 'all' | 'part' | 'none';
    };

const lie = (falsehood: Falsehood, detail: string, claim: Claim | null = null): Verification => ({
  genuine: false,
  falsehood,
  detail,
  claim,
});

/** Thrown inside when the chain contradicts the claim. */
class Contradiction extends Error {}

/**
 * Checks what was presented. `host`: whom to ask for the run and its chain; null works offline. `onProgress` is told
 * the heights checked and the heights to check. Rejects only when `signal` aborts.
 */
export async function verifyContribution(
  { bytes, picture }: Presented,
  host: HostClient | null,
  onProgress: (checked: number, of: number) => void,
  signal: AbortSignal,
): Promise<Verification> {
  const opened = await openContribution(bytes);
  if (!opened.ok) return lie(opened.reason === 'too-large' ? 'malformed' : opened.reason, opened.detail);
  const { claim, contributor } = opened;
  if (picture !== null && !bytesEqual(sha256Sync(picture), claim.picture))
    return lie('picture', 'the picture is not the one that was signed', claim);
  if (picture !== null && opened.evidence === null)
    return lie('evidence', 'the picture carries no evidence', claim);

  let chain: ChainFinding = { state: 'unreachable', detail: '' };
  let hostManifest: Manifest | null = null;
  if (host !== null) {
    try {
      const run = await openManifest(fromBase64((await host.run(signal)).manifest));
      if (!run.ok || !bytesEqual(run.runId, claim.run)) chain = { state: 'other-run' };
      else {
        hostManifest = run.manifest;
        chain = await checkChain(claim, contributor, run.manifest, host, onProgress, signal);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof Contradiction) return lie('chain', error.message, claim);
      if (!(error instanceof HostError)) throw error;
      chain = { state: 'unreachable', detail: error.message };
    }
  }

  const checked =
    opened.evidence === null ? null : await checkEvidence(claim, contributor, opened.evidence, hostManifest);
  if (checked?.ok === false && checked.reason === 'forged') return lie('evidence', checked.detail, claim);
  const evidence = checked?.ok === true ? checked : null;
  const manifest = evidence?.manifest ?? hostManifest;
  const proof =
    chain.state === 'matches' || evidence?.complete === true ? 'all' : evidence?.proven ? 'part' : 'none';
  return {
    genuine: true,
    contributor: toHex(contributor),
    claim,
    run: manifest && {
      id: toHex(claim.run),
      name: manifest.name,
      organizer: manifest.organizer.name,
      organizerKey: toHex(manifest.organizer.key),
    },
    picture: picture === null ? 'absent' : 'signed',
    evidence,
    chain,
    proof,
  };
}

/** Recomputes the figures from the host's certificates 1 to the anchor's. Throws {@link Contradiction}, HostError. */
async function checkChain(
  claim: Claim,
  contributor: Uint8Array,
  manifest: Manifest,
  host: HostClient,
  onProgress: (checked: number, of: number) => void,
  signal: AbortSignal,
): Promise<ChainFinding> {
  let head = genesisHead(manifest, claim.run);
  let ledger = emptyLedger();
  let rounds: readonly [number, number] | null = null;
  while (head.height < claim.anchor.height) {
    const before = head.height;
    for (const sealed of await host.certificates(head.height + 1, signal)) {
      if (head.height >= claim.anchor.height) break;
      const message = await open(sealed);
      if (!message.ok || message.message.kind !== 'certificate') continue;
      const checked = await checkCertificate(message.message, manifest, claim.run, head);
      if (!checked.ok) continue;
      const { body } = checked.certificate;
      ({ head } = checked.certificate);
      ledger = foldLedger([body], manifest.credits, ledger);
      if (body.accepted.some((entry) => bytesEqual(entry.contributor, contributor)))
        rounds = [rounds?.[0] ?? body.round, body.round];
    }
    if (head.height === before) return { state: 'behind' };
    onProgress(head.height, claim.anchor.height);
  }
  if (!bytesEqual(head.hash, claim.anchor.hash))
    throw new Contradiction(`the run's certificate at height ${head.height} is another one`);
  const account = ledger.accounts.get(toHex(contributor));
  if (account === undefined || rounds === null)
    throw new Contradiction('this key has no accepted work in the run');
  if (!sameFigures(claim, figuresOf(account, ...rounds)))
    throw new Contradiction('the figures are not what the run’s certificates add up to');
  return { state: 'matches', heights: head.height };
}
