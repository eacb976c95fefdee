/**
 * The organizer's host in memory: the run it describes, its chain with the state and the links on "disk", its node in the
 * swarm, and what can go wrong with it. A validator's seat at the host appends to its chain; a seat elsewhere hands links over.
 */
import { bodyHash } from '../chain/certificate.ts';
import {
  ChainFollower,
  type ChainPorts,
  type Keep,
  type Link,
  type SealedLink,
  type StateHolder,
} from '../chain/follower.ts';
import { decodeLink } from '../chain/links.ts';
import type { Run } from '../chain/run.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../model/checkpoint.ts';
import type { Host, HeadAnswer } from '../peer/host.ts';
import { HostError } from '../peer/host.ts';
import { bytesEqual, sha256Sync, toHex } from '../protocol/bytes.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { open } from '../protocol/envelope.ts';
import { PROTOCOL_VERSION } from '../protocol/limits.ts';
import { type Clock, pause } from '../protocol/timer.ts';
import { CpuState } from '../sparseloco/cpu-state.ts';
import type { HandoverAnswer } from '../swarm/handover.ts';
import type { Swarm } from '../swarm/types.ts';
import { workloadOf } from '../work/workloads.ts';

export interface SimHostOptions {
  readonly run: Run;
  /** Genesis θ, `[elements]`. */
  readonly theta: Int32Array<ArrayBuffer>;
  /** The manifest's blobs, by hex hash. */
  readonly blobs: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  /** True time: the swarm's. */
  readonly clock: Clock;
  /** The host's node in the swarm. */
  readonly swarm: Swarm;
  /** Certificates between two checkpoints. Default 1. */
  readonly checkpointEvery?: number;
  /** What holds its state. Default: a {@link CpuState}. */
  readonly holder?: () => SimState;
}

export type SimState = StateHolder & { theta(): Promise<Int32Array> };

interface Kept {
  readonly link: SealedLink;
  /** Of the certificate's body. */
  readonly hash: Uint8Array;
  /** By height; null between two checkpoints. */
  readonly checkpoint: Uint8Array<ArrayBuffer> | null;
}

const URL = 'memory:';

export class SimHost {
  readonly swarm: Swarm;
  /** Names and addresses that it tells, as it tells them. */
  validators: readonly { readonly key: string; readonly peer: string }[] = [];
  profiles: readonly Uint8Array[] = [];
  /** Where it says that rounds are judged. */
  validator: HeadAnswer['validator'] = 'host';
  /** What it says of the run beside the manifest. */
  protocol: number = PROTOCOL_VERSION;
  /** The signed manifest that it shows; null: the run's. */
  manifest: Uint8Array | null = null;
  /** Addresses of its node that it names. */
  relays: readonly string[];
  /** Whether its disk takes no more. */
  diskFull = false;
  /** Whether questions are answered; without, they fail as those to a machine that is down. */
  reachable = true;
  /** Time until an answer, ms. */
  delayMs = 0;
  /** Questions asked so far, by kind. */
  readonly asked = new Map<string, number>();
  readonly #o: SimHostOptions;
  readonly #blobs: Map<string, Uint8Array<ArrayBuffer>>;
  /** Checkpoint at genesis. */
  readonly #genesis: Uint8Array<ArrayBuffer>;
  /** What is on disk, oldest first; the first has height 1. */
  #kept: Kept[] = [];
  #handovers: Promise<unknown> = Promise.resolve();
  #follower: ChainFollower;
  #state: SimState;

  private constructor(options: SimHostOptions) {
    const { run, swarm, theta } = options;
    this.#o = options;
    this.relays = [`${URL}//${swarm.peerId}`];
    this.swarm = swarm;
    this.#blobs = new Map(options.blobs);
    this.#genesis = this.#checkpoint(0, run.manifest.genesis.root, theta);
    this.#state = this.#newState();
    this.#follower = new ChainFollower(run, this.#ports());
  }

