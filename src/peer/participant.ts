/**
 * A peer of a run, whatever its role and whatever it runs on: finds the run, claims an identity, joins the swarm, follows the
 * chain, hears the gossip, keeps the time. Roles (contributor, watcher, validator) are given a {@link Stay} and live in it.
 *
 * Failures that waiting or starting over mends are told as troubles and tried again with growing pauses; others end a stay.
 */
import { ChainFollower, type Link, OutOfSyncError } from '../chain/follower.ts';
import type { Run } from '../chain/run.ts';
import { seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { MessageOf } from '../protocol/messages.ts';
import { every, pause } from '../protocol/timer.ts';
import type { RateLimit } from '../swarm/rate-limit.ts';
import type { Workload } from '../work/workload.ts';
import { workloadOf } from '../work/workloads.ts';
import { BlobShelf, type BlobSources } from './blobs.ts';
import { chainPorts } from './chain-ports.ts';
import { fetchRun, OtherRunError, type ServedRun } from './fetch-run.ts';
import type { Host } from './host.ts';
import { watchHost } from './host-watch.ts';
import { Inbox } from './inbox.ts';
import type { ClaimedIdentity, NotKept, PeerSwarm, Platform } from './platform.ts';
import type { Trouble, TroubleCode } from './reasons.ts';
import { RoundBlobs } from './round-blobs.ts';
import { RunClock } from './run-clock.ts';
import { keepTime } from './timekeeping.ts';
import { toTrouble } from './trouble.ts';

/** Sign of life to the swarm. */
const PRESENCE_MS = 4000;
/** Pauses after a failure that waiting may mend. */
export const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 30_000;
export const RETRY_GROWTH = 1.7;
/** What went well for so long is another failure when it fails: its pauses begin anew. */
const WENT_WELL_MS = 5 * 60_000;

/** What a participant shows of itself in a sign of life. */
export type Self = Pick<MessageOf<'presence'>, 'state' | 'adapter' | 'tokensPerSecond'> &
  Partial<Pick<MessageOf<'presence'>, 'links'>>;

export interface ParticipantEvents {
  /** The run is known. */
  run?(served: ServedRun): void;
  /** Something went wrong; one that is `recovering` is being tried again. */
  trouble(trouble: Trouble): void;
  /** What was tried again went well, or is no longer in the way. */
  cleared(...codes: TroubleCode[]): void;
  /** What is the matter with the tie to the host while a stay goes on; null: nothing any more. */
  hostTie?(trouble: Trouble | null): void;
  head?(link: Link): void;
  noCertificate?(message: MessageOf<'no-certificate'>): void;
  opinion?(opinion: MessageOf<'opinion'>): void;
}

export interface ParticipantOptions {
  readonly platform: Platform;
  readonly host: Host;
  /** What the volunteer allows of the line. */
  readonly limit?: RateLimit;
  readonly events: ParticipantEvents;
  /** Spreads the pauses of many peers that lost the same host; uniform in [0, 1). */
  readonly random?: () => number;
}

/** One stay in the swarm: everything that a role needs, until it is left. */
export interface Stay {
  readonly served: ServedRun;
  readonly run: Run;
  readonly workload: Workload;
  readonly identity: Identity;
  /** Why the identity ends with this process; null: it is kept. */
  readonly notKept: NotKept | null;
  readonly swarm: PeerSwarm;
  readonly follower: ChainFollower;
  readonly inbox: Inbox;
  readonly blobs: RoundBlobs;
  readonly sources: BlobSources;
  readonly clock: RunClock;
  /** Hears of audits that validators ask for. */
  onAudit: (message: MessageOf<'audit'>) => void;
}

export interface StayOptions {
  /** Whose stay it is; default: an identity of the platform that nobody else on this machine uses. */
  readonly identity?: () => Promise<ClaimedIdentity>;
  /** Shown in signs of life; null: the role sends its own. */
  readonly self: { readonly role: 'contributor' | 'watcher'; show(): Self } | null;
}

export class Participant {
  readonly clock: RunClock;
  readonly #o: ParticipantOptions;
  #served: Promise<ServedRun> | null = null;

  constructor(options: ParticipantOptions) {
    this.#o = options;
    this.clock = new RunClock(options.platform.clock);
  }

  /** Asks the host for the run and its time; goes on trying while the host is away. Once; rejects for good troubles. */
  describe(signal: AbortSignal): Promise<ServedRun> {
    this.#served ??= this.retrying(signal, async () => {
      const { host, events } = this.#o;
      const served = await fetchRun(host, signal);
      await this.clock.measure(host);
      events.run?.(served);
      events.cleared('host-unreachable', 'bad-manifest', 'protocol-version');
      return served;
    }).catch((error: unknown) => {
      this.#served = null;
      throw error;
    });
    return this.#served;
  }

  /** What the host serves now, which must be the run that was described. Tries again as {@link describe} does. */
  async #servedNow(signal: AbortSignal): Promise<ServedRun> {
    const known = this.#served !== null;
    const first = await this.describe(signal);
    if (!known) return first;
    return this.retrying(signal, async () => {
      const served = await fetchRun(this.#o.host, signal);
      if (served.run.name !== first.run.name) throw new OtherRunError(first.run.name, served.run.name);
      return served;
    });
  }

  /**
   * One stay in the swarm, from connecting to leaving; nothing of it is left when it settles. `live` must end when its signal
   * aborts. Rejects as `live` does, with what waiting does not mend, and with what the host has become (host-watch.ts).
   */
  async stay(
    { identity = () => this.#o.platform.claimIdentity(), self }: StayOptions,
    live: (stay: Stay, signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { platform, limit, host, events } = this.#o;
    const served = await this.#servedNow(signal);
    const { run, answer } = served;
    const claimed = await identity();
    let swarm: PeerSwarm | null = null;
    let leave = (): void => {};
    let unwatch = (): void => {};
    const ending = new AbortController();
    const staying = AbortSignal.any([signal, ending.signal]);
    try {
      if (signal.aborted) return;
      swarm = await platform.joinSwarm({
        relays: answer.relays,
        topic: run.name,
        iceServers: answer.iceServers,
        onIceSkipped: (skipped) =>
          this.#o.events.trouble({ code: 'ice-skipped', recovering: false, skipped }),
        ...(limit === undefined ? {} : { limit }),
      });
      if (signal.aborted) return;
      const stay = this.#open(served, claimed, swarm, staying);
      leave = this.#keepAlive(stay, self);
      unwatch = watchHost({
        served,
        host,
        swarm,
        clock: platform.clock,
        follower: self === null ? null : stay.follower,
        tell: (trouble) => events.hostTie?.(trouble),
        end: (reason) => ending.abort(reason),
      });
      await live(stay, staying).catch((error: unknown) => {
        if (!ending.signal.aborted) throw error;
      });
      if (!signal.aborted) ending.signal.throwIfAborted();
    } finally {
      unwatch();
      leave();
      await swarm?.stop().catch(() => {});
      claimed.release();
    }
  }

  /**
   * Does `work` again, with growing pauses, as long as its failures are of the kind that waiting or starting over mends
   * (host away, device lost, out of sync). Others are told and thrown; those for which `isFinal` holds are
   * only thrown. Rejects with the signal's reason when it aborts.
   */
  async retrying<T>(
    signal: AbortSignal,
    work: () => Promise<T>,
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    const { events, platform, random = Math.random } = this.#o;
    let wait = RETRY_MIN_MS;
    for (;;) {
      const began = platform.clock.now();
      try {
        const result = await work();
        events.cleared('host-unreachable');
        this.gotOn();
        return result;
      } catch (error) {
        signal.throwIfAborted();
        if (isFinal(error)) throw error;
        const trouble = toTrouble(error);
        events.trouble(trouble);
        if (!trouble.recovering) throw error;
        // A checkpoint puts it right at once.
        if (error instanceof OutOfSyncError || platform.clock.now() - began > WENT_WELL_MS)
          wait = RETRY_MIN_MS;
      }
      await pause(platform.clock, wait * (0.7 + 0.6 * random()), signal);
      signal.throwIfAborted();
      wait = Math.min(RETRY_MAX_MS, wait * RETRY_GROWTH);
    }
  }

  /** A role is at its work: what kept it from that is no longer in the way. That the host is away may still be so. */
  gotOn(): void {
    this.#o.events.cleared(
      'blob-missing',
      'corrupt-data',
      'out-of-sync',
      'host-changed',
      'device-lost',
      'gpu-unavailable',
      'gpu-withdrawn',
      'internal',
    );
  }

  #open(
    served: ServedRun,
    { identity, notKept }: ClaimedIdentity,
    swarm: PeerSwarm,
    signal: AbortSignal,
  ): Stay {
    const { host, platform, events } = this.#o;
    const { run } = served;
    const { clock } = this;
    const workload = workloadOf(run);
    const sources: BlobSources = {
      host,
      swarm,
      cache: platform.cache,
      shelf: new BlobShelf(swarm),
      onCorrupt: (source, hash) => events.trouble({ code: 'corrupt-data', recovering: true, source, hash }),
    };
    const blobs = new RoundBlobs(swarm);
    let catching: Promise<unknown> | null = null;
    const follower = new ChainFollower(run, chainPorts({ run, workload, sources, blobs }), {
      head: (link) => events.head?.(link),
      gap: () => {
        // One at a time, however often a certificate is repeated that does not follow.
        catching ??= follower
          .catchUp(signal)
          .catch(() => {})
          .finally(() => (catching = null));
      },
    });
    const inbox = new Inbox({
      run,
      clock,
      workload,
      chain: {
        get head() {
          return follower.tip;
        },
        offer: (...link) => follower.offer(...link),
      },
      blobs,
      ownKey: identity.publicKey,
      admits: (contributor, round) => follower.tipAdmits(contributor, round),
      knows: (key) => follower.tipKnows(key),
      onAudit: (message) => stay.onAudit(message),
      onNoCertificate: (message) => events.noCertificate?.(message),
      onOpinion: (opinion) => events.opinion?.(opinion),
      onVersion: () =>
        events.trouble({
          code: 'protocol-version',
          recovering: false,
          ours: run.manifest.protocol,
          theirs: null,
        }),
    });
    swarm.onMessage((bytes, from) => inbox.receive(bytes, from));
    const stay: Stay = {
      served,
      run,
      workload,
      identity,
      notKept,
      swarm,
      follower,
      inbox,
      blobs,
      sources,
      clock,
      onAudit: () => {},
    };
    return stay;
  }

  /** Clock samples and signs of life, until the returned function is called. */
  #keepAlive({ run, identity, swarm, follower }: Stay, self: StayOptions['self']): () => void {
    const { host, platform, events } = this.#o;
    const stops = [
      keepTime({
        run,
        follower,
        clock: this.clock,
        machine: platform.clock,
        host,
        trouble: (trouble) => events.trouble(trouble),
        cleared: (...codes) => events.cleared(...codes),
      }),
    ];
    if (self !== null)
      stops.push(
        every(platform.clock, PRESENCE_MS, () => {
          const presence: MessageOf<'presence'> = {
            kind: 'presence',
            run: run.id,
            round: run.rounds.round(this.clock.now()),
            peer: swarm.peerId,
            role: self.role,
            root: follower.head.root,
            height: follower.head.height,
            ...self.show(),
          };
          void seal(identity, presence)
            .then((bytes) => swarm.publish(bytes))
            .catch(() => {});
        }),
      );
    return () => {
      for (const stop of stops) stop();
    };
  }
}
