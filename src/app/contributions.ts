/**
 * Makes contribution certificates (chain/contribution.ts): keeps the certificates that name this tab's key, and
 * signs a claim over them for the picture that the page has drawn.
 */
import { toBase64Url } from '../protocol/base64url.ts';
import { bytesEqual, sha256Sync } from '../protocol/bytes.ts';
import type { CheckedCertificate } from '../chain/certificate.ts';
import {
  buildEvidence,
  type Figures,
  figuresOf,
  MAX_EVIDENCE_BYTES,
  packContribution,
  signClaim,
  sizeOf,
} from '../chain/contribution.ts';
import type { Run } from '../chain/run.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Account } from '../chain/ledger.ts';
import type { ShownProfile } from '../protocol/profile-book.ts';
import { joinPng } from '../protocol/png-text.ts';

/** What a picture is drawn from, and how it is signed once it is drawn. */
export interface ContributionDraft extends Figures, ShownProfile {
  /** The key, hex. */
  readonly contributor: string;
  readonly runName: string;
  readonly organizer: string;
  /** Micro-credits among them that a failed audit could still take back. */
  readonly pending: number;
  /** Height up to which the figures count. */
  readonly height: number;
  readonly time: number;
  /** Signs a PNG file. */
  finish(picture: Uint8Array): Promise<SignedContribution>;
}

export interface SignedContribution {
  /** The PNG file with claim and evidence inside. */
  readonly file: Uint8Array<ArrayBuffer>;
  /** The signed claim as text, for a link. */
  readonly claim: string;
}

export interface ContributionsOptions {
  readonly identity: Identity;
  readonly run: Pick<Run, 'id' | 'manifestBytes'>;
}

export class Contributions {
  readonly #o: ContributionsOptions;
  /** Certificates with own accepted work, oldest first, as many as evidence may hold. */
  #own: CheckedCertificate[] = [];
  #bytes = 0;
  #rounds: readonly [number, number] | null = null;
  #anchor: CheckedCertificate | null = null;

  constructor(options: ContributionsOptions) {
    this.#o = options;
  }

  /** The next certificate of the chain, checked. */
  add(certificate: CheckedCertificate): void {
    const { body, message } = certificate;
    this.#anchor = certificate;
    const key = this.#o.identity.publicKey;
    if (!body.accepted.some(({ contributor }) => bytesEqual(contributor, key))) return;
    this.#rounds = [this.#rounds?.[0] ?? body.round, body.round];
    this.#own.push(certificate);
    this.#bytes += sizeOf(message);
    while (this.#bytes > MAX_EVIDENCE_BYTES && this.#own.length > 1)
      this.#bytes -= sizeOf((this.#own.shift() as CheckedCertificate).message);
  }

  /** Null while no work of this key has been accepted. */
  draft(
    account: Account | undefined,
    shown: ShownProfile & {
      readonly runName: string;
      readonly organizer: string;
      readonly contributor: string;
    },
    time: number,
  ): ContributionDraft | null {
    const { identity, run } = this.#o;
    const anchor = this.#anchor;
    if (account === undefined || anchor === null || this.#rounds === null) return null;
    const figures = figuresOf(account, ...this.#rounds);
    const own = this.#own.slice();
    const { height, hash } = anchor.head;
    const { name, team } = shown;
    return {
      ...shown,
      ...figures,
      pending: account.provisional,
      height,
      time,
      finish: async (picture) => {
        const evidence = buildEvidence(run.manifestBytes, own, anchor);
        const signed = await signClaim(identity, {
          run: run.id,
          name,
          team,
          anchor: { height, hash },
          ...figures,
          time,
          picture: sha256Sync(picture),
          evidence: sha256Sync(evidence),
        });
        const packed = packContribution(signed, evidence);
        return { file: joinPng(picture, toBase64Url(packed)), claim: toBase64Url(signed) };
      },
    };
  }
}
