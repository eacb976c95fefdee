/**
 * The certified chain on the host: a follower that is fed from the store at the start and written to it from then on.
 *
 * Nothing is visible here before it is durable: blobs, certificate and opinions are on disk when the head moves.
 */
import { checkAnchor, type ChainHead, type CheckedCertificate } from '../chain/certificate.ts';
import {
  ChainFollower,
  type FollowerEvents,
  type Keep,
  type Link,
  type Offer,
  type OfferedState,
  OutOfSyncError,
} from '../chain/follower.ts';
import type { Ledger } from '../chain/ledger.ts';
import type { Members } from '../chain/members.ts';
import type { Run } from '../chain/run.ts';
import type { ChainState } from '../chain/state.ts';
import { decodeCheckpoint, encodeCheckpoint, GENESIS_RUN_ID } from '../model/checkpoint.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import type { AcceptedEntry, MessageOf } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { CpuState } from '../sparseloco/cpu-state.ts';
import { SeatedChain } from '../validator/certify.ts';
import { workloadOf } from '../work/workloads.ts';
import type { Workload } from '../work/workload.ts';
import { fault, HostFault } from './faults.ts';
import type { Store } from './store.ts';

/** Fetches certified work that is not on this disk. Rejects when it cannot be had. */
export type FetchWork = (ref: BlobRef, signal: AbortSignal) => Promise<Uint8Array>;

/** A link that is on disk, with the bytes of the work that it accepts, in the body's order. */
export interface StoredWork {
  readonly link: Link;
  readonly work: readonly Uint8Array[];
}

/** Links read at a time while a chain is replayed. */
const PAGE = 256;

export class HostChain {
  readonly run: Run;
  readonly store: Store;
  readonly workload: Workload;
  /** The same chain as a validator's seat on this host extends it. */
  readonly seat: SeatedChain;
  readonly #follower: ChainFollower;
  readonly #state: CpuState;
  #checkpoint: BlobRef & { readonly height: number };
  /** Height of the checkpoint that was read last. */
  #readFrom = 0;
  #fetch: FetchWork | null = null;

  private constructor(run: Run, store: Store, events: FollowerEvents) {
    this.run = run;
    this.store = store;
    this.workload = workloadOf(run);
    this.#state = new CpuState(run.layout, run.manifest.sparseloco);
    this.#follower = new ChainFollower(
      run,
      {
        links: async (from) => store.links(from, PAGE),
        states: () => this.#checkpoints(),
        work: (entry, signal) => this.#work(entry, signal),
      },
      events,
    );
    this.seat = new SeatedChain(this.#follower, this.#state, this.#keep);
    this.#checkpoint = { ...run.manifest.genesis.checkpoint, height: 0 };
  }

  /**
   * Reads the chain back and rebuilds ledger and state: from the newest checkpoint that is whole, then by applying the
   * work certified since. Throws HostFault when the folder does not hold this run's unbroken chain.
   */
  static async open(run: Run, store: Store, events: FollowerEvents = {}): Promise<HostChain> {
    const chain = new HostChain(run, store, events);
    await chain.#readBack();
    return chain;
  }

  get state(): ChainState {
    return this.#follower.state;
  }

  get head(): ChainHead {
    return this.#follower.head;
  }

  get ledger(): Ledger {
    return this.#follower.ledger;
  }

  get members(): Members {
    return this.#follower.members;
  }

  /** The newest link; null at genesis. */
  get last(): Link | null {
    return this.#follower.last;
  }

  /** The newest checkpoint and the height of its state. */
  get checkpoint(): BlobRef & { readonly height: number } {
    return this.#checkpoint;
  }

  /** A copy of the certified state θ. */
  theta(): Promise<Int32Array> {
    return this.#state.theta();
  }

  /** Whether the chain up to the head admits a contributor to `round`. */
  admits(contributor: Uint8Array, round: number): boolean {
    return this.#follower.admits(contributor, round);
  }

  /** The same by the newest checked certificate, whose work may still be on its way here. */
  tipAdmits(contributor: Uint8Array, round: number): boolean {
    return this.#follower.tipAdmits(contributor, round);
  }

  /** Whether a key has a place in the run, by the newest checked certificate. */
  tipKnows(key: Uint8Array): boolean {
    return this.#follower.tipKnows(key);
  }

  /** Takes a certificate that somebody else signed; {@link follow} stores it. */
  offer(
    message: MessageOf<'certificate'>,
    sealed: Uint8Array,
    opinions: readonly Uint8Array[],
  ): Promise<Offer> {
    return this.#follower.offer(message, sealed, opinions);
  }

  /** Whether something that was offered waits to be stored. */
  get behind(): boolean {
    return this.#follower.behind;
  }

