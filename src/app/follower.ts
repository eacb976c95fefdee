/**
 * Follows the chain of certificates: takes them from gossip or, when some were missed, from the host; checks
 * signatures and links; has the trainer apply exactly what was certified; compares state roots.
 *
 * A tab that only watches follows without a trainer: it checks the chain, not the state.
 */
import {
  type CheckedCertificate,
  checkCertificate,
  type ChainHead,
  genesisHead,
} from '../protocol/certificate.ts';
import { bytesEqual, fromHex, toHex } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import { foldMembers, isMember, type Members } from '../gauntlet/admission.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { claimsRun, decodeCheckpoint } from '../model/checkpoint.ts';
import type { TrainerClient } from '../worker/client.ts';
import { type BlobSources, fetchBlob } from './blobs.ts';
import type { Submissions } from '../swarm/submissions.ts';

/** After this many certificates behind, a checkpoint is less to download than the submissions since. */
const MAX_REPLAY = 8;

/** Our state is not what the validators certified; a checkpoint puts it right. */
export class OutOfSyncError extends Error {
  static override readonly name = 'OutOfSyncError';
  override readonly name = 'OutOfSyncError';
}

/** Who holds the state: the trainer's worker, or a replica on the CPU. */
export type StateHolder = Pick<TrainerClient, 'load' | 'apply'>;

export interface FollowerOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly sources: BlobSources;
  readonly submissions: Submissions;
  /** A certificate became the head; `bytes` are the message it came in. */
  readonly onHead: (certificate: CheckedCertificate) => void;
}

type Certificate = MessageOf<'certificate'>;

