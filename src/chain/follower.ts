/**
 * Follows a run's chain of certificates: takes each from gossip or from a source, checks it, applies exactly the certified
 * work to whatever holds the state, compares the state root, and only then moves the head.
 *
 * The same class in a host, a volunteer's tab, a validator's tab, a Node contributor and the verify page. What differs is
 * given from outside: where certificates and bytes come from (ports), what holds the state (a GPU's trainer, a replica on
 * the CPU, or nothing), and where a link is written before it counts (`keep`). Nobody else advances head, ledger or members.
 */
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { open } from '../protocol/envelope.ts';
import type { AcceptedEntry, MessageOf } from '../protocol/messages.ts';
import type { ChainHead, CheckedCertificate } from './certificate.ts';
import type { Ledger } from './ledger.ts';
import { foldMembers, isMember, type Members } from './members.ts';
import type { Run } from './run.ts';
import { admits, advance, type ChainState, checkNext, genesisState, knows } from './state.ts';

type Certificate = MessageOf<'certificate'>;

/** A certificate as it travels and is stored: sealed, with the sealed opinions beside it. */
export interface SealedLink {
  readonly certificate: Uint8Array;
  readonly opinions: readonly Uint8Array[];
}

/** A certified state that somebody offers; its root is computed and compared before it is used. */
export interface OfferedState {
  readonly height: number;
  /** θ in the run's fixed-point units, `[elements]`. */
  readonly theta: Int32Array;
}

export interface ChainPorts {
  /** Links of heights `from`, `from` + 1, … oldest first; fewer than exist will do, none means the end. */
  links(from: number, signal: AbortSignal): Promise<readonly SealedLink[]>;
  /** Certified states to start from, best first. Absent where no state is held. */
  states?(signal: AbortSignal): AsyncIterable<OfferedState>;
  /** The bytes that an accepted claim is about. Absent where no state is held. */
  work?(entry: AcceptedEntry, signal: AbortSignal): Promise<Uint8Array>;
}

export interface FollowerEvents {
  /** A certificate became the head. */
  head?(link: Link): void;
  /** A genuine certificate that does not follow ours: some are missing. */
  gap?(): void;
  /** Two certificates of one height, each with a quorum: more than 1/3 of the weight signed twice. */
  conflict?(detail: string): void;
}

/** A checked certificate with the bytes it came in. */
export interface Link {
  readonly certificate: CheckedCertificate;
  readonly sealed: Uint8Array;
  readonly opinions: readonly Uint8Array[];
}

/** Certified work, as a state holder applies it. */
export interface WeightedBytes {
  readonly bytes: Uint8Array;
  readonly weight: number;
}

/** Work applied, but not for good: an atomic holder goes back to what it was unless it is told to `commit`. */
export interface Staged {
  readonly root: Uint8Array;
  /** θ after it. */
  theta(): Promise<Int32Array>;
  commit(): void;
}

/** What holds the state: a trainer's GPU, or a replica on the CPU. */
export interface StateHolder {
  /** Whether {@link Staged} work that is not committed leaves nothing behind. */
  readonly atomic: boolean;
  /** Takes over a state; resolves to its root. */
  load(theta: Int32Array): Promise<Uint8Array>;
  stage(work: readonly WeightedBytes[]): Promise<Staged>;
}

/** Writes a link with its state and bytes of work; the head moves when it resolves, and stays when it rejects. */
export type Keep = (link: Link, staged: Staged, work: readonly Uint8Array[]) => Promise<void>;

/** Our state is not what the validators certified, or no certified state could be had. */
export class OutOfSyncError extends Error {
  static override readonly name = 'OutOfSyncError';
  override readonly name = 'OutOfSyncError';
  readonly code: 'root-differs' | 'no-state';
  readonly height: number;

  constructor(code: OutOfSyncError['code'], height: number, detail: string) {
    super(detail);
    this.code = code;
    this.height = height;
  }
}