  /**
   * Applies and stores what was offered. Never rejects: `stored` is on disk and is the head, and `error` is what ended it
   * before the end: an OutOfSyncError when work does not give the certified root, or what `fetch` or the disk threw.
   */
  async follow(
    fetch: FetchWork,
    signal: AbortSignal,
  ): Promise<{ readonly stored: readonly StoredWork[]; readonly error: unknown }> {
    const stored: StoredWork[] = [];
    this.#fetch = fetch;
    try {
      await this.#follower.applyPending(this.#state, signal, async (link, staged, work) => {
        await this.#keep(link, staged, work);
        stored.push({ link, work });
      });
      return { stored, error: null };
    } catch (error) {
      return { stored, error };
    }
  }

  /** Blobs that a certificate's accepted claims are about. */
  workOf({ body }: Pick<CheckedCertificate, 'body'>): BlobRef[] {
    return body.accepted.flatMap(({ claim }) => this.workload.blobOf(claim) ?? []);
  }

  /** Work of the newest certificates as it is on disk, oldest first; what is damaged, pruned or not readable is left out. */
  async recentWork(rounds: number): Promise<(readonly [hash: Uint8Array, bytes: Uint8Array])[][]> {
    const recent: (readonly [Uint8Array, Uint8Array])[][] = [];
    for (const { certificate } of this.store.links(Math.max(1, this.head.height - rounds + 1), rounds)) {
      const opened = await open(certificate);
      if (!opened.ok || opened.message.kind !== 'certificate') continue;
      const checked = await checkAnchor(opened.message, this.run);
      const work: (readonly [Uint8Array, Uint8Array])[] = [];
      for (const ref of checked.ok ? this.workOf(checked.certificate) : []) {
        // Only a kindness to tabs that are late: a host that cannot read it now starts all the same.
        const bytes = await this.store.readBlob(ref).catch(() => null);
        if (bytes !== null) work.push([ref.hash, bytes]);
      }
      recent.push(work);
    }
    return recent;
  }

  /** Blobs first, then one transaction. */
  readonly #keep: Keep = async ({ certificate, sealed, opinions }, staged, work) => {
    const { store } = this;
    const { height, round, root } = certificate.body;
    const theta = await staged.theta();
    const refs = await Promise.all(work.map((bytes) => store.writeBlob(bytes)));
    const checkpoint = await store.writeBlob(this.#encodeCheckpoint(height, root, theta));
    store.saveRound({ height, round, certificate: sealed, opinions, checkpoint, work: refs });
    this.#checkpoint = { ...checkpoint, height };
  };

  #encodeCheckpoint(height: number, root: Uint8Array, theta: Int32Array): Uint8Array {
    const { manifest, id: runId } = this.run;
    const { fractionBits } = manifest.sparseloco;
    // A state on the CPU is never in shared memory.
    const own = theta as Int32Array<ArrayBuffer>;
    return encodeCheckpoint({ runId, height, root, fractionBits, theta: own }, manifest.model);
  }

  async *#checkpoints(): AsyncGenerator<OfferedState> {
    const { manifest, id } = this.run;
    for (const ref of [...this.store.checkpoints(), { ...manifest.genesis.checkpoint, height: 0 }]) {
      const bytes = await this.store.readBlob(ref);
      if (bytes === null) continue; // damaged
      const { height, runId, theta } = decodeCheckpoint(bytes, manifest.model);
      // The bytes are what was written; what was written may be another run's, put here by hand.
      if (height !== ref.height || !bytesEqual(runId, height === 0 ? GENESIS_RUN_ID : id)) continue;
      this.#readFrom = height;
      yield { height, theta };
    }
  }

  async #work(entry: AcceptedEntry, signal: AbortSignal): Promise<Uint8Array> {
    const ref = this.workload.blobOf(entry.claim);
    if (ref === null) throw new Error('an accepted claim names no bytes');
    const known = await this.store.readBlob(ref);
    if (known !== null) return known;
    if (this.#fetch === null) throw new Error(`work ${toHex(ref.hash).slice(0, 12)} is missing or damaged`);
    return this.#fetch(ref, signal);
  }

  async #readBack(): Promise<void> {
    const { store } = this;
    const { signal } = new AbortController();
    await this.#follower.catchUp(signal);
    const { height } = this.#follower.tip;
    if (height < store.height)
      throw fault('chain-broken', {
        dir: store.dir,
        height: height + 1,
        detail: await this.#whyBroken(height + 1),
      });
    try {
      await this.#follower.applyPending(this.#state, signal);
    } catch (cause) {
      if (cause instanceof HostFault) throw cause; // of the disk, not of the chain
      const detail = cause instanceof OutOfSyncError ? `${cause.code}: ${cause.message}` : messageOf(cause);
      throw fault('no-state', { dir: store.dir, detail }, cause);
    }
    const [newest] = height === 0 ? [] : store.links(height, 1);
    if (newest === undefined) return;
    // The rebuilt state gives the same file again.
    if (this.#readFrom < height)
      await store.repairBlob(
        newest.checkpoint,
        this.#encodeCheckpoint(height, this.head.root, await this.theta()),
      );
    this.#checkpoint = { ...newest.checkpoint, height };
  }

  async #whyBroken(height: number): Promise<string> {
    const [link] = this.store.links(height, 1);
    if (link === undefined || link.height !== height) return 'missing';
    const opened = await open(link.certificate);
    if (!opened.ok || opened.message.kind !== 'certificate') return 'unreadable';
    return (await this.#follower.problem(opened.message)) ?? 'unreadable';
  }
}
