/**
 * The rounds on a host without a seat: a validator in a browser tab certifies them, and this host keeps the chain.
 *
 * A certificate comes by handover from the tab (or by gossip, from whoever has heard of it). It is checked against the head, the
 * submissions it accepts are fetched, applied and compared with its root, and only then is the round stored and told on. A host
 * without the key can withhold rounds, never make any.
 */
import { isMember } from '../gauntlet/admission.ts';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { bodyHash, checkAnchor, type CheckedCertificate, checkCertificate } from '../protocol/certificate.ts';
import { roundAt } from '../protocol/clock.ts';
import { open } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import type { MessageOf } from '../protocol/messages.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import type { HandoverAnswer } from '../swarm/handover.ts';
import { Inbox } from '../swarm/inbox.ts';
import type { Presence } from '../swarm/presences.ts';
import type { GossipVerdict, Swarm } from '../swarm/types.ts';
import { CertifiedRootError } from '../validator/certify.ts';
import { refusalSummary, roundLine } from '../validator/log.ts';
import { ServedRounds } from '../validator/served-rounds.ts';
import type { Chain } from './chain.ts';
import { Prefetch } from './prefetch.ts';
import type { RoundsView } from './view.ts';

export interface ChainKeeperOptions {
  readonly chain: Chain;
  readonly swarm: Pick<Swarm, 'publish' | 'fetch' | 'serve' | 'forget'>;
  /** Swarm time, epoch ms: the host's clock is the run's. */
  readonly now?: () => number;
  readonly log: (line: string) => void;
}

type Certificate = MessageOf<'certificate'>;

/** Certified submissions may take this long to come. */
const FETCH_MS = 60_000;

export class ChainKeeper implements RoundsView {
  readonly #o: ChainKeeperOptions;
  readonly #now: () => number;
  readonly #inbox: Inbox;
  readonly #prefetch: Prefetch;
  /** Certified submissions, for tabs that are late. */
  readonly served: ServedRounds;
  readonly #abort = new AbortController();
  /** Certificates are taken one after another. */
  #queue: Promise<unknown> = Promise.resolve();
  /** Round in which this host began to listen; the last one of which a validator said anything, and how many there were. */
  readonly #since: number;
  #lastHeard = -1;
  #heard = 0;
  /** Highest certificate that this host could not use. */
  #gapAt = 0;

