/**
 * The certified chain in a validator's tab: rebuilt from the host's certificates and checkpoint, each checked, and from then on
 * extended by what this tab signs.
 *
 * Two rules keep it one chain. A certificate is in {@link SeatMemory} before it leaves the tab. And the tab signs the next one
 * only when the host has said that this one is on disk; until then it hands the same bytes over again.
 */
import { foldMembers, type Members } from '../gauntlet/admission.ts';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import type { ChainHead, CheckedCertificate } from '../protocol/certificate.ts';
import { open } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import { applyToLedger, emptyLedger, type Ledger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { CertificateBody } from '../protocol/messages.ts';
import { CpuReplica } from '../sparseloco/cpu-replica.ts';
import type { HandoverAnswer } from '../swarm/handover.ts';
import { pause } from '../swarm/pause.ts';
import { Submissions } from '../swarm/submissions.ts';
import type { Swarm } from '../swarm/types.ts';
import { type AppendOptions, certifyVerdict, type SeatChain } from '../validator/certify.ts';
import type { BlobSources } from './blobs.ts';
import { Follower } from './follower.ts';
import type { SeatMemory, SignedRecord } from './seat-record.ts';

/** Why this tab may not go on signing. */
export type SeatConflict =
  /** The host's chain ends before the last certificate that this tab signed and the host stored. */
  | 'host-behind'
  /** The host's chain has another certificate where this tab signed one that was stored. */
  | 'forked'
  /** The host will not take what this tab signed. */
  | 'refused';

export class SeatConflictError extends Error {
  static override readonly name = 'SeatConflictError';
  override readonly name = 'SeatConflictError';
  readonly conflict: SeatConflict;

  constructor(conflict: SeatConflict, message: string) {
    super(message);
    this.conflict = conflict;
  }
}

export interface TabChainOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly sources: BlobSources;
  readonly swarm: Swarm;
  readonly memory: SeatMemory;
  /** One attempt to have the host store a sealed certificate. */
  readonly handOver: (sealed: Uint8Array, signal: AbortSignal) => Promise<HandoverAnswer>;
  readonly signal: AbortSignal;
  /** A certificate became the head. */
  readonly onHead: (body: CertificateBody) => void;
  /** Why the host does not have the last certificate yet; null: it has. */
  readonly onWaiting: (why: string | null) => void;
  /** While validating: this tab may not go on. */
  readonly onConflict: (conflict: SeatConflictError) => void;
  readonly log: (line: string) => void;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;

export class TabChain implements SeatChain {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly #o: TabChainOptions;
  readonly #submissions: Submissions;
  readonly #follower: Follower;
  #replica: CpuReplica;
  #head: ChainHead;
  #ledger: Ledger = emptyLedger();
  #members: Members = new Map();
  #lastMessage: Uint8Array | null = null;
  /** Hashes of the certificates by height, from 1. */
  readonly #hashes: Uint8Array[] = [];
  /** Height of the last certificate that this tab signed. */
  #signed = 0;

  private constructor(options: TabChainOptions) {
    const { manifest, runId, sources, swarm } = options;
    this.#o = options;
    this.manifest = manifest;
    this.runId = runId;
    this.#replica = new CpuReplica(parameterLayout(manifest.model), manifest.sparseloco);
    this.#submissions = new Submissions(swarm);
    this.#follower = new Follower({
      manifest,
      runId,
      sources,
      submissions: this.#submissions,
      onHead: (certificate) => this.#advance(certificate),
    });
    this.#head = this.#follower.head;
  }

  /**
   * Follows the host's chain to its end and settles what this tab signed last. Throws HostError, BlobError or
   * OutOfSyncError while the host cannot be followed, {@link SeatConflictError} when this tab may not sign.
   */
  static async open(options: TabChainOptions): Promise<TabChain> {
    const chain = new TabChain(options);
    await chain.#sync();
    await chain.#settleRecords();
    return chain;
  }

  get head(): ChainHead {
    return this.#head;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  get members(): Members {
    return this.#members;
  }

  get lastMessage(): Uint8Array | null {
    return this.#lastMessage;
  }

  theta(): Promise<Int32Array> {
    return this.#replica.read();
  }

  /** {@link SeatChain.append}; waits as long as the host is away, and signs nothing else meanwhile. */
  async append(options: AppendOptions): Promise<{ message: Uint8Array; body: CertificateBody }> {
    const height = this.#head.height + 1;
    if (height <= this.#signed)
      throw new SeatConflictError('refused', `height ${height} was signed before; it is not signed again`);
    const { message, certificate, replica } = await certifyVerdict(this, this.#replica, options);
    const { body, head } = certificate;
    const { submissions } = options;
    const record = { height, hash: head.hash, message, submissions, stored: false };
    await this.#o.memory.saveRecord(record);
    this.#signed = height;
    this.#serve(body, submissions);
    try {
      await this.#deliver(record);
    } catch (error) {
      if (error instanceof SeatConflictError) this.#o.onConflict(error);
      throw error;
    }
    this.#replica = replica;
    this.#lastMessage = message;
    this.#advance(certificate);
    return { message, body };
  }

  #advance({ body, head }: CheckedCertificate): void {
    this.#head = head;
    this.#hashes[body.height] = head.hash;
    this.#ledger = applyToLedger(this.#ledger, body, this.manifest.credits);
    this.#members = foldMembers(this.#members, body, this.manifest.admission);
    this.#o.onHead(body);
  }

  async #sync(): Promise<void> {
    const { signal } = this.#o;
    const replica = this.#replica;
    await this.#follower.catchUp(signal);
    await this.#follower.applyPending(
      {
        load: async (theta) => {
          await replica.load(theta);
          return replica.root();
        },
        apply: (submissions) => replica.apply(submissions),
      },
      signal,
    );
  }

  /** Compares what this browser signed last with the host's chain, and hands over what the host lacks. */
  async #settleRecords(): Promise<void> {
    const records = await this.#o.memory.records();
    for (const record of records) await this.#compare(record);
    for (const record of records) {
      if (record.height <= this.#head.height) continue;
      if (record.height > this.#head.height + 1)
        throw new SeatConflictError(
          'host-behind',
          `The host’s chain ends at height ${this.#head.height}; this tab signed height ${record.height}, and does not remember all between.`,
        );
      await this.#redeliver(record);
    }
  }

  /** Throws when the host's chain has another certificate where this tab signed one that was stored. */
  async #compare(record: SignedRecord): Promise<void> {
    const { height, hash, message, stored } = record;
    const here = this.#hashes[height];
    if (here === undefined) return;
    if (bytesEqual(here, hash)) {
      this.#signed = height;
      if (height === this.#head.height) this.#lastMessage = message;
      // Others may have heard of it: should the host ever show another one here, that is a fork.
      if (!stored) await this.#o.memory.saveRecord({ ...record, stored: true });
    } else if (stored)
      throw new SeatConflictError(
        'forked',
        `This tab signed ${toHex(hash).slice(0, 12)} at height ${height} and the host stored it; now the host shows ${toHex(here).slice(0, 12)} there.`,
      );
    else {
      // Nobody but the host can have heard of ours, and it took another one that this key signed elsewhere.
      await this.#o.memory.forget(height);
      this.#o.log(
        `height ${height} was certified by another tab with this key; what this one signed was never used`,
      );
    }
  }

  async #redeliver(record: SignedRecord): Promise<void> {
    const opened = await open(record.message);
    if (!opened.ok || opened.message.kind !== 'certificate')
      throw new Error('What this browser remembers of its last certificates cannot be read.');
    if ((await this.#follower.offer(opened.message)) !== 'new')
      throw new SeatConflictError(
        'forked',
        `The certificate of height ${record.height} that this tab signed does not follow the host’s chain.`,
      );
    this.#o.log(`the host lacks height ${record.height}, which this tab signed; it is handed over again`);
    this.#signed = record.height;
    await this.#keep(record);
    await this.#deliver(record);
    this.#lastMessage = record.message;
    await this.#sync();
  }

  /** So that the host, and then this tab itself, find the bytes of what was accepted. */
  async #keep({ submissions }: SignedRecord): Promise<void> {
    for (const bytes of submissions) {
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice()));
      this.#submissions.keep(hash, bytes, Number.MAX_SAFE_INTEGER);
      this.#submissions.reveal(hash);
    }
  }

  #serve(body: CertificateBody, submissions: readonly Uint8Array[]): void {
    body.accepted.forEach(({ submission }, i) => this.#o.swarm.serve(submission.hash, submissions[i]));
  }

  /** Until the host has it on disk. Throws when it never will, or when the tab stops. */
  async #deliver(record: SignedRecord): Promise<void> {
    const { handOver, memory, signal, onWaiting, log } = this.#o;
    let wait = RETRY_MIN_MS;
    let filled = false;
    for (;;) {
      signal.throwIfAborted();
      const answer = await handOver(record.message, signal);
      if (answer.stored) break;
      signal.throwIfAborted();
      onWaiting(answer.detail);
      if (answer.height !== undefined && !filled && (await this.#backfill(answer.height, record.height))) {
        filled = true;
        continue;
      }
      if (!answer.retry)
        throw new SeatConflictError(
          'refused',
          `The host does not take the certificate of height ${record.height}: ${answer.detail}.`,
        );
      await pause(wait, signal);
      wait = Math.min(RETRY_MAX_MS, 2 * wait);
    }
    onWaiting(null);
    // It counts and others hear of it, whether or not this browser can note that; the next visit sees it in the chain.
    await memory
      .saveRecord({ ...record, stored: true })
      .catch((error: unknown) =>
        log(`that the host has height ${record.height} could not be kept: ${messageOf(error)}`),
      );
  }

  /** A host that lost rounds gets those after `height` and before `next` again, if all are remembered and it takes them. */
  async #backfill(height: number, next: number): Promise<boolean> {
    const { memory, handOver, signal, log } = this.#o;
    const missing = (await memory.records().catch(() => [])).filter(
      (r) => r.height > height && r.height < next && bytesEqual(r.hash, this.#hashes[r.height]),
    );
    if (missing.length === 0 || missing.length !== next - height - 1) return false;
    for (const record of missing) {
      log(`the host lacks height ${record.height}, which this tab signed; it is handed over again`);
      await this.#keep(record);
      if (!(await handOver(record.message, signal)).stored) return false;
    }
    return true;
  }
}