/** With more certificates behind than this, a checkpoint is less to download than the work since. */
const MAX_REPLAY = 8;
/** Links kept behind the head, and waiting before any state is loaded: a checkpoint is never much older. */
const MAX_RECENT = 64;

export type Offer = 'new' | 'known' | 'gap' | 'bad';

export class ChainFollower {
  readonly run: Run;
  readonly #ports: ChainPorts;
  readonly #events: FollowerEvents;
  #state: ChainState;
  #last: Link | null = null;
  /** The newest links up to the head, oldest first. */
  #recent: Link[] = [];
  /** Links that follow the head, checked, oldest first, not yet applied; and who is a member after the last of them. */
  #pending: Link[] = [];
  #tipMembers: Members;
  #waiters: (() => void)[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  /** Height of the state that the holder has; null until one was loaded. */
  #loaded: number | null = null;

  constructor(run: Run, ports: ChainPorts, events: FollowerEvents = {}) {
    this.run = run;
    this.#ports = ports;
    this.#events = events;
    this.#state = genesisState(run);
    this.#tipMembers = this.#state.members;
  }

  /** Of the newest certificate that was applied (or, where no state is held, checked). */
  get state(): ChainState {
    return this.#state;
  }

  get head(): ChainHead {
    return this.#state.head;
  }

  get ledger(): Ledger {
    return this.#state.ledger;
  }

  get members(): Members {
    return this.#state.members;
  }

  /** The link that made the head; null at genesis. */
  get last(): Link | null {
    return this.#last;
  }

  /** The end of the checked chain, applied or not. */
  get tip(): ChainHead {
    return this.#pending.at(-1)?.certificate.head ?? this.head;
  }

