/**
 * The rounds on a host without a seat: a validator in a browser tab certifies them, and this host keeps the chain.
 *
 * A link comes by handover from the tab (or by gossip, from whoever has heard of it). The follower checks it, the work that it
 * accepts is fetched and applied, and only when the round is stored is it told on. A host without the key can withhold
 * rounds, never make any.
 */
import { bodyHash, checkAnchor, roundOf } from '../chain/certificate.ts';
import { type Link, type Offer, OutOfSyncError } from '../chain/follower.ts';
import { decodeLink, opinionsOn } from '../chain/links.ts';
import { bytesPerParameter } from '../validator/certify.ts';
import { bytesEqual } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import type { MessageOf } from '../protocol/messages.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import { type Clock, deadlineSignal } from '../protocol/timer.ts';
import { Inbox } from '../peer/inbox.ts';
import type { HandoverAnswer, HandoverCode } from '../swarm/handover.ts';
import type { Presence } from '../swarm/presences.ts';
import type { GossipVerdict, Swarm } from '../swarm/types.ts';
import { type FailedRound, failedRound } from '../validator/round-failure.ts';
import { hasSeat } from '../validator/seat.ts';
import { ServedRounds } from '../validator/served-rounds.ts';
import type { HostChain } from './chain.ts';
import type { HostReport } from './events.ts';
import { Prefetch } from './prefetch.ts';
import type { RoundsView } from './view.ts';

export interface ChainKeeperOptions {
  readonly chain: HostChain;
  readonly swarm: Pick<Swarm, 'publish' | 'fetch' | 'serve' | 'forget'>;
  /** The host's clock is the run's. */
  readonly clock: Clock;
  readonly report: HostReport;
}

type Certificate = MessageOf<'certificate'>;

/** Certified work may take this long to come. */
const FETCH_MS = 60_000;

export class ChainKeeper implements RoundsView {
  readonly #o: ChainKeeperOptions;
  readonly #inbox: Inbox;
  readonly #prefetch: Prefetch;
  /** Certified work, for tabs that are late. */
  readonly served: ServedRounds;
  readonly #abort = new AbortController();
  /** Links are stored one after another. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Round in which this host began to listen; the last one of which a validator said anything, and how many there were. */
  readonly #since: number;
  #lastHeard = -1;
  #heard = 0;
  #failed: FailedRound | null = null;
  #refusedUncertified = 0;
  /** The newest that a validator said by gossip. */
  #opinion: MessageOf<'opinion'> | null = null;
  /** Highest certificate that this host could not use. */
  #gapAt = 0;

