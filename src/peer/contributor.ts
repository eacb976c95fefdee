/**
 * A contributor's life: sync, join, then round after round work, commit, reveal, wait for the certificate, apply.
 *
 * The loop owns the performer; everything that arrives from outside (certificates, pause, stop) reaches it through the
 * follower's queue or the abort signal, so that no two things ever use the performer at once.
 */
import type { ChainFollower } from '../chain/follower.ts';
import { type OwnReason, ownReason } from '../chain/own-reason.ts';
import { bytesEqual, toHex } from '../protocol/bytes.ts';
import { seal as sign } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Message, MessageOf } from '../protocol/messages.ts';
import { sealOf } from '../protocol/seal.ts';
import { type Clock, until } from '../protocol/timer.ts';
import type { Swarm } from '../swarm/types.ts';
import type { Done, Performer, Workload } from '../work/workload.ts';
import { admissionIn, Joining } from './joining.ts';
import type { Activity, Waiting } from './reasons.ts';
import type { RoundBlobs } from './round-blobs.ts';

/** Commit and reveal are said again this often until the deadline: gossip promises nothing. */
const REPEAT_MS = 1200;
/** After a round's end, how long a certificate may still be on its way before the round counts as lost. */
const CERTIFICATE_GRACE_MS = 1500;
/** Commit this long before the deadline: gossip takes some tens of milliseconds, a busy machine some hundreds. */
const COMMIT_MARGIN_MS = 400;
/** Before it leaves, a contributor that may be audited waits so long to be drawn, and then shows its work so long. */
const AUDIT_ASK_MS = 2500;
const AUDIT_SHOW_MS = 15_000;
/** With less of the training window left than this share, a newcomer waits for the next round. */
const WORTH_STARTING = 0.15;
/** Rounds without a host and without a word of a validator, after which nothing is computed until one of them is heard of. */
const ALONE_ROUNDS = 3;
const ALONE_LOOK_MS = 2000;
/** Longest wait between two looks at the clock, which may be put right meanwhile. */
const CLOCK_LOOK_MS = 10_000;
/** Nothing that a contributor waits for is so many rounds away. */
const FAR_ROUNDS = 2.5;
/** Uncertified rounds remembered. */
const KEEP_EMPTY = 8;

type EmptyRound = Pick<MessageOf<'no-certificate'>, 'refused' | 'passedOver' | 'failure'>;

/** A round's own work that is not certified. */
export interface OwnRound {
  readonly round: number;
  /** The claim's blob. */
  readonly hash: string;
  readonly bytes: number;
}

export interface ContributorEvents {
  /** What it does now, and why when it waits. */
  activity(activity: Activity, waiting: Waiting | null): void;
  /** The round ended without our work in a certificate: refused, or (null) nothing was heard of it at all. */
  lost(own: OwnRound, reason: OwnReason | null): void;
}

export interface ContributorOptions {
  readonly identity: Identity;
  readonly swarm: Swarm;
  readonly workload: Workload;
  readonly performer: Performer;
  readonly follower: ChainFollower;
  readonly blobs: RoundBlobs;
  readonly clock: Clock;
  readonly events: ContributorEvents;
}

export class Contributor {
  readonly #o: ContributorOptions;
  #lastRound = -1;
  /** What validators said of rounds that have no certificate. */
  readonly #empty = new Map<number, EmptyRound>();
  /** Work for admission, until there is no more need of it. */
  #joining: Joining | null = null;
  #nudge: () => void = () => {};
  #last = false;
  /** When the host was last there or a validator last heard of, swarm time; and the chain's height then. */
  #companyAt = 0;
  #seenHeight = 0;
  #prepared = false;
  /** Parts served for the last audit. */
  #shown: readonly Uint8Array[] = [];
  #shownRound = -1;
  /** The last round, if an audit of it may be asked for: accepted, or waiting for an audit and so first in line. */
  #drawable: number | null = null;
  /** Hash of the last submission while it counts as not applied, and its round. */
  #unapplied: OwnRound | null = null;

  constructor(options: ContributorOptions) {
    this.#o = options;
  }