  static async open(options: SimHostOptions): Promise<SimHost> {
    const host = new SimHost(options);
    await host.#restart();
    return host;
  }

  /** Its chain and its state: what a seat at the host certifies on. */
  get follower(): ChainFollower {
    return this.#follower;
  }

  get state(): SimState {
    return this.#state;
  }

  /** Writes a link down: for a chain that is certified here, and for what is handed over. */
  readonly keep: Keep = async (link, staged) => {
    if (this.diskFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    const { height, root } = link.certificate.body;
    const due = height % (this.#o.checkpointEvery ?? 1) === 0;
    const checkpoint = due ? this.#checkpoint(height, root, Int32Array.from(await staged.theta())) : null;
    this.#kept = [
      ...this.#kept.slice(0, height - 1),
      { link: sealedOf(link), hash: link.certificate.head.hash, checkpoint },
    ];
  };

  /** Height of the newest link on disk. */
  get height(): number {
    return this.#kept.length;
  }

  /** Forgets the newest links and starts again, as with a disk from a backup. A seat at the host must then be opened anew. */
  async loseNewest(count: number): Promise<void> {
    this.#kept = this.#kept.slice(0, Math.max(0, this.#kept.length - count));
    await this.#restart();
  }

  /** The bytes of one of the manifest's blobs or of a checkpoint; null where it has none. */
  blob(hash: string): Uint8Array<ArrayBuffer> | null {
    return this.#blobs.get(hash) ?? null;
  }

  /** The host as a machine with this clock asks it. */
  for(machine: Clock): Host {
    return new AskedHost(this, this.#o.run, machine, this.#o.clock);
  }

  /** Takes a link that a validator elsewhere hands over (chain/links.ts). Never rejects. */
  handOver(bytes: Uint8Array, signal: AbortSignal): Promise<HandoverAnswer> {
    if (!this.reachable) return Promise.resolve({ stored: false, retry: true, code: 'not-connected' });
    const answer = this.#handovers.then(() => this.#take(bytes, signal));
    this.#handovers = answer;
    return answer;
  }

  async #take(bytes: Uint8Array, signal: AbortSignal): Promise<HandoverAnswer> {
    const link = decodeLink(bytes);
    const opened = link === null ? null : await open(link.certificate);
    if (link === null || opened === null || !opened.ok || opened.message.kind !== 'certificate')
      return { stored: false, retry: false, code: 'no-link' };
    const offer = await this.follower.offer(opened.message, link.certificate, link.opinions);
    if (offer === 'gap') return { stored: false, retry: false, code: 'gap', height: this.height };
    if (offer === 'bad') return { stored: false, retry: false, code: 'bad-certificate' };
    try {
      await this.follower.applyPending(this.state, signal, this.keep);
      const ours = bodyHash(opened.message.body);
      const here = this.#kept.some(({ hash }) => bytesEqual(hash, ours));
      return here ? { stored: true } : { stored: false, retry: false, code: 'fork' };
    } catch {
      return { stored: false, retry: true, code: 'work-missing' };
    }
  }

  /** For {@link AskedHost}, as is all below. */
  head(): HeadAnswer {
    const height = this.#kept.findLastIndex(({ checkpoint }) => checkpoint !== null) + 1;
    const bytes = this.#kept[height - 1]?.checkpoint ?? this.#genesis;
    const hash = toHex(sha256Sync(bytes));
    return {
      height: this.height,
      validator: this.validator,
      checkpoint: { hash, size: bytes.byteLength, height },
    };
  }

  links(from: number): SealedLink[] {
    return this.#kept.slice(Math.max(0, from - 1)).map(({ link }) => link);
  }

  /** Reads its chain from disk. */
  async #restart(): Promise<void> {
    const { run } = this.#o;
    const { signal } = new AbortController();
    this.#state = this.#newState();
    this.#follower = new ChainFollower(run, this.#ports());
    await this.#follower.catchUp(signal);
    await this.#follower.applyPending(this.#state, signal);
  }