  /** Why a certificate is not the next one; null when it is. */
  async problem(message: Certificate): Promise<string | null> {
    const checked = await checkNext(message, this.run, { head: this.tip, members: this.#tipMembers });
    return checked.ok ? null : `${checked.reason}: ${checked.detail}`;
  }

  /** Whether a checked certificate waits to be applied. */
  get behind(): boolean {
    return this.#pending.length > 0;
  }

  /** Whether the chain up to the head admits a contributor to `round`. */
  admits(contributor: Uint8Array, round: number): boolean {
    return admits(this.run, this.#state, contributor, round);
  }

  /**
   * Whether the chain up to the tip admits a contributor to `round`. Applying a certificate can take seconds; whom it admits is
   * known as soon as it is checked, and whoever is heard meanwhile must not be taken for a stranger.
   */
  tipAdmits(contributor: Uint8Array, round: number): boolean {
    return isMember(this.#tipMembers, contributor, round, this.run.manifest.admission);
  }

  /** Whether a key has a place in the run, by the chain up to the tip. */
  tipKnows(key: Uint8Array): boolean {
    return knows(this.run, { members: this.#tipMembers, ledger: this.ledger }, key);
  }

  /** What one of the newest certificates says of a contributor's round; null when none of them is of that round. */
  recent(round: number): CheckedCertificate | null {
    return this.#recent.find(({ certificate }) => certificate.body.round === round)?.certificate ?? null;
  }

  /** The newest certificates by height; null beyond those that are kept. */
  at(height: number): CheckedCertificate | null {
    return this.#recent.find(({ certificate }) => certificate.body.height === height)?.certificate ?? null;
  }

  /** Takes a certificate. `gap`: it is genuine as far as can be seen, but some before it are missing: {@link catchUp}. */
  offer(message: Certificate, sealed: Uint8Array, opinions: readonly Uint8Array[] = []): Promise<Offer> {
    // One at a time: checking waits for signatures, and two copies must not both find the chain without them.
    const outcome = this.#queue.then(() => this.#offer(message, sealed, opinions));
    this.#queue = outcome.catch(() => {});
    return outcome;
  }

  async #offer(message: Certificate, sealed: Uint8Array, opinions: readonly Uint8Array[]): Promise<Offer> {
    const checked = await checkNext(message, this.run, { head: this.tip, members: this.#tipMembers });
    if (checked.ok) {
      this.#push({ certificate: checked.certificate, sealed, opinions });
      return 'new';
    }
    if (checked.reason === 'fork') this.#events.conflict?.(checked.detail);
    if (checked.reason === 'old') return 'known';
    if (checked.reason !== 'gap') return 'bad';
    this.#events.gap?.();
    return 'gap';
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

  /**
   * Asks the source for the certificates after the tip, up to height `to`. Rejects as the source does. What cannot be
   * opened or does not fit is passed over, and ends it when nothing else came.
   */
  async catchUp(signal: AbortSignal, to = Number.POSITIVE_INFINITY): Promise<void> {
    while (this.tip.height < to) {
      let progressed = false;
      for (const { certificate, opinions } of await this.#ports.links(this.tip.height + 1, signal)) {
        if (this.tip.height >= to) break;
        const opened = await open(certificate);
        if (!opened.ok || opened.message.kind !== 'certificate') continue;
        if ((await this.offer(opened.message, certificate, opinions)) === 'new') progressed = true;
      }
      if (!progressed) return;
    }
  }

  /** Follows without a state: everything checked counts as seen. */
  followOnly(): void {
    while (this.#pending.length > 0) this.#advance(this.#pending.shift() as Link);
  }

  /**
   * Brings the holder to the tip: from a checkpoint when it has nothing or is far behind, else by applying what waits.
   * Throws {@link OutOfSyncError} when a root differs. A holder that is not atomic then starts from a checkpoint at the
   * next call; an atomic one keeps its state, and the certificate is dropped.
   */
  async applyPending(holder: StateHolder, signal: AbortSignal, keep?: Keep): Promise<void> {
    if (this.#loaded === null) await this.#load(holder, signal);
    else if (keep === undefined && this.#pending.length > MAX_REPLAY)
      await this.#load(holder, signal).catch((error: unknown) => {
        // Where nobody offers one, the work since then does it too.
        if (!(error instanceof OutOfSyncError) || this.#loaded === null) throw error;
      });
    while (this.#pending.length > 0) {
      const link = this.#pending[0];
      const work = await this.#workOf(link, signal);
      signal.throwIfAborted();
      const staged = await this.#stage(holder, link, work);
      await keep?.(link, staged, work);
      staged.commit();
      // Another call may have advanced while this one waited; then the link is no longer first.
      if (this.#pending[0] !== link) continue;
      this.#pending.shift();
      this.#advance(link);
      this.#loaded = link.certificate.body.height;
    }
  }

  /**
   * Takes a link that was made here and applied to `staged`: has it kept, then moves the head. Throws before anything is
   * kept: {@link OutOfSyncError} when the link says another root than `staged` has, RangeError when it does not follow.
   */
  async append(link: Link, staged: Staged, work: readonly Uint8Array[], keep: Keep): Promise<void> {
    if (!bytesEqual(staged.root, link.certificate.body.root)) throw rootDiffers(link, staged.root);
    advance(this.run, this.#state, link.certificate);
    await keep(link, staged, work);
    staged.commit();
    this.#advance(link);
    this.#loaded = link.certificate.body.height;
  }

  /** Forgets what the holder has (a new GPU device): the next {@link applyPending} loads a checkpoint. */
  forgetState(): void {
    this.#loaded = null;
  }

  async #workOf({ certificate }: Link, signal: AbortSignal): Promise<Uint8Array[]> {
    const ports = this.#ports;
    if (ports.work === undefined) throw new Error('this follower was made without a source of work');
    const fetched: Promise<Uint8Array>[] = [];
    for (const entry of certificate.body.accepted) fetched.push(ports.work(entry, signal));
    return Promise.all(fetched);
  }

  async #stage(holder: StateHolder, link: Link, work: readonly Uint8Array[]): Promise<Staged> {
    const { body } = link.certificate;
    const staged = await holder.stage(body.accepted.map(({ weight }, i) => ({ bytes: work[i], weight })));
    if (bytesEqual(staged.root, body.root)) return staged;
    if (holder.atomic) {
      this.#pending = [];
      this.#tipMembers = this.members;
    } else this.#loaded = null;
    throw rootDiffers(link, staged.root);
  }

  async #load(holder: StateHolder, signal: AbortSignal): Promise<void> {
    const reasons: string[] = [];
    for await (const { height, theta } of this.#ports.states?.(signal) ?? []) {
      await this.catchUp(signal);
      // The offer's claim is worth nothing: its root is computed and compared with the certificate's (at height 0, with the
      // manifest's).
      const expected = this.#certifiedRoot(height);
      if (expected === null) {
        reasons.push(`no certificate at hand covers a state of height ${height}`);
        continue;
      }
      if (theta.length !== this.run.layout.elements) {
        reasons.push(`the state of height ${height} has ${theta.length} scalars`);
        continue;
      }
      // From here on the holder has something else, and until it is known to be right, nothing.
      this.#loaded = null;
      if (!bytesEqual(await holder.load(theta), expected)) {
        reasons.push(`the state of height ${height} does not have the certified root`);
        continue;
      }
      while (this.#pending.length > 0 && this.#pending[0].certificate.body.height <= height)
        this.#advance(this.#pending.shift() as Link);
      try {
        await this.#replay(holder, height, signal);
      } catch (error) {
        signal.throwIfAborted();
        reasons.push(error instanceof Error ? error.message : String(error));
        continue;
      }
      this.#loaded = this.head.height;
      return;
    }
    throw new OutOfSyncError(
      'no-state',
      this.tip.height,
      reasons.length === 0 ? 'nobody offers a certified state' : reasons.slice(0, 3).join('; '),
    );
  }

  /** A state older than the head: what was certified since is applied again. */
  async #replay(holder: StateHolder, height: number, signal: AbortSignal): Promise<void> {
    for (const link of this.#recent.filter(({ certificate }) => certificate.body.height > height)) {
      const staged = await this.#stage(holder, link, await this.#workOf(link, signal));
      staged.commit();
    }
  }

  /** The certified root at a height; null when no certificate at hand names it. */
  #certifiedRoot(height: number): Uint8Array | null {
    if (height === this.head.height) return this.head.root;
    const oldest = this.#recent[0]?.certificate.body;
    if (oldest !== undefined && height === oldest.height - 1) return oldest.baseRoot;
    const known = [...this.#recent, ...this.#pending];
    return known.find(({ certificate }) => certificate.body.height === height)?.certificate.body.root ?? null;
  }

  #push(link: Link): void {
    this.#pending.push(link);
    this.#tipMembers = foldMembers(this.#tipMembers, link.certificate.body, this.run.manifest.admission);
    // Before any state is loaded nothing needs all of them: a chain of a year would fill the memory.
    if (this.#loaded === null)
      while (this.#pending.length > MAX_RECENT) this.#advance(this.#pending.shift() as Link);
    for (const waiter of this.#waiters.slice()) waiter();
  }

  #advance(link: Link): void {
    this.#state = advance(this.run, this.#state, link.certificate);
    if (this.#pending.length === 0) this.#tipMembers = this.members;
    this.#last = link;
    this.#recent = [...this.#recent.slice(1 - MAX_RECENT), link];
    this.#events.head?.(link);
  }
}

function rootDiffers({ certificate: { body } }: Link, root: Uint8Array): OutOfSyncError {
  return new OutOfSyncError(
    'root-differs',
    body.height,
    `applying height ${body.height} gives the root ${short(root)}, the certificate says ${short(body.root)}`,
  );
}

const short = (root: Uint8Array): string => toHex(root).slice(0, 12);
