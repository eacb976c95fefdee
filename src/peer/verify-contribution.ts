/**
 * Checks a contribution certificate: the contributor's signature, the picture, the evidence inside, and, where a host
 * of the run can be asked, every figure against the run's whole chain, each link of which is checked here.
 */
import {
  type Claim,
  checkEvidence,
  type Figures,
  figuresOf,
  openContribution,
  sameFigures,
} from '../chain/contribution.ts';
import { ChainFollower } from '../chain/follower.ts';
import { openRun, type Run } from '../chain/run.ts';
import { fromBase64Url } from '../protocol/base64url.ts';
import { bytesEqual, sha256Sync, toHex } from '../protocol/bytes.ts';
import { MAX_PNG_BYTES, splitPng } from '../protocol/png-text.ts';
import { type Host, HostError } from './host.ts';

/** What was handed in: bytes that claim to be a contribution, and the picture around them if there was one. */
export interface Presented {
  readonly bytes: Uint8Array;
  readonly picture: Uint8Array | null;
}

export type Unreadable = 'no-png' | 'no-text' | 'damaged' | 'no-link' | 'too-large';
export type Reading =
  | { readonly ok: true; readonly value: Presented }
  | { readonly ok: false; readonly reason: Unreadable };

/** Reads a file that a person picked, if its size is that of a picture. */
export async function readPickedPicture(file: Blob): Promise<Reading> {
  if (file.size > MAX_PNG_BYTES) return { ok: false, reason: 'too-large' };
  return readPicture(new Uint8Array(await file.arrayBuffer()));
}

/** Reads the bytes of a picture file. */
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
export type Falsehood =
  /** `detail`: what cannot be read or does not fit, for programmers. */
  | { readonly is: 'malformed' | 'signature' | 'version' | 'evidence'; readonly detail: string }
  /** It was changed after it was signed. */
  | { readonly is: 'picture' }
  /** A picture without the evidence that its claim is about. */
  | { readonly is: 'no-evidence' }
  /** The run has another certificate at the height that the claim names. */
  | { readonly is: 'other-certificate'; readonly height: number }
  /** The run's chain has no accepted work of the key. */
  | { readonly is: 'no-work' }
  /** The run's certificates add up to other figures. */
  | { readonly is: 'other-figures'; readonly figures: Figures };

/** What the host's chain says. */
export type ChainFinding =
  | { readonly state: 'matches'; readonly heights: number }
  /** The host has another run, or its chain does not reach the anchor yet. */
  | { readonly state: 'other-run' | 'behind' }
  | { readonly state: 'unreachable' };

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

const lie = (falsehood: Falsehood, claim: Claim | null = null): Verification => ({
  genuine: false,
  falsehood,
  claim,
});

/**
 * Checks what was presented. `host`: whom to ask for the run and its chain; null works offline. `onProgress` is told
 * the heights checked and the heights to check. Rejects only when `signal` aborts.
 */
export async function verifyContribution(
  { bytes, picture }: Presented,
  host: Host | null,
  onProgress: (checked: number, of: number) => void,
  signal: AbortSignal,
): Promise<Verification> {
  const opened = await openContribution(bytes);
  if (!opened.ok) {
    const { reason, detail } = opened;
    return lie({ is: reason === 'too-large' ? 'malformed' : reason, detail });
  }
  const { claim, contributor } = opened;
  if (picture !== null && !bytesEqual(sha256Sync(picture), claim.picture))
    return lie({ is: 'picture' }, claim);
  if (picture !== null && opened.evidence === null) return lie({ is: 'no-evidence' }, claim);

  let chain: ChainFinding = { state: 'unreachable' };
  let hostRun: Run | null = null;
  if (host !== null) {
    try {
      const answer = await openRun((await host.run(signal)).manifest);
      if (!answer.ok || !bytesEqual(answer.run.id, claim.run)) chain = { state: 'other-run' };
      else {
        hostRun = answer.run;
        const found = await checkChain(claim, contributor, hostRun, host, onProgress, signal);
        if ('is' in found) return lie(found, claim);
        chain = found;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof HostError)) throw error;
    }
  }

  const checked =
    opened.evidence === null ? null : await checkEvidence(claim, contributor, opened.evidence, hostRun);
  if (checked?.ok === false && checked.reason === 'forged')
    return lie({ is: 'evidence', detail: checked.detail }, claim);
  const evidence = checked?.ok === true ? checked : null;
  const manifest = (evidence?.run ?? hostRun)?.manifest ?? null;
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

/** Recomputes the figures from the host's certificates 1 to the anchor's. Throws HostError. */
async function checkChain(
  claim: Claim,
  contributor: Uint8Array,
  run: Run,
  host: Host,
  onProgress: (checked: number, of: number) => void,
  signal: AbortSignal,
): Promise<ChainFinding | Falsehood> {
  const { anchor } = claim;
  /** Rounds with accepted work of the contributor. */
  const rounds: number[] = [];
  let asked = false;
  const links: Host['links'] = (from, ...rest) => {
    if (asked) onProgress(from - 1, anchor.height);
    asked = true;
    return host.links(from, ...rest);
  };
  const follower = new ChainFollower(
    run,
    { links },
    {
      head: ({ certificate: { body } }) => {
        if (body.accepted.some((entry) => bytesEqual(entry.contributor, contributor)))
          rounds.push(body.round);
      },
    },
  );
  await follower.catchUp(signal, anchor.height);
  follower.followOnly();
  const { head } = follower;
  onProgress(head.height, anchor.height);
  if (head.height < anchor.height) return { state: 'behind' };
  if (!bytesEqual(head.hash, anchor.hash)) return { is: 'other-certificate', height: head.height };
  const account = follower.ledger.accounts.get(toHex(contributor));
  if (account === undefined || rounds.length === 0) return { is: 'no-work' };
  const figures = figuresOf(account, rounds[0], rounds[rounds.length - 1]);
  if (!sameFigures(claim, figures)) return { is: 'other-figures', figures };
  return { state: 'matches', heights: head.height };
}
