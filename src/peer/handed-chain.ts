/**
 * The certified chain of a validator whose host has no seat: rebuilt from the host's certificates and checkpoint, each checked,
 * and from then on extended by what this seat signs.
 *
 * Two rules keep it one chain. A certificate is in {@link SeatMemory} before it leaves. And the next one is signed only when
 * the host has said that this one is on disk; until then the same bytes are handed over again.
 */
import { bodyHash } from '../chain/certificate.ts';
import type { Keep, Link } from '../chain/follower.ts';
import { encodeLink } from '../chain/links.ts';
import type { ChainState } from '../chain/state.ts';
import type { Run } from '../chain/run.ts';
import { bytesEqual, sha256 } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import { pause } from '../protocol/timer.ts';
import { CpuState } from '../sparseloco/cpu-state.ts';
import type { HandoverCode } from '../swarm/handover.ts';
import { SERVED_ROUNDS } from '../validator/served-rounds.ts';
import { type Appended, type AppendOptions, SeatedChain, type SeatChain } from '../validator/certify.ts';
import type { Stay } from './participant.ts';
import { type SeatMemory, SeatMemoryError, type SignedRecord } from './seat-memory.ts';

/** Why this seat may not go on signing. */
export type SeatConflict =
  /** The host's chain ends before the last certificate that this seat signed and the host stored. */
  | 'host-behind'
  /** The host's chain has another certificate where this seat signed one that was stored. */
  | 'forked'
  /** The host will not take what this seat signed. */
  | 'refused';

export class SeatConflictError extends Error {
  static override readonly name = 'SeatConflictError';
  override readonly name = 'SeatConflictError';
  readonly conflict: SeatConflict;
  readonly facts: { readonly height: number; readonly hostHeight?: number; readonly why?: HandoverCode };

  constructor(conflict: SeatConflict, facts: SeatConflictError['facts']) {
    super(`${conflict} at height ${facts.height}`);
    this.conflict = conflict;
    this.facts = facts;
  }
}

/** What this chain has to tell. */
export type HandedEvent =
  /** The host lacks a height that this seat signed; it is handed over again. */
  | { readonly is: 'handing-over-again'; readonly height: number }
  /** Another seat with this key certified a height; what this one signed was never used. */
  | { readonly is: 'signed-elsewhere'; readonly height: number }
  | { readonly is: 'memory-failed'; readonly what: string; readonly error: string };

export interface HandedChainOptions {
  readonly stay: Pick<Stay, 'run' | 'follower' | 'swarm' | 'blobs' | 'clock'>;
  readonly memory: SeatMemory;
  readonly signal: AbortSignal;
  /** Why the host does not have the last certificate yet; null: it has. */
  readonly onWaiting: (why: HandoverCode | null) => void;
  /** While validating: this seat may not go on. */
  readonly onConflict: (conflict: SeatConflictError) => void;
  readonly report: (event: HandedEvent) => void;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 10_000;

export class HandedChain implements SeatChain {
  readonly #o: HandedChainOptions;
  readonly #holder: CpuState;
  readonly #seated: SeatedChain;
  /** Height of the last certificate that this seat signed. */
  #signed = 0;
  /** Work served, by certificate, oldest first. */
  readonly #served: Uint8Array[][] = [];

  private constructor(options: HandedChainOptions) {
    const { run, follower } = options.stay;
    this.#o = options;
    this.#holder = new CpuState(run.layout, run.manifest.sparseloco);
    this.#seated = new SeatedChain(follower, this.#holder, (...made) => this.#keep(...made));
  }

  /**
   * Follows the host's chain to its end and settles what this seat signed last. Rejects as the sources do and with
   * OutOfSyncError while the host cannot be followed, with {@link SeatConflictError} when this seat may not sign.
   */
  static async open(options: HandedChainOptions): Promise<HandedChain> {
    const chain = new HandedChain(options);
    await chain.#sync();
    await chain.#settleRecords();
    return chain;
  }

  get run(): Run {
    return this.#seated.run;
  }

  get state(): ChainState {
    return this.#seated.state;
  }

  get lastMessages(): readonly Uint8Array[] {
    return this.#seated.lastMessages;
  }

  theta(): Promise<Int32Array> {
    return this.#seated.theta();
  }

  /** {@link SeatChain.append}; waits as long as the host is away, and signs nothing else meanwhile. */
  async append(options: AppendOptions): Promise<Appended> {
    const height = this.state.head.height + 1;
    if (height <= this.#signed) throw new SeatConflictError('refused', { height });
    return this.#seated.append(options);
  }

  /** Remembers a certificate that was just signed, then has the host store it. */
  async #keep(link: Link, _staged: Parameters<Keep>[1], work: readonly Uint8Array[]): Promise<void> {
    const { body, head } = link.certificate;
    const record: SignedRecord = {
      height: body.height,
      hash: head.hash,
      message: link.sealed,
      opinions: link.opinions,
      submissions: work,
      stored: false,
    };
    await this.#o.memory.saveRecord(record);
    this.#signed = body.height;
    await this.#serve(record);
    try {
      await this.#deliver(record);
    } catch (error) {
      if (error instanceof SeatConflictError) this.#o.onConflict(error);
      throw error;
    }
  }