  /** A validator says that a round has no certificate. */
  noCertificate({ round, ...said }: EmptyRound & Pick<MessageOf<'no-certificate'>, 'round'>): void {
    this.#empty.set(round, said);
    this.#companyAt = this.#o.clock.now();
    for (const old of this.#empty.keys()) if (old < round - KEEP_EMPTY) this.#empty.delete(old);
    this.#nudge();
  }

  /** A validator asks to see what a claim rests on: shows it, if it is that of the last finished round. */
  async audit({ round, contributors }: Pick<MessageOf<'audit'>, 'round' | 'contributors'>): Promise<void> {
    const { performer, swarm, follower, identity } = this.#o;
    if (!contributors.some((key) => bytesEqual(key, identity.publicKey))) return;
    const shown = await performer.answer(round);
    if (shown === null) return;
    for (const hash of this.#shown) swarm.forget(hash);
    this.#shown = shown.parts.map(([hash]) => hash);
    for (const [hash, part] of shown.parts) swarm.serve(hash, part);
    const { id: run } = follower.run;
    const { answer } = shown;
    await swarm.publish(await sign(identity, { kind: 'answer', run, round, answer, peer: swarm.peerId }));
    this.#shownRound = round;
    this.#nudge();
  }

  /** Whether the round in hand is the last: {@link run} returns once it is handed in and judged. */
  setLast(last: boolean): void {
    this.#last = last;
    this.#nudge();
  }

  /**
   * Runs until `signal` aborts or the last round is settled. Rejects as the performer does (a lost device), as the sources
   * do while syncing, and with OutOfSyncError.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { follower, performer, clock, identity } = this.#o;
    const { rounds, manifest } = follower.run;
    const { trainMs } = manifest.schedule;
    this.#say('syncing', { why: 'model' });
    await follower.applyPending(performer, signal);
    this.#companyAt = clock.now();
    while (!signal.aborted && !this.#last) {
      if (this.#alone()) {
        await this.#waitForCompany(signal);
        continue;
      }
      const round = this.#nextRound();
      if (await this.#waitForClock(round, signal)) continue;
      if (!follower.admits(identity.publicKey, round)) {
        await this.#join(signal);
        continue;
      }
      this.#joining?.stop();
      this.#joining = null;
      await this.#settlePrevious(round, signal);
      if (signal.aborted) return;
      if (follower.behind) {
        this.#say('applying');
        await follower.applyPending(performer, signal);
      }
      if (clock.now() > rounds.start(round) + trainMs * (1 - WORTH_STARTING)) {
        this.#lastRound = round;
        continue;
      }
      await this.#round(round, signal);
    }
    if (this.#last) await this.#linger(signal);
  }

  /** Whether whatever is computed now would be for nobody. */
  #alone(): boolean {
    const { follower, swarm, clock } = this.#o;
    const { height } = follower.tip;
    if (swarm.hostState === 'connected' || height !== this.#seenHeight) this.#companyAt = clock.now();
    this.#seenHeight = height;
    return clock.now() > this.#companyAt + ALONE_ROUNDS * follower.run.manifest.schedule.roundMs;
  }

  async #waitForCompany(signal: AbortSignal): Promise<void> {
    const { clock, performer, follower } = this.#o;
    this.#say('waiting', { why: 'alone' });
    while (!signal.aborted && !this.#last && this.#alone())
      await this.#waitFor(() => this.#last || follower.behind, clock.now() + ALONE_LOOK_MS, signal);
    if (!signal.aborted && follower.behind) await follower.applyPending(performer, signal);
  }

  /** The round to work for next: this one while its training window is worth starting, else the next. */
  #nextRound(): number {
    const { clock, follower } = this.#o;
    const { rounds, manifest } = follower.run;
    const now = clock.now();
    if (!rounds.begun(now)) return 0;
    const round = rounds.round(now);
    const worth = now < rounds.start(round) + manifest.schedule.trainMs * (1 - WORTH_STARTING);
    // The clock went back: rounds that it was in by mistake are not over.
    if (this.#lastRound > round + 1) this.#lastRound = round;
    // The first newcomers of a run are certified in mid-round, and train for the next one from then on.
    return Math.max(worth ? round : round + 1, this.#lastRound + 1, follower.head.round + 1);
  }

  /** Whether the next round is so far away that nothing is to be done now; then waits a while. */
  async #waitForClock(next: number, signal: AbortSignal): Promise<boolean> {
    const { clock, follower } = this.#o;
    const { rounds, manifest } = follower.run;
    const now = clock.now();
    const inMs = rounds.start(next) - now;
    if (rounds.begun(now)) {
      // A newcomer may be done with the next round before it begins.
      if (next <= rounds.round(now) + 2) return false;
      this.#say('waiting', { why: 'chain-ahead', rounds: next - 1 - rounds.round(now), inMs });
    } else this.#say('waiting', { why: 'not-begun', inMs });
    const begins = rounds.begun(now) ? rounds.start(next) - manifest.schedule.roundMs : rounds.start(0);
    await this.#waitFor(() => this.#last || follower.behind, Math.min(begins, now + CLOCK_LOOK_MS), signal);
    if (!signal.aborted && follower.behind) await follower.applyPending(this.#o.performer, signal);
    return true;
  }

  /** Asks to be admitted until a certificate comes, whatever that one lists. */
  async #join(signal: AbortSignal): Promise<void> {
    const { follower, performer, clock, identity } = this.#o;
    const { run } = follower;
    const tell = (): void => {
      const inMs = admissionIn(run, follower.members.size, clock.now());
      this.#say('waiting', { why: 'admission', inMs });
    };
    tell();
    if (!this.#prepared) {
      this.#prepared = true;
      void performer.prepare(signal);
    }
    // The work goes on from certificate to certificate; what is waited for here is the next certificate.
    const joining = (this.#joining ??= new Joining(run, identity, clock));
    joining.look(follower.head, follower.last?.certificate.body ?? null, signal, () => this.#nudge());
    const until = clock.now() + run.manifest.schedule.roundMs;
    const over = () => this.#last || follower.behind;
    await this.#waitFor(() => over() || joining.join(follower.head) !== null, until, signal);
    const join = joining.join(follower.head);
    if (join !== null && !over()) {
      tell();
      // A better one is sent as soon as it is found.
      await this.#repeat(join, until, () => over() || joining.join(follower.head) !== join, signal);
    }
    if (!signal.aborted && follower.behind) await follower.applyPending(performer, signal);
  }

  /**
   * Waits until it is known what became of the round before: its certificate, word that there is none, or the time
   * when one is no longer to be expected. Training on for `round` may begin at once after that.
   */
  async #settlePrevious(round: number, signal: AbortSignal): Promise<void> {
    const { follower, clock } = this.#o;
    const known = () => follower.head.round >= round - 1 || this.#empty.has(round - 1) || follower.behind;
    if (round === 0 || known()) return;
    const deadline = follower.run.rounds.start(round) + CERTIFICATE_GRACE_MS;
    if (clock.now() >= deadline) return;
    this.#say('waiting', { why: 'last-round' });
    await this.#waitFor(known, deadline, signal);
  }

  async #round(round: number, signal: AbortSignal): Promise<void> {
    const { follower, performer, identity, clock } = this.#o;
    const { rounds } = follower.run;
    const { head } = follower;
    if (this.#unapplied !== null && this.#wasAccepted(this.#unapplied.round)) {
      // Its certificate came after all.
      await performer.settle('accepted');
      this.#unapplied = null;
    }
    this.#say('syncing', { why: 'text' });
    // A certificate that arrives while we train makes our base old: stop, apply it, begin again.
    const ended = new AbortController();
    void follower.waitForNew(AbortSignal.any([signal, ended.signal])).then(() => {
      if (!ended.signal.aborted) performer.stop();
    });
    let done: Done | null;
    try {
      done = await performer.perform(
        { round, head, contributor: identity.publicKey, until: this.#trainingEnd(round) },
        {
          begun: () => this.#say('training'),
          finishing: () => this.#say('compressing'),
          wanted: () => !follower.behind,
        },
        signal,
      );
    } finally {
      ended.abort();
    }
    if (signal.aborted || (done === null && follower.behind)) return;
    this.#lastRound = round;
    if (done !== null) return this.#submit(round, done, signal);
    this.#say('waiting', { why: 'no-step' });
    const over = () => this.#last || follower.behind;
    await this.#waitFor(over, Math.max(clock.now(), rounds.deadlines(round).judge), signal);
  }

  /** The end of the training window, or earlier where compressing takes long: a late commit is worth nothing. */
  #trainingEnd(round: number): number {
    const { follower, performer } = this.#o;
    const { train, commit } = follower.run.rounds.deadlines(round);
    return Math.min(train, commit - COMMIT_MARGIN_MS - 1.5 * performer.finishMs);
  }

  /** Commit, reveal, and wait for the verdict. */
  async #submit(round: number, { claim, bytes }: Done, signal: AbortSignal): Promise<void> {
    const { blobs, workload, identity, swarm, follower, performer, events } = this.#o;
    const { id: run, rounds } = follower.run;
    const ends = rounds.deadlines(round);
    const blob = workload.blobOf(claim);
    if (blob === null) throw new Error('the performer made a claim that is none');
    blobs.keep(blob.hash, bytes, round);
    const own: OwnRound = { round, hash: toHex(blob.hash), bytes: bytes.byteLength };

    this.#say('committing');
    const seal = sealOf(run, round, identity.publicKey, claim);
    const commit: Message = { kind: 'commit', run, round, seal };
    const announced = (): void => this.#say('waiting', { why: 'announced' });
    await this.#repeat(commit, ends.commit, () => follower.behind, signal, announced);
    blobs.reveal(blob.hash);
    const settled = () => follower.head.round >= round || this.#empty.has(round) || follower.behind;
    this.#say('waiting', { why: 'verdict' });
    const reveal: Message = { kind: 'reveal', run, round, claim, peer: swarm.peerId };
    await this.#repeat(reveal, ends.reveal, settled, signal);
    await this.#waitFor(settled, ends.judge + CERTIFICATE_GRACE_MS, signal);
    if (signal.aborted) return;
    if (follower.behind) {
      this.#say('applying');
      await follower.applyPending(performer, signal);
    }
    if (this.#wasAccepted(round)) {
      this.#drawable = round;
      return;
    }
    const certified = follower.recent(round);
    const said = certified?.body ?? this.#empty.get(round);
    const isMember = follower.members.has(toHex(identity.publicKey));
    const reason = said === undefined ? undefined : ownReason(said, identity.publicKey, isMember);
    // What we sent was not applied. Where the validators let us, we go on from it or from what was before; else only zeros
    // are common ground.
    await performer.settle(performer.afterRefusal(reason));
    this.#drawable = reason === 'on-trial' ? round : null;
    this.#unapplied = own;
    if (certified === null) events.lost(own, reason ?? null);
  }

  /** Stays to answer an audit of the last round: silence counts as a lie. */
  async #linger(signal: AbortSignal): Promise<void> {
    const { follower, clock } = this.#o;
    if (!follower.run.rules.audited || this.#drawable === null) return;
    this.#say('waiting', { why: 'audit' });
    const asked = () => this.#shownRound === this.#drawable;
    await this.#waitFor(asked, clock.now() + AUDIT_ASK_MS, signal);
    if (asked()) await until(clock, clock.now() + AUDIT_SHOW_MS, signal);
  }

  #wasAccepted(round: number): boolean {
    const { follower, identity } = this.#o;
    const accepted = follower.recent(round)?.body.accepted ?? [];
    return accepted.some(({ contributor }) => bytesEqual(contributor, identity.publicKey));
  }