  constructor(options: ChainKeeperOptions) {
    const { chain, swarm, clock } = options;
    const { run } = chain;
    this.#o = options;
    this.#since = this.#round();
    this.#prefetch = new Prefetch(swarm);
    this.served = new ServedRounds(swarm);
    this.#inbox = new Inbox({
      run,
      clock,
      workload: chain.workload,
      chain: {
        get head() {
          return chain.head;
        },
        offer: (message, sealed, opinions) => this.#gossiped(message, sealed, opinions),
      },
      blobs: this.#prefetch,
      ownKey: null,
      onNoCertificate: (message) => this.#noCertificate(message),
      onOpinion: (opinion) => {
        this.#opinion = opinion;
        this.#measured(opinion);
      },
      admits: (contributor, round) => chain.tipAdmits(contributor, round),
      knows: (key) => chain.tipKnows(key),
    });
  }

  get profiles(): ProfileBook {
    return this.#inbox.profiles;
  }

  presences(): Presence[] {
    return this.#inbox.presences();
  }

  /** Rounds since the start of this host of which no validator said anything. */
  get roundsLost(): number {
    return Math.max(0, this.#round() - this.#since - this.#heard);
  }

  get failed(): FailedRound | null {
    return this.#failed;
  }

  get refusedUncertified(): number {
    return this.#refusedUncertified;
  }

  /** A gossip message. Never throws. */
  handle(bytes: Uint8Array, from: string): Promise<GossipVerdict> {
    return this.#inbox.receive(bytes, from);
  }

  /** A link that a validator's tab hands over. Never rejects; resolves when the round is on disk, or cannot be. */
  async take(bytes: Uint8Array, from: string): Promise<HandoverAnswer> {
    const link = decodeLink(bytes);
    const opened = link === null ? null : await open(link.certificate);
    if (link === null || opened?.ok !== true || opened.message.kind !== 'certificate')
      return refused('no-link');
    const { message, sender } = opened;
    // What is stored is what its validator sealed, not what somebody else wrapped around it.
    if (!hasSeat(this.#o.chain.run.manifest, sender)) return refused('bad-certificate');
    const outcome = this.#queue.then(async (): Promise<HandoverAnswer> => {
      if (this.#abort.signal.aborted) return { stored: false, retry: true, code: 'stopping' };
      const offer = await this.#offer(message, link.certificate, link.opinions);
      const { height } = this.#o.chain.head;
      if (offer === 'gap') return { stored: false, retry: false, code: 'gap', height };
      if (offer === 'bad') return refused('bad-certificate');
      return this.#store(message, from);
    });
    this.#queue = outcome;
    return outcome;
  }

  /** Resolves when all that came so far is dealt with. */
  async settled(): Promise<void> {
    await this.#queue;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#queue;
  }

  /** What others have heard already is passed on at once and stored behind that. */
  async #gossiped(message: Certificate, sealed: Uint8Array, opinions: readonly Uint8Array[]): Promise<Offer> {
    const offer = await this.#offer(message, sealed, opinions);
    // A copy that comes later is a reason to look again for work that could not be had.
    if (offer === 'new' || (offer === 'known' && this.#o.chain.behind))
      this.#queue = this.#queue.then(() => this.#store(message, null));
    // Anybody can make up a certificate from the future.
    return offer === 'gap' && !(await this.#noteGap(message)) ? 'bad' : offer;
  }

  /** `opinions`: those that are no validator's on this round are left out. */
  async #offer(message: Certificate, sealed: Uint8Array, opinions: readonly Uint8Array[]): Promise<Offer> {
    const { chain } = this.#o;
    const round = roundOf(message);
    const good = round === null ? [] : await opinionsOn(chain.run, round, opinions);
    const offer = await chain.offer(
      message,
      sealed,
      good.map((one) => one.sealed),
    );
    if (offer === 'gap') await this.#noteGap(message);
    return offer;
  }

  /** Stores what waits. Never rejects. */
  async #store(message: Certificate, from: string | null): Promise<HandoverAnswer> {
    const { chain, swarm, clock, report } = this.#o;
    const until = deadlineSignal(clock, clock.now() + FETCH_MS, this.#abort.signal);
    let missing = false;
    const { stored, error } = await chain.follow(async (ref, signal) => {
      try {
        return await this.#prefetch.get(ref, from, signal);
      } catch (cause) {
        missing = true;
        throw cause;
      }
    }, until.signal);
    until.cancel();
    for (const { link, work } of stored) {
      await this.#stored(link, work);
      if (from === null) continue;
      for (const one of [...link.opinions, link.sealed]) await swarm.publish(one).catch(() => {});
    }
    if (await this.#has(message)) return { stored: true };
    if (error === null) return refused('fork');
    const code = error instanceof OutOfSyncError ? 'root-differs' : missing ? 'work-missing' : 'not-written';
    if (code === 'not-written') this.#failed = failedRound(roundOf(message) ?? this.#round(), error);
    report({ is: 'link-not-stored', code, error: messageOf(error) });
    return { stored: false, retry: code !== 'root-differs', code };
  }

  /** Whether a certificate that is beyond our chain is genuine; says so once a height. */
  async #noteGap(message: Certificate): Promise<boolean> {
    const { chain, report } = this.#o;
    const checked = await checkAnchor(message, chain.run);
    if (!checked.ok) return false;
    const { height } = checked.certificate.body;
    if (height <= this.#gapAt) return true;
    this.#gapAt = height;
    report({ is: 'behind', certified: height, height: chain.head.height });
    return true;
  }

  /** Whether exactly this certificate is on disk: a tab hands its last one over again when it did not hear the answer. */
  async #has(message: Certificate): Promise<boolean> {
    const { chain } = this.#o;
    if (bytesEqual(bodyHash(message.body), chain.head.hash)) return true;
    const checked = await checkAnchor(message, chain.run);
    const [known] = checked.ok ? chain.store.links(checked.certificate.body.height, 1) : [];
    const opened = known === undefined ? null : await open(known.certificate);
    return (
      opened?.ok === true &&
      opened.message.kind === 'certificate' &&
      bytesEqual(opened.message.body, message.body)
    );
  }

  /** Serves and reports what was stored. */
  async #stored({ certificate, opinions }: Link, work: readonly Uint8Array[]): Promise<void> {
    const { chain, report } = this.#o;
    const { body } = certificate;
    this.#hear(body.round);
    this.#failed = null;
    const said = await opinionsOn(chain.run, body.round, opinions);
    for (const { opinion } of said) this.#measured(opinion);
    const refs = chain.workOf(certificate);
    this.#prefetch.release(refs.map(({ hash }) => hash));
    this.served.add(refs.map(({ hash }, i) => [hash, work[i]]));
    report({
      is: 'certified',
      body,
      opinion: said[0]?.opinion ?? null,
      bytesPerParameter: bytesPerParameter(
        refs.map(({ size }) => ({ byteLength: size })),
        chain.run.layout.elements,
      ),
    });
  }

  /** Keeps what a validator measured of the state that a round started from. */
  #measured({ height, heldOutLoss }: MessageOf<'opinion'>): void {
    const { chain, report } = this.#o;
    if (heldOutLoss === null || height > chain.head.height) return;
    try {
      chain.store.saveLoss(height, heldOutLoss);
    } catch (error) {
      // A point of a curve: not worth a link, nor a gossip message.
      report({ is: 'note-failed', what: 'losses', error: messageOf(error) });
    }
  }

  #noCertificate({ round, refused: entries, failure }: MessageOf<'no-certificate'>): void {
    const { chain, report } = this.#o;
    if (round > this.#round() || round <= chain.head.round || round <= this.#lastHeard) return;
    this.#hear(round);
    this.#failed = failure === null ? null : { round, failure, error: '' };
    this.#refusedUncertified += entries.filter(({ reason }) => reason !== 'unjudged').length;
    if (entries.length === 0) return;
    const opinion = this.#opinion?.round === round ? this.#opinion : null;
    report({ is: 'nothing-certified', round, refused: entries, opinion });
  }

  /** Rounds from before the start, which come late, do not count. */
  #hear(round: number): void {
    if (round <= this.#lastHeard) return;
    this.#lastHeard = round;
    if (round >= this.#since) this.#heard++;
  }

  #round(): number {
    const { chain, clock } = this.#o;
    return chain.run.rounds.round(clock.now());
  }
}

const refused = (code: HandoverCode): HandoverAnswer => ({ stored: false, retry: false, code });