  async #sync(): Promise<void> {
    const { stay, signal } = this.#o;
    await stay.follower.catchUp(signal);
    await stay.follower.applyPending(this.#holder, signal);
  }

  /** Compares what this seat signed last with the host's chain, and hands over what the host lacks. */
  async #settleRecords(): Promise<void> {
    const { memory, stay } = this.#o;
    const records = await memory.records();
    for (const record of records) await this.#compare(record);
    for (const record of records) {
      const { height } = stay.follower.head;
      if (record.height <= height) continue;
      if (record.height > height + 1)
        throw new SeatConflictError('host-behind', { height: record.height, hostHeight: height });
      await this.#redeliver(record);
    }
  }

  /** Throws when the host's chain has another certificate where this seat signed one that was stored. */
  async #compare(record: SignedRecord): Promise<void> {
    const { memory, stay, report } = this.#o;
    const { height, hash, stored } = record;
    const here = stay.follower.at(height);
    if (here === null) return;
    if (bytesEqual(here.head.hash, hash)) {
      this.#signed = height;
      // Others may have heard of it: should the host ever show another one here, that is a fork.
      if (!stored) await memory.saveRecord({ ...record, stored: true });
    } else if (stored) throw new SeatConflictError('forked', { height });
    else {
      // Nobody but the host can have heard of ours, and it took another one that this key signed elsewhere.
      await memory.forget(height);
      report({ is: 'signed-elsewhere', height });
    }
  }

  async #redeliver(record: SignedRecord): Promise<void> {
    const { stay, report } = this.#o;
    const { height, message, opinions } = record;
    const opened = await open(message);
    if (!opened.ok || opened.message.kind !== 'certificate') throw new SeatMemoryError();
    if (!bytesEqual(bodyHash(opened.message.body), record.hash)) throw new SeatMemoryError();
    if ((await stay.follower.offer(opened.message, message, opinions)) !== 'new')
      throw new SeatConflictError('forked', { height });
    report({ is: 'handing-over-again', height });
    this.#signed = height;
    await this.#serve(record);
    await this.#deliver(record);
    await this.#sync();
  }

  /** So that the host, and then this seat itself, find the bytes of what was accepted. */
  async #serve({ submissions }: SignedRecord): Promise<void> {
    const { blobs } = this.#o.stay;
    const hashes: Uint8Array[] = [];
    for (const bytes of submissions) {
      const hash = await sha256(bytes);
      hashes.push(hash);
      // Whatever round it is: the host may be far behind. They go when newer ones come.
      blobs.keep(hash, bytes, Number.MAX_SAFE_INTEGER);
      blobs.reveal(hash);
    }
    this.#served.push(hashes);
    while (this.#served.length > SERVED_ROUNDS)
      for (const hash of this.#served.shift() ?? []) blobs.forget(hash);
  }

  /** Until the host has it on disk. Throws when it never will, or when the seat stops. */
  async #deliver(record: SignedRecord): Promise<void> {
    const { stay, memory, signal, onWaiting, report } = this.#o;
    const { height } = record;
    let wait = RETRY_MIN_MS;
    let filled = false;
    for (;;) {
      signal.throwIfAborted();
      const answer = await stay.swarm.handOver(bundleOf(record), signal);
      if (answer.stored) break;
      signal.throwIfAborted();
      onWaiting(answer.code);
      if (answer.height !== undefined && !filled && (await this.#backfill(answer.height, height))) {
        filled = true;
        continue;
      }
      if (!answer.retry) throw new SeatConflictError('refused', { height, why: answer.code });
      await pause(stay.clock, wait, signal);
      wait = Math.min(RETRY_MAX_MS, 2 * wait);
    }
    onWaiting(null);
    // It counts and others hear of it, whether or not this machine can note that; the next visit sees it in the chain.
    await memory
      .saveRecord({ ...record, stored: true })
      .catch((error: unknown) => report({ is: 'memory-failed', what: 'stored', error: messageOf(error) }));
  }

  /** A host that lost rounds gets those after `height` and before `next` again, if all are remembered and it takes them. */
  async #backfill(height: number, next: number): Promise<boolean> {
    const { memory, stay, signal, report } = this.#o;
    const missing = (await memory.records().catch(() => [])).filter((r) => {
      const here = stay.follower.at(r.height);
      return r.height > height && r.height < next && here !== null && bytesEqual(r.hash, here.head.hash);
    });
    if (missing.length === 0 || missing.length !== next - height - 1) return false;
    for (const record of missing) {
      report({ is: 'handing-over-again', height: record.height });
      await this.#serve(record);
      if (!(await stay.swarm.handOver(bundleOf(record), signal)).stored) return false;
    }
    return true;
  }
}

const bundleOf = ({ message, opinions }: SignedRecord): Uint8Array =>
  encodeLink({ certificate: message, opinions });