  constructor(options: ChainKeeperOptions) {
    const { chain, swarm } = options;
    const { manifest, runId } = chain;
    this.#o = options;
    this.#now = options.now ?? Date.now;
    this.#since = this.#round();
    this.#prefetch = new Prefetch(swarm);
    this.served = new ServedRounds(swarm);
    this.#inbox = new Inbox({
      manifest,
      runId,
      chain: {
        get head() {
          return chain.head;
        },
        offer: (message, sealed) => this.#gossiped(message, sealed),
      },
      submissions: this.#prefetch,
      ownKey: new Uint8Array(0),
      round: () => this.#round(),
      onNoCertificate: (message) => this.#noCertificate(message),
      onAudit: () => {},
      onGap: () => {},
      onVersion: () => {},
      fetchesFrom: (contributor, round) => isMember(chain.members, contributor, round, manifest.admission),
      // Keys are free: only names that stand in the ledger are kept, or a flood of others would leave no room.
      keepsName: (contributor) => chain.ledger.accounts.has(toHex(contributor)),
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

  /** A gossip message. Never throws. */
  handle(bytes: Uint8Array): Promise<GossipVerdict> {
    return this.#inbox.receive(bytes);
  }

  /** A certificate that a validator's tab hands over. Never rejects; resolves when the round is on disk, or cannot be. */
  async take(sealed: Uint8Array, from: string): Promise<HandoverAnswer> {
    const opened = await open(sealed);
    if (!opened.ok) return refused(`the message cannot be used (${opened.reason})`);
    if (opened.message.kind !== 'certificate') return refused('this is no certificate');
    const { message } = opened;
    const outcome = this.#queue.then(() => this.#extend(message, sealed, from));
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
  async #gossiped(message: Certificate, sealed: Uint8Array): Promise<'new' | 'known' | 'gap' | 'bad'> {
    const { chain, log } = this.#o;
    const checked = await checkCertificate(message, chain.manifest, chain.runId, chain.head);
    if (!checked.ok) {
      if (checked.reason === 'old') return 'known';
      if (checked.reason !== 'gap' || !(await this.#noteGap(message))) return 'bad';
      return 'gap';
    }
    this.#queue = this.#queue
      .then(() => this.#extend(message, sealed, null))
      .then((answer) => {
        if (!answer.stored) log(`a certificate from gossip was not taken: ${answer.detail}`);
      });
    return 'new';
  }

  /** Never rejects. */
  async #extend(message: Certificate, sealed: Uint8Array, from: string | null): Promise<HandoverAnswer> {
    const { chain, swarm, log } = this.#o;
    try {
      if (this.#abort.signal.aborted) return { stored: false, retry: true, detail: 'the host is stopping' };
      const checked = await checkCertificate(message, chain.manifest, chain.runId, chain.head);
      if (!checked.ok) {
        if (this.#has(message)) return { stored: true };
        // Anybody can send what nobody signed; what a validator did sign is worth a line.
        if (checked.reason === 'fork') log(`a second certificate was refused: ${checked.detail}`);
        const detail = `${checked.reason}: ${checked.detail}`;
        if (checked.reason !== 'gap') return refused(detail);
        await this.#noteGap(message);
        return { stored: false, retry: false, detail, height: chain.head.height };
      }
      const { certificate } = checked;
      const submissions = await this.#submissionsOf(certificate, from);
      await chain.extend(sealed, certificate, submissions);
      this.#stored(certificate, submissions);
      if (from !== null) void swarm.publish(sealed);
      return { stored: true };
    } catch (error) {
      log(`a certificate could not be stored: ${messageOf(error)}`);
      return { stored: false, retry: !(error instanceof CertifiedRootError), detail: messageOf(error) };
    }
  }

  /** Whether a certificate that is beyond our chain is genuine; says so once a height. */
  async #noteGap(message: Certificate): Promise<boolean> {
    const { chain, log } = this.#o;
    const checked = await checkAnchor(message, chain.manifest, chain.runId);
    if (!checked.ok) return false;
    const { height } = checked.certificate.body;
    if (height <= this.#gapAt) return true;
    this.#gapAt = height;
    log(
      `a validator certified height ${height}, this host is at ${chain.head.height}: is the data folder an old copy?`,
    );
    return true;
  }

  /** Whether exactly this certificate is on disk. */
  #has({ body }: Certificate): boolean {
    const hash = bodyHash(body);
    // The newest by far: a tab hands its last certificate over again when it did not hear the answer.
    return bytesEqual(hash, this.#o.chain.head.hash);
  }

  async #submissionsOf({ body }: CheckedCertificate, from: string | null): Promise<Uint8Array[]> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(FETCH_MS)]);
    return Promise.all(body.accepted.map(({ submission }) => this.#prefetch.get(submission, from, signal)));
  }

  #stored({ body }: CheckedCertificate, submissions: readonly Uint8Array[]): void {
    const { chain, log } = this.#o;
    this.#hear(body.round);
    // Measured by the validator, of the state that the round started from.
    chain.store.saveLoss(body.height - 1, body.heldOutLoss);
    this.#prefetch.release(body.accepted.map((entry) => entry.submission.hash));
    this.served.add(body.accepted.map((entry, i) => [entry.submission.hash, submissions[i]]));
    log(roundLine(body, parameterLayout(chain.manifest.model).elements));
  }

  #noCertificate({ round, refused: entries }: MessageOf<'no-certificate'>): void {
    const { chain, log } = this.#o;
    if (round > this.#round() || round <= chain.head.round || round <= this.#lastHeard) return;
    this.#hear(round);
    chain.store.saveRefusals(round, entries);
    if (entries.length > 0) log(`round ${round} · no certificate · 0 accepted, ${refusalSummary(entries)}`);
  }

  /** Rounds from before the start, which come late, do not count. */
  #hear(round: number): void {
    if (round <= this.#lastHeard) return;
    this.#lastHeard = round;
    if (round >= this.#since) this.#heard++;
  }

  #round(): number {
    return Math.max(0, roundAt(this.#o.chain.manifest.schedule, this.#now()));
  }
}

const refused = (detail: string): HandoverAnswer => ({ stored: false, retry: false, detail });