  #say(activity: Activity, waiting: Waiting | null = null): void {
    this.#o.events.activity(activity, waiting);
  }

  /** Publishes a message at once and again until its deadline, so that one lost packet costs no round. */
  async #repeat(
    message: Message,
    deadline: number,
    done: () => boolean,
    signal: AbortSignal,
    published?: () => void,
  ): Promise<void> {
    const { identity, swarm, clock } = this.#o;
    let tell = published;
    const bytes = await sign(identity, message);
    do {
      await swarm.publish(bytes);
      tell?.();
      tell = undefined;
      await this.#waitFor(done, Math.min(deadline, clock.now() + REPEAT_MS), signal);
    } while (!signal.aborted && !done() && this.#isOpen(deadline));
  }

  /**
   * Whether a deadline is still to come. One that is rounds away is none: the clock was ahead when it was chosen, and has been
   * put right.
   */
  #isOpen(deadline: number): boolean {
    const left = deadline - this.#o.clock.now();
    return left > 0 && left < FAR_ROUNDS * this.#o.follower.run.manifest.schedule.roundMs;
  }

  /** Resolves when `condition` holds (checked whenever something arrives) or at the deadline. */
  async #waitFor(condition: () => boolean, deadline: number, signal: AbortSignal): Promise<void> {
    const { clock, follower } = this.#o;
    while (!signal.aborted && !condition() && this.#isOpen(deadline)) {
      const wake = new AbortController();
      this.#nudge = () => wake.abort();
      const either = AbortSignal.any([signal, wake.signal]);
      await Promise.race([
        follower.waitForNew(either),
        until(clock, Math.min(deadline, clock.now() + CLOCK_LOOK_MS), either),
      ]);
      this.#nudge = () => {};
      wake.abort();
    }
  }
}