  #newState(): SimState {
    const { run, holder } = this.#o;
    return holder?.() ?? new CpuState(run.layout, run.manifest.sparseloco);
  }

  #ports(): ChainPorts {
    const { run, swarm } = this.#o;
    const workload = workloadOf(run);
    const newest = (): HeadAnswer['checkpoint'] => this.head().checkpoint;
    const read = (hash: string) => this.blob(hash);
    return {
      links: async (from) => this.links(from),
      async *states() {
        const checkpoint = newest();
        const bytes = read(checkpoint.hash);
        if (bytes === null) throw new Error('the host lost its checkpoint');
        yield { height: checkpoint.height, theta: decodeCheckpoint(bytes, run.manifest.model).theta };
      },
      work: ({ claim }, signal) => {
        const ref = workload.blobOf(claim);
        if (ref === null) throw new Error('a certified claim cannot be read');
        return swarm.fetch(ref.hash, { size: ref.size, signal });
      },
    };
  }

  #checkpoint(height: number, root: Uint8Array, theta: Int32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { id: runId, manifest } = this.#o.run;
    const { fractionBits } = manifest.sparseloco;
    const bytes = encodeCheckpoint({ runId, height, root, theta, fractionBits }, manifest.model);
    this.#blobs.set(toHex(sha256Sync(bytes)), bytes);
    return bytes;
  }
}

/** The host as one machine asks it. */
class AskedHost implements Host {
  bytesIn = 0;
  readonly #host: SimHost;
  readonly #run: Run;
  /** The asker's clock, and the true one. */
  readonly #machine: Clock;
  readonly #clock: Clock;

  constructor(host: SimHost, run: Run, machine: Clock, clock: Clock) {
    this.#host = host;
    this.#run = run;
    this.#machine = machine;
    this.#clock = clock;
  }

  run(signal?: AbortSignal) {
    return this.#ask('run', signal, () => ({
      protocol: this.#host.protocol,
      manifest: this.#host.manifest ?? this.#run.manifestBytes,
      relays: this.#host.relays,
      iceServers: [],
    }));
  }

  head(signal?: AbortSignal) {
    return this.#ask('head', signal, () => this.#host.head());
  }

  links(from: number, signal?: AbortSignal) {
    return this.#ask('links', signal, () => this.#host.links(from));
  }

  validators(signal?: AbortSignal) {
    return this.#ask('validators', signal, () => this.#host.validators);
  }

  profiles(signal?: AbortSignal) {
    return this.#ask('profiles', signal, () => this.#host.profiles);
  }

  async time() {
    const t0 = this.#machine.now();
    const serverTime = await this.#ask('time', undefined, () => this.#clock.now());
    return { t0, serverTime, t1: this.#machine.now() };
  }

  async blob(ref: BlobRef, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const hash = toHex(ref.hash);
    const bytes = await this.#ask('blob', signal, () => this.#host.blob(hash));
    if (bytes === null) throw new HostError('status', false, { url: `${URL}${hash}`, status: 404 });
    this.bytesIn += bytes.byteLength;
    return bytes.slice();
  }

  /** Rejects with HostError, or with the signal's reason. */
  async #ask<T>(kind: string, signal: AbortSignal | undefined, answer: () => T): Promise<T> {
    signal?.throwIfAborted();
    const { asked, delayMs } = this.#host;
    asked.set(kind, (asked.get(kind) ?? 0) + 1);
    if (delayMs > 0) await pause(this.#clock, delayMs, signal);
    signal?.throwIfAborted();
    if (!this.#host.reachable) throw new HostError('unreachable', true, { url: `${URL}${kind}` });
    return answer();
  }
}

const sealedOf = ({ sealed, opinions }: Link): SealedLink => ({ certificate: sealed, opinions });
