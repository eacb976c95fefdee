/**
 * Everything that gossip brings: opened, checked for run and form, and handed to whoever needs it. Nothing in here throws.
 *
 * Membership comes before memory. A stranger, a key that the chain does not know, moves nothing here: its work is not read,
 * its name and its sign of life stand in small rooms of their own, and nothing of it is passed on. A join with its proof of
 * work is the exception. What is not genuine is rejected, so that it counts against the neighbour that brought it.
 */
import { type ChainHead, roundOf } from '../chain/certificate.ts';
import type { Offer } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import { JoinBox } from '../gauntlet/join-box.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { foreignSender } from '../protocol/envelope.ts';
import type { Message, MessageKind, MessageOf } from '../protocol/messages.ts';
import { ProfileBook } from '../protocol/profile-book.ts';
import { sealOf } from '../protocol/seal.ts';
import type { Clock } from '../protocol/timer.ts';
import { type Presence, PresenceBook } from '../swarm/presences.ts';
import { hear } from '../swarm/hear.ts';
import { Repeats } from '../swarm/repeats.ts';
import type { GossipVerdict } from '../swarm/types.ts';
import type { Workload } from '../work/workload.ts';
import type { RoundBlobs } from './round-blobs.ts';

/** Works fetched ahead of a certificate: as many as one can accept. */
const MAX_PREFETCH = 64;
/** Members that speak another version before that is told. One validator is enough. */
const FOREIGN_SENDERS = 3;

/** Where certificates go: a chain that checks each before it takes it. */
export interface CertificateChain {
  readonly head: Pick<ChainHead, 'hash' | 'joinBases'>;
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
  /** A validator, or some members, speak another protocol version. Once. */
  readonly onVersion?: () => void;
  /** Whether a contributor is admitted to a round, by the newest checked certificate. */
  readonly admits: (contributor: Uint8Array, round: number) => boolean;
  /** Whether a key has a place in the run (chain/state.ts), by the newest checked certificate. */
  readonly knows: (key: Uint8Array) => boolean;
}

/** Rounds around the present one of which a validator's word, and an answer to an audit, is news. */
const WORD_ROUNDS = 2;

/** What was said of one round's work. */
interface RoundWork {
  /** Contributor -> seal of its claim; the first one counts. */
  readonly commits: Map<string, string>;
  /** Whose work is fetched ahead, by contributor: its hash. */
  readonly wanted: Map<string, string>;
}

export class Inbox {
  /** Names that contributors show. */
  readonly profiles: ProfileBook;
  readonly #o: InboxOptions;
  /** Of the last, the present and the next round by the own clock; nobody's message opens or drops another. */
  readonly #works = new Map<number, RoundWork>();
  #entered = Number.NaN;
  /** Sealed opinions by round and validator. */
  readonly #opinions = new Map<number, Map<string, Uint8Array>>();
  readonly #presences: PresenceBook;
  readonly #joins: JoinBox;
  readonly #repeats: Repeats;
  /** Who spoke another version, until that was told. */
  readonly #foreign = new Set<string>();
  #toldVersion = false;

  constructor(options: InboxOptions) {
    this.#o = options;
    const now = (): number => options.clock.now();
    this.profiles = new ProfileBook(options.run.id, now);
    this.#joins = new JoinBox(options.run.id);
    this.#repeats = new Repeats(now);
    this.#presences = new PresenceBook(() => this.#round(), now);
  }

