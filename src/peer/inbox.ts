/**
 * Everything that gossip brings: opened, checked for run and form, and handed to whoever needs it. What is not
 * genuine is rejected here, so that gossipsub does not pass it on; nothing in here throws.
 */
import { type ChainHead, roundOf } from '../chain/certificate.ts';
import type { Offer } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import { joinWorks } from '../protocol/join.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { ProfileBook } from '../protocol/profile-book.ts';
import { sealOf } from '../protocol/seal.ts';
import type { Clock } from '../protocol/timer.ts';
import { type Presence, PresenceBook } from '../swarm/presences.ts';
import type { GossipVerdict } from '../swarm/types.ts';
import type { Workload } from '../work/workload.ts';
import type { RoundBlobs } from './round-blobs.ts';

/** Works fetched ahead of a certificate: as many as one can accept. */
const MAX_PREFETCH = 64;

/** Where certificates go: a chain that checks each before it takes it. */
export interface CertificateChain {
  readonly head: Pick<ChainHead, 'hash' | 'joinBits'>;
  /** `sealed`: the bytes that `message` came in; `opinions`: sealed, as far as they are known. */
  offer(
    message: MessageOf<'certificate'>,
    sealed: Uint8Array,
    opinions: readonly Uint8Array[],
  ): Promise<Offer>;
}

export interface InboxOptions {
  readonly run: Run;
  readonly clock: Clock;
  readonly workload: Workload;
  readonly chain: CertificateChain;
  readonly blobs: Pick<RoundBlobs, 'announce' | 'prune'>;
  /** Own bytes are not fetched; null: there is none. */
  readonly ownKey: Uint8Array | null;
  readonly onNoCertificate?: (message: MessageOf<'no-certificate'>) => void;
  readonly onOpinion?: (opinion: MessageOf<'opinion'>, sealed: Uint8Array) => void;
  /** A validator asks some contributors to show what their claims rest on. */
  readonly onAudit?: (message: MessageOf<'audit'>) => void;
  /** Someone speaks another protocol version. */
  readonly onVersion?: () => void;
  /** Whose work is worth fetching ahead: members'. */
  readonly fetchesFrom: (contributor: Uint8Array, round: number) => boolean;
  /** Whose names are kept; default everybody's. */
  readonly keepsName?: (contributor: Uint8Array) => boolean;
}

/** Rounds of which opinions are kept for the certificates that follow them. */
const OPINION_ROUNDS = 2;

export class Inbox {
  /** Names that contributors show. */
  readonly profiles: ProfileBook;
  readonly #o: InboxOptions;
  /** This round's commits: contributor -> seal of the submission's hash. */
  #commits = new Map<string, string>();
  #commitRound = -1;
  /** Whose work is fetched ahead in this round, by contributor: its hash. */
  #wanted = new Map<string, string>();
  /** Sealed opinions by round and validator. */
  readonly #opinions = new Map<number, Map<string, Uint8Array>>();
  readonly #presences: PresenceBook;

