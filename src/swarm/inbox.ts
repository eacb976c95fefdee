/**
 * Everything that gossip brings: opened, checked for run and form, and handed to whoever needs it. What is not
 * genuine is rejected here, so that gossipsub does not pass it on; nothing in here throws.
 */
import { parameterLayout } from '../model/layout.ts';
import { toHex, bytesEqual } from '../protocol/bytes.ts';
import type { ChainHead } from '../protocol/certificate.ts';
import { open } from '../protocol/envelope.ts';
import { joinWorks } from '../protocol/join.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { ProfileBook } from '../protocol/profile-book.ts';
import { sealOf } from '../protocol/seal.ts';
import { maxSubmissionBytes } from '../sparseloco/wire.ts';
import { type Presence, PresenceBook } from './presences.ts';
import type { Submissions } from './submissions.ts';
import type { GossipVerdict } from './types.ts';

/** Submissions fetched ahead of a certificate: as many as one can accept. */
const MAX_PREFETCH = 64;

/** Where certificates go: a chain that checks each before it takes it. */
export interface CertificateChain {
  readonly head: Pick<ChainHead, 'hash' | 'joinBits'>;
  /** `sealed`: the bytes that `message` came in. */
  offer(message: MessageOf<'certificate'>, sealed: Uint8Array): Promise<'new' | 'known' | 'gap' | 'bad'>;
}

export interface InboxOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly chain: CertificateChain;
  readonly submissions: Pick<Submissions, 'announce' | 'prune'>;
  /** Own bytes are not fetched, and own refusals are ours to show. */
  readonly ownKey: Uint8Array;
  readonly round: () => number;
  readonly onNoCertificate: (message: MessageOf<'no-certificate'>) => void;
  /** A validator asks some contributors to show what they carry. */
  readonly onAudit: (message: MessageOf<'audit'>) => void;
  /** A genuine certificate that does not follow ours: some are missing. */
  readonly onGap: () => void;
  /** Someone speaks another protocol version. */
  readonly onVersion: () => void;
  /** Whose submissions are worth fetching ahead: members'. */
  readonly fetchesFrom: (contributor: Uint8Array, round: number) => boolean;
  /** Whose names are kept; default everybody's. */
  readonly keepsName?: (contributor: Uint8Array) => boolean;
}

export class Inbox {
  /** Names that contributors show. */
  readonly profiles: ProfileBook;
  readonly #o: InboxOptions;
  /** This round's commits: contributor -> seal of the submission's hash. */
  #commits = new Map<string, string>();
  #commitRound = -1;
  /** Of whom what is fetched ahead in this round: contributor -> hash. */
  #wanted = new Map<string, string>();
  readonly #maxBytes: number;
  readonly #presences: PresenceBook;

  constructor(options: InboxOptions) {
    this.#o = options;
    const { manifest, runId, round } = options;
    this.profiles = new ProfileBook(runId);
    this.#presences = new PresenceBook(round);
    this.#maxBytes = maxSubmissionBytes(parameterLayout(manifest.model), manifest.sparseloco);
  }

  /** Who has lately shown a sign of life. */
  presences(): Presence[] {
    return this.#presences.list();
  }

  /** Commits seen in the current round, by contributor. */
  get commits(): ReadonlyMap<string, string> {
    return this.#commits;
  }

  async receive(bytes: Uint8Array): Promise<GossipVerdict> {
    const opened = await open(bytes);
    if (!opened.ok) {
      if (opened.reason === 'version') {
        this.#o.onVersion();
        return 'ignore';
      }
      return 'reject';
    }
    const { message, sender } = opened;
    if (message.kind !== 'certificate' && !bytesEqual(message.run, this.#o.runId)) return 'reject';
    switch (message.kind) {
      case 'presence':
        return this.#presences.take(message, sender);
      case 'join':
        return this.#join(message, sender);
      case 'audit':
        if (!this.#isValidator(sender)) return 'reject';
        this.#o.onAudit(message);
        return 'accept';
      case 'carry':
        // For validators; others only pass it on.
        return Math.abs(message.round - this.#o.round()) <= 2 ? 'accept' : 'ignore';
      case 'profile':
        if (this.#o.keepsName?.(sender) === false) return 'accept';
        return this.profiles.offer(sender, message, bytes) ? 'accept' : 'ignore';
      case 'commit':
        return this.#commit(message, sender);
      case 'reveal':
        return this.#reveal(message, sender);
      case 'certificate': {
        const outcome = await this.#o.chain.offer(message, bytes);
        if (outcome === 'gap') this.#o.onGap();
        if (outcome === 'bad') return 'reject';
        return outcome === 'known' ? 'ignore' : 'accept';
      }
      case 'no-certificate':
        if (!this.#isValidator(sender)) return 'reject';
        this.#o.onNoCertificate(message);
        return 'accept';
      case 'verdict':
        return this.#isValidator(sender) ? 'accept' : 'reject';
    }
  }

  /** Passed on when it is worth its bits; one over a certificate that we do not have (yet) is not ours to judge. */
  #join({ run, certificate, nonce }: MessageOf<'join'>, contributor: Uint8Array): GossipVerdict {
    const { head } = this.#o.chain;
    if (!bytesEqual(certificate, head.hash)) return 'ignore';
    return joinWorks({ run, certificate, contributor }, nonce, head.joinBits) ? 'accept' : 'reject';
  }

  #commit(message: MessageOf<'commit'>, sender: Uint8Array): GossipVerdict {
    if (!this.#current(message.round)) return 'ignore';
    const key = toHex(sender);
    const sealed = toHex(message.seal);
    const known = this.#commits.get(key);
    // Saying the same again is how lost packets are made good. A second, different one is passed on too: validators
    // must all see that a contributor said two things.
    if (known !== undefined) return 'accept';
    this.#commits.set(key, sealed);
    return 'accept';
  }

  #reveal(message: MessageOf<'reveal'>, sender: Uint8Array): GossipVerdict {
    const { submission, run, round, peer } = message;
    if (submission.size > this.#maxBytes) return 'reject';
    if (!this.#current(round)) return 'ignore';
    const committed = this.#commits.get(toHex(sender));
    const sealed = toHex(sealOf(run, round, sender, submission.hash));
    if (committed !== undefined && committed !== sealed) return 'ignore';
    if (this.#wants(sender, submission.hash, round)) this.#o.submissions.announce(submission, peer, round);
    return 'accept';
  }

  /** One submission a member: keys are free, and a commit that was missed may not let its sender fill the memory. */
  #wants(sender: Uint8Array, hash: Uint8Array, round: number): boolean {
    if (bytesEqual(sender, this.#o.ownKey) || !this.#o.fetchesFrom(sender, round)) return false;
    const key = toHex(sender);
    const known = this.#wanted.get(key);
    // Revealed again: a fetch that failed gets another chance.
    if (known !== undefined) return known === toHex(hash);
    if (this.#wanted.size >= MAX_PREFETCH) return false;
    this.#wanted.set(key, toHex(hash));
    return true;
  }

  /** Messages of this round (or, within clock error, the next) count; others are old news or noise. */
  #current(round: number): boolean {
    const now = this.#o.round();
    if (Math.abs(round - now) > 1) return false;
    if (round > this.#commitRound) {
      this.#commitRound = round;
      this.#commits = new Map();
      this.#wanted = new Map();
      this.#o.submissions.prune(round);
    }
    return round === this.#commitRound;
  }

  #isValidator(key: Uint8Array): boolean {
    return this.#o.manifest.validators.some((v) => bytesEqual(v.key, key));
  }
}