export class Follower {
  readonly #options: FollowerOptions;
  #head: ChainHead;
  #last: CheckedCertificate | null = null;
  /** Certificates that follow the head, checked, oldest first, not yet applied. */
  #pending: CheckedCertificate[] = [];
  #members: Members = new Map();
  /** Hashes of the submissions that the newest certificates accepted. */
  #accepted: ReadonlySet<string>[] = [];
  #waiters: (() => void)[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  /** Height of the state the trainer holds; null until one was loaded. */
  #loaded: number | null = null;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#head = genesisHead(options.manifest, options.runId);
  }

  /** The newest certificate that this tab has applied (or, when watching, checked). */
  get head(): ChainHead {
    return this.#head;
  }

  /** The certificate that made the head; null at genesis. */
  get last(): CheckedCertificate | null {
    return this.#last;
  }

  /** Whether one of the last few certificates applied a submission. */
  wasAccepted(hash: string): boolean {
    return this.#accepted.some((hashes) => hashes.has(hash));
  }

  /** How many are admitted. */
  get members(): number {
    return this.#members.size;
  }

  /** Whether the chain up to the head admits a contributor to `round`. */
  isMember(contributor: Uint8Array, round: number): boolean {
    return isMember(this.#members, contributor, round, this.#options.manifest.admission);
  }

  /** True when a checked certificate waits to be applied. */
  get behind(): boolean {
    return this.#pending.length > 0;
  }

  /** The end of the checked chain, applied or not. */
  get #tip(): ChainHead {
    return this.#pending.at(-1)?.head ?? this.#head;
  }

  /**
   * A certificate from gossip. `gap`: it is genuine as far as can be seen, but certificates before it are missing:
   * call {@link catchUp}.
   */
  offer(message: Certificate): Promise<'new' | 'known' | 'gap' | 'bad'> {
    // One at a time: checking waits for signatures, and two copies must not both find the chain without them.
    const outcome = this.#queue.then(() => this.#offer(message));
    this.#queue = outcome.catch(() => {});
    return outcome;
  }

  async #offer(message: Certificate): Promise<'new' | 'known' | 'gap' | 'bad'> {
    const checked = await checkCertificate(message, this.#options.manifest, this.#options.runId, this.#tip);
    if (checked.ok) {
      this.#push(checked.certificate);
      return 'new';
    }
    if (checked.reason === 'old') return 'known';
    return checked.reason === 'gap' ? 'gap' : 'bad';
  }

  /** Resolves when a certificate is waiting, or at the latest when `signal` aborts. */
  waitForNew(signal: AbortSignal): Promise<void> {
    if (this.behind || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#waiters = this.#waiters.filter((w) => w !== done);
        resolve();
      };
      signal.addEventListener('abort', done);
      this.#waiters.push(done);
    });
  }

  /** Asks the host for the certificates after our tip. Throws HostError. */
  async catchUp(signal: AbortSignal): Promise<void> {
    for (;;) {
      const messages = await this.#options.sources.host.certificates(this.#tip.height + 1, signal);
      let progressed = false;
      for (const bytes of messages) {
        const opened = await open(bytes);
        if (!opened.ok || opened.message.kind !== 'certificate') continue;
        if ((await this.offer(opened.message)) === 'new') progressed = true;
      }
      if (!progressed) return;
    }
  }

  /** Follows without a state: everything checked counts as seen. */
  followOnly(): void {
    for (const certificate of this.#pending.splice(0)) this.#advance(certificate);
  }

  /**
   * Brings the trainer to the tip: from a checkpoint when it holds nothing or is far behind, else by applying what
   * is pending. Throws OutOfSyncError when a root differs, after which the next call starts from a checkpoint.
   */
  async applyPending(trainer: StateHolder, signal: AbortSignal): Promise<void> {
    if (this.#loaded === null || this.#pending.length > MAX_REPLAY)
      await this.#loadCheckpoint(trainer, signal);
    while (this.#pending.length > 0) {
      const certificate = this.#pending[0];
      const { body } = certificate;
      const submissions: { bytes: Uint8Array; weight: number }[] = [];
      for (const entry of body.accepted) {
        submissions.push({
          bytes: await this.#options.submissions.get(entry.submission, signal),
          weight: entry.weight,
        });
      }
      signal.throwIfAborted();
      const root = await trainer.apply(submissions);
      if (!bytesEqual(root, body.root)) {
        this.#loaded = null;
        throw new OutOfSyncError(
          `After round ${body.round} this tab's state root is ${toHex(root).slice(0, 12)}, the certificate's is ${toHex(body.root).slice(0, 12)}.`,
        );
      }
      this.#pending.shift();
      this.#advance(certificate);
      this.#loaded = body.height;
    }
  }

  /** Forgets what the trainer holds (a new GPU device): the next {@link applyPending} loads a checkpoint. */
  forgetState(): void {
    this.#loaded = null;
  }

  async #loadCheckpoint(trainer: StateHolder, signal: AbortSignal): Promise<void> {
    const { sources, manifest, runId } = this.#options;
    const answer = await sources.host.head(signal);
    await this.catchUp(signal);
    const { hash, size, height } = answer.checkpoint;
    const bytes = await fetchBlob({ hash: fromHex(hash), size }, sources, signal);
    const checkpoint = decodeCheckpoint(bytes, manifest.model);
    // The checkpoint's claim is worth nothing: the root is computed from its values and compared with the
    // certificate's (or, at height 0, with the manifest's).
    const expected = this.#certifiedRoot(height);
    if (expected === null || !claimsRun(checkpoint, runId)) {
      throw new OutOfSyncError('The host offers a checkpoint that no certificate of this run covers.');
    }
    const root = await trainer.load(checkpoint.theta);
    if (!bytesEqual(root, expected)) {
      throw new OutOfSyncError(
        `The host's checkpoint for height ${height} does not have the certified state root.`,
      );
    }
    this.#loaded = height;
    while (this.#pending.length > 0 && this.#pending[0].body.height <= height) {
      this.#advance(this.#pending.shift() as CheckedCertificate);
    }
  }

  /** The certified root at a height between the head and the tip; null when we have not checked that far. */
  #certifiedRoot(height: number): Uint8Array | null {
    if (height === this.#head.height) return this.#head.root;
    return this.#pending.find((c) => c.body.height === height)?.body.root ?? null;
  }

  #push(certificate: CheckedCertificate): void {
    this.#pending.push(certificate);
    for (const waiter of this.#waiters.slice()) waiter();
  }

  #advance(certificate: CheckedCertificate): void {
    this.#head = certificate.head;
    this.#last = certificate;
    const accepted = certificate.body.accepted.map((entry) => toHex(entry.submission.hash));
    this.#accepted = [...this.#accepted.slice(1 - MAX_REPLAY), new Set(accepted)];
    this.#members = foldMembers(this.#members, certificate.body, this.#options.manifest.admission);
    this.#options.onHead(certificate);
  }
}