  constructor(options: InboxOptions) {
    this.#o = options;
    this.profiles = new ProfileBook(options.run.id);
    this.#presences = new PresenceBook(
      () => this.#round(),
      () => options.clock.now(),
    );
  }

  #round(): number {
    return this.#o.run.rounds.round(this.#o.clock.now());
  }

  /** Who has lately shown a sign of life. */
  presences(): Presence[] {
    return this.#presences.list();
  }

  /** A gossip message. Never throws. */
  async receive(bytes: Uint8Array): Promise<GossipVerdict> {
    const opened = await open(bytes);
    if (!opened.ok) {
      if (opened.reason === 'version') {
        this.#o.onVersion?.();
        return 'ignore';
      }
      return 'reject';
    }
    const { message, sender } = opened;
    if (message.kind !== 'certificate' && !bytesEqual(message.run, this.#o.run.id)) return 'reject';
    switch (message.kind) {
      case 'presence':
        return this.#presences.take(message, sender);
      case 'join':
        return this.#join(message, sender);
      case 'audit':
        if (!this.#isValidator(sender)) return 'reject';
        this.#o.onAudit?.(message);
        return 'accept';
      case 'answer':
        // For validators; others only pass it on.
        return Math.abs(message.round - this.#round()) <= 2 ? 'accept' : 'ignore';
      case 'profile':
        if (this.#o.keepsName?.(sender) === false) return 'accept';
        return this.profiles.offer(sender, message, bytes) ? 'accept' : 'ignore';
      case 'commit':
        return this.#commit(message, sender);
      case 'reveal':
        return this.#reveal(message, sender);
      case 'certificate': {
        const outcome = await this.#o.chain.offer(message, bytes, this.#opinionsOf(roundOf(message)));
        if (outcome === 'bad') return 'reject';
        return outcome === 'known' ? 'ignore' : 'accept';
      }
      case 'no-certificate':
        if (!this.#isValidator(sender)) return 'reject';
        this.#o.onNoCertificate?.(message);
        return 'accept';
      case 'opinion':
        return this.#opinion(message, sender, bytes);
    }
  }

  #opinion(message: MessageOf<'opinion'>, sender: Uint8Array, sealed: Uint8Array): GossipVerdict {
    if (!this.#isValidator(sender)) return 'reject';
    if (Math.abs(message.round - this.#round()) > OPINION_ROUNDS) return 'ignore';
    for (const round of this.#opinions.keys())
      if (round < this.#round() - OPINION_ROUNDS) this.#opinions.delete(round);
    const ofRound = this.#opinions.get(message.round) ?? new Map<string, Uint8Array>();
    this.#opinions.set(message.round, ofRound.set(toHex(sender), sealed));
    this.#o.onOpinion?.(message, sealed);
    return 'accept';
  }

  /** What was said of a round, just before its certificate. */
  #opinionsOf(round: number | null): Uint8Array[] {
    return round === null ? [] : [...(this.#opinions.get(round)?.values() ?? [])];
  }

  /** Passed on when it is worth its bits; one over a certificate that we do not have (yet) is not ours to judge. */
  #join({ run, certificate, nonce }: MessageOf<'join'>, contributor: Uint8Array): GossipVerdict {
    const { head } = this.#o.chain;
    if (!bytesEqual(certificate, head.hash)) return 'ignore';
    return joinWorks({ run, certificate, contributor }, nonce, head.joinBits) ? 'accept' : 'reject';
  }

  #commit(message: MessageOf<'commit'>, sender: Uint8Array): GossipVerdict {
    if (!this.#current(message.round)) return 'ignore';
    // The first one counts. Saying the same again is how lost packets are made good. A second, different one is passed on
    // too: validators must all see that a contributor said two things.
    const key = toHex(sender);
    if (!this.#commits.has(key)) this.#commits.set(key, toHex(message.seal));
    return 'accept';
  }

  #reveal({ run, round, claim, peer }: MessageOf<'reveal'>, sender: Uint8Array): GossipVerdict {
    const { workload, blobs } = this.#o;
    const blob = workload.blobOf(claim);
    if (blob === null || blob.size > workload.maxBytes) return 'reject';
    if (!this.#current(round)) return 'ignore';
    const committed = this.#commits.get(toHex(sender));
    if (committed !== undefined && committed !== toHex(sealOf(run, round, sender, claim))) return 'ignore';
    if (this.#wants(sender, blob.hash, round)) blobs.announce(blob, peer, round);
    return 'accept';
  }

  /** One piece of work a member: keys are free, and a commit that was missed may not let its sender fill the memory. */
  #wants(sender: Uint8Array, hash: Uint8Array, round: number): boolean {
    const { ownKey, fetchesFrom } = this.#o;
    if ((ownKey !== null && bytesEqual(sender, ownKey)) || !fetchesFrom(sender, round)) return false;
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
    if (Math.abs(round - this.#round()) > 1) return false;
    if (round > this.#commitRound) {
      this.#commitRound = round;
      this.#commits = new Map();
      this.#wanted = new Map();
      this.#o.blobs.prune(round);
    }
    return round === this.#commitRound;
  }

  #isValidator(key: Uint8Array): boolean {
    return this.#o.run.manifest.validators.some((v) => bytesEqual(v.key, key));
  }
}