  #round(): number {
    return this.#o.run.rounds.round(this.#o.clock.now());
  }

  /** Who has lately shown a sign of life. */
  presences(): Presence[] {
    return this.#presences.list();
  }

  /** How much is held, for tests and measurements. */
  get sizes() {
    const works = [...this.#works.values()];
    const sum = (count: (work: RoundWork) => number): number => works.reduce((n, work) => n + count(work), 0);
    return {
      rounds: works.length,
      commits: sum(({ commits }) => commits.size),
      wanted: sum(({ wanted }) => wanted.size),
      opinions: [...this.#opinions.values()].reduce((n, { size }) => n + size, 0),
      presences: this.#presences.sizes,
      profiles: this.profiles.sizes,
      repeats: this.#repeats.size,
      foreign: this.#foreign.size,
    };
  }

  /** A gossip message; `from`: the peer that published it. Never throws. */
  receive(bytes: Uint8Array, from: string): Promise<GossipVerdict> {
    return hear(bytes, {
      run: this.#o.run.id,
      repeats: this.#repeats,
      unopened: ({ reason }) => (reason === 'version' ? this.#otherVersion(bytes) : 'reject'),
      unheard: ({ kind, sender }) => this.#unheard(kind, sender),
      take: (message, sender) => this.#take(message, sender, bytes, from),
    });
  }

  /** What is decided by kind and claimed sender, before anything is decoded or verified. */
  #unheard(kind: MessageKind, sender: Uint8Array): GossipVerdict | null {
    switch (kind) {
      case 'join':
      case 'presence':
      case 'profile':
        return null;
      // Whom a certificate admitted that is still on its way here is heard at its next repetition.
      case 'commit':
      case 'reveal':
      case 'answer':
        return this.#o.knows(sender) ? null : 'ignore';
      case 'audit':
      case 'opinion':
      case 'certificate':
      case 'no-certificate':
        return this.#isValidator(sender) ? null : 'reject';
    }
  }

  async #take(message: Message, sender: Uint8Array, bytes: Uint8Array, from: string): Promise<GossipVerdict> {
    switch (message.kind) {
      case 'presence':
        return this.#presences.take(message, { sender, from, known: this.#o.knows(sender) });
      case 'join':
        return this.#join(message, sender);
      case 'audit':
        if (!this.#isNews(message.round)) return 'ignore';
        this.#o.onAudit?.(message);
        return 'accept';
      case 'answer':
        // For validators; others only pass it on.
        return this.#isNews(message.round) ? 'accept' : 'ignore';
      case 'profile': {
        const known = this.#o.knows(sender);
        return this.profiles.offer(sender, message, bytes, known) && known ? 'accept' : 'ignore';
      }
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
        if (!this.#isNews(message.round)) return 'ignore';
        this.#o.onNoCertificate?.(message);
        return 'accept';
      case 'opinion':
        return this.#opinion(message, sender, bytes);
    }
  }

  /** Tells that the swarm has moved on, or lags behind, once members say so: a stranger can say anything. */
  async #otherVersion(bytes: Uint8Array): Promise<GossipVerdict> {
    const sender = await foreignSender(
      bytes,
      (key) => !this.#toldVersion && !this.#foreign.has(toHex(key)) && this.#o.knows(key),
    );
    if (sender === null) return 'unwanted';
    this.#foreign.add(toHex(sender));
    if (this.#foreign.size >= FOREIGN_SENDERS || this.#isValidator(sender)) {
      this.#toldVersion = true;
      this.#o.onVersion?.();
    }
    return 'unwanted';
  }

  #opinion(message: MessageOf<'opinion'>, sender: Uint8Array, sealed: Uint8Array): GossipVerdict {
    if (!this.#isNews(message.round)) return 'ignore';
    for (const round of this.#opinions.keys())
      if (round < this.#round() - WORD_ROUNDS) this.#opinions.delete(round);
    const ofRound = this.#opinions.get(message.round) ?? new Map<string, Uint8Array>();
    this.#opinions.set(message.round, ofRound.set(toHex(sender), sealed));
    this.#o.onOpinion?.(message, sealed);
    return 'accept';
  }

  #isNews(round: number): boolean {
    return Math.abs(round - this.#round()) <= WORD_ROUNDS;
  }

  /** What was said of a round, just before its certificate. */
  #opinionsOf(round: number | null): Uint8Array[] {
    return round === null ? [] : [...(this.#opinions.get(round)?.values() ?? [])];
  }

  /**
   * Passed on when it is worth its bits, and among the ones of most work that the next certificate can list. One over a
   * certificate that we do not have (yet), or no longer, is not ours to judge.
   */
  #join(message: MessageOf<'join'>, contributor: Uint8Array): GossipVerdict {
    const { admits, chain } = this.#o;
    const round = this.#round();
    const receipt = this.#joins.take(contributor, message, chain.head, (key) => admits(key, round));
    if (receipt === 'weak') return 'reject';
    return receipt === 'taken' || receipt === 'known' ? 'accept' : 'ignore';
  }

  #commit(message: MessageOf<'commit'>, sender: Uint8Array): GossipVerdict {
    const work = this.#work(message.round, sender);
    if (work === null) return 'ignore';
    // The first one counts. Saying the same again is how lost packets are made good. A second, different one is passed on
    // too: validators must all see that a contributor said two things.
    const key = toHex(sender);
    if (!work.commits.has(key)) work.commits.set(key, toHex(message.seal));
    return 'accept';
  }

  #reveal({ run, round, claim, peer }: MessageOf<'reveal'>, sender: Uint8Array): GossipVerdict {
    const { workload, blobs } = this.#o;
    const blob = workload.blobOf(claim);
    if (blob === null || blob.size > workload.maxBytes) return 'reject';
    const work = this.#work(round, sender);
    if (work === null) return 'ignore';
    const committed = work.commits.get(toHex(sender));
    if (committed !== undefined && committed !== toHex(sealOf(run, round, sender, claim))) return 'ignore';
    if (this.#wants(work, sender, blob.hash)) blobs.announce(blob, peer, round);
    return 'accept';
  }

  /** One piece of work a member. A failed fetch gets another chance when the work is revealed again. */
  #wants({ wanted }: RoundWork, sender: Uint8Array, hash: Uint8Array): boolean {
    const { ownKey } = this.#o;
    if (ownKey !== null && bytesEqual(sender, ownKey)) return false;
    const key = toHex(sender);
    const known = wanted.get(key);
    if (known !== undefined) return known === toHex(hash);
    if (wanted.size >= MAX_PREFETCH) return false;
    wanted.set(key, toHex(hash));
    return true;
  }

  /**
   * The book of a round that `sender` is admitted to; null when that is not the present round or, within clock error, the one
   * before or after it. Which books there are depends on the own clock alone.
   */
  #work(round: number, sender: Uint8Array): RoundWork | null {
    const now = this.#round();
    if (now !== this.#entered) {
      this.#entered = now;
      for (const old of this.#works.keys()) if (Math.abs(old - now) > 1) this.#works.delete(old);
      this.#o.blobs.prune(now);
    }
    if (Math.abs(round - now) > 1 || !this.#o.admits(sender, round)) return null;
    const work = this.#works.get(round) ?? { commits: new Map(), wanted: new Map() };
    this.#works.set(round, work);
    return work;
  }

  #isValidator(key: Uint8Array): boolean {
    return this.#o.run.manifest.validators.some((v) => bytesEqual(v.key, key));
  }
}
