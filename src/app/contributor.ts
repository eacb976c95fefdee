/**
 * A contributor's life: sync, join, then round after round train, commit, reveal, wait for the certificate, apply.
 *
 * The loop owns the trainer; everything that arrives from outside (certificates, pause, stop) reaches it through the
 * follower's queue or the abort signal, so that no two things ever use the trainer at once.
 */
import { carriesOn } from '../gauntlet/carries.ts';
import { bytesEqual, sha256, toHex } from '../protocol/bytes.ts';
import { partBytes } from '../protocol/carry.ts';
import { roundAt, roundStart } from '../protocol/clock.ts';
import { seal as sign } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { Message, MessageOf, RefusedEntry } from '../protocol/messages.ts';
import { decodeShard } from '../model/shards.ts';
import { sealOf } from '../protocol/seal.ts';
import type { Swarm } from '../swarm/types.ts';
import { assignedShards, assignmentSeed } from '../training/assignment.ts';
import type { Assignment, RoundWork, TrainProgress } from '../worker/api.ts';
import type { TrainerClient } from '../worker/client.ts';
import { type BlobSources, fetchKept } from './blobs.ts';
import type { RunClock } from './clock.ts';
import type { Follower } from './follower.ts';
import { fetchAhead, joiningText, makeJoin } from './joining.ts';
import type { Activity } from './state.ts';
import type { Submissions } from '../swarm/submissions.ts';

/** Commit and reveal are said again this often until the deadline: gossip promises nothing. */
const REPEAT_MS = 1200;
/** After a round's end, how long a certificate may still be on its way before the round counts as lost. */
const CERTIFICATE_GRACE_MS = 1500;
/** Commit this long before the deadline: gossip takes some tens of milliseconds, a busy machine some hundreds. */
const COMMIT_MARGIN_MS = 400;
/** Before the first compression was measured: a share of the round, but not more than compiling kernels takes. */
const FIRST_COMPRESS_SHARE = 0.05;
const FIRST_COMPRESS_MAX_MS = 4000;
/** Before it leaves, a tab whose last work was accepted waits so long to be drawn for an audit, and then shows so long. */
const AUDIT_ASK_MS = 2500;
const AUDIT_SHOW_MS = 15_000;
/** With less of the training window left than this share, a newcomer waits for the next round. */
const WORTH_STARTING = 0.15;

export interface OwnSubmission {
  readonly round: number;
  readonly hash: string;
  readonly work: RoundWork;
}

export interface ContributorOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly identity: Identity;
  readonly swarm: Swarm;
  readonly trainer: TrainerClient;
  readonly follower: Follower;
  readonly submissions: Submissions;
  readonly sources: BlobSources;
  readonly clock: RunClock;
  readonly onActivity: (activity: Activity, waitingFor: string | null) => void;
  readonly onProgress: (round: number, progress: TrainProgress) => void;
  readonly onSubmitted: (own: OwnSubmission) => void;
  /** The round ended without our work in a certificate: refused (with the reason) or nothing certified at all. */
  readonly onLost: (own: OwnSubmission, refused: RefusedEntry | null) => void;
}

export class Contributor {
  readonly #o: ContributorOptions;
  #lastRound = -1;
  /** Rounds that the validator declared empty, with what it said of us. */
  readonly #empty = new Map<number, RefusedEntry | null>();
  #nudge: () => void = () => {};
  #last = false;
  #fetchedAhead = false;
  /** Parts served for the last audit. */
  #shown: readonly Uint8Array[] = [];
  #shownRound = -1;
  /** The last round, if an audit of it may be asked for: accepted, or waiting for an audit and so first in line. */
  #drawable: number | null = null;
  /** The last submission while it counts as not applied. */
  #owed: OwnSubmission | null = null;
  /** How long compressing and hashing lately took here, so that a slow machine stops training early enough. */
  #compressMs: number;

  constructor(options: ContributorOptions) {
    this.#o = options;
    const { roundMs } = options.manifest.schedule;
    this.#compressMs = Math.min(FIRST_COMPRESS_MAX_MS, FIRST_COMPRESS_SHARE * roundMs);
  }

  /** A validator says that a round has no certificate. */
  noCertificate(round: number, ownRefusal: RefusedEntry | null): void {
    this.#empty.set(round, ownRefusal);
    for (const old of this.#empty.keys()) if (old < round - 8) this.#empty.delete(old);
    this.#nudge();
  }

  /** A validator asks to see what was carried into and out of a round: shows it, if it is the last finished one. */
  async audit({ round, contributors }: MessageOf<'audit'>): Promise<void> {
    const { trainer, swarm, runId, identity } = this.#o;
    if (!contributors.some((key) => bytesEqual(key, identity.publicKey))) return;
    const shown = await trainer.carry(round);
    if (shown === null) return;
    const parts = [shown.before, shown.after].flatMap((carry) =>
      carry === null
        ? []
        : ([
            [carry.digests.error, carry.error],
            [carry.digests.moment1, carry.moment1],
            [carry.digests.moment2, carry.moment2],
          ] as const),
    );
    for (const hash of this.#shown) swarm.forget(hash);
    this.#shown = parts.map(([hash]) => hash);
    for (const [hash, part] of parts) swarm.serve(hash, partBytes(part));
    const { before, after } = { before: shown.before?.digests ?? null, after: shown.after.digests };
    const answer: Message = { kind: 'carry', run: runId, round, before, after, peer: swarm.peerId };
    await swarm.publish(await sign(identity, answer));
    this.#shownRound = round;
    this.#nudge();
  }

  /** Stays to answer an audit of the last round: silence counts as a lie. */
  async #linger(signal: AbortSignal): Promise<void> {
    const { manifest, clock, onActivity } = this.#o;
    if ((manifest.gauntlet.auditsPerRound ?? 0) === 0 || this.#drawable === null) return;
    onActivity('waiting', 'Staying a moment: a validator may ask to see the last round’s work.');
    const asked = () => this.#shownRound === this.#drawable;
    await this.#waitFor(asked, clock.now() + AUDIT_ASK_MS, signal);
    if (asked()) await clock.until(clock.now() + AUDIT_SHOW_MS, signal);
  }

  /** Whether the round in hand is the last: {@link run} returns once it is handed in and judged. */
  setLast(last: boolean): void {
    this.#last = last;
    this.#nudge();
  }

  /**
   * Runs until `signal` aborts or the last round is settled. Throws what the trainer throws (a lost device) and
   * HostError while syncing.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { follower, trainer, clock, manifest, identity, onActivity } = this.#o;
    const { schedule } = manifest;
    onActivity('syncing', 'Fetching the current model.');
    await follower.applyPending(trainer, signal);
    while (!signal.aborted && !this.#last) {
      const round = this.#nextRound();
      if (!follower.isMember(identity.publicKey, round)) {
        await this.#join(signal);
        continue;
      }
      const start = roundStart(schedule, round);
      await this.#settlePrevious(round, start, signal);
      if (signal.aborted) return;
      if (follower.behind) {
        onActivity('applying', null);
        await follower.applyPending(trainer, signal);
      }
      if (clock.now() > start + schedule.trainMs * (1 - WORTH_STARTING)) {
        this.#lastRound = round;
        continue;
      }
      await this.#round(round, start, signal);
    }
    if (this.#last) await this.#linger(signal);
  }

  /** The round to work for next: this one while its training window is worth starting, else the next. */
  #nextRound(): number {
    const { clock, manifest, follower } = this.#o;
    const { schedule } = manifest;
    const round = roundAt(schedule, clock.now());
    const worth =
      round >= 0 && clock.now() < roundStart(schedule, round) + schedule.trainMs * (1 - WORTH_STARTING);
    // The first newcomers of a run are certified in mid-round, and train for the next one from then on.
    return Math.max(worth ? round : round + 1, this.#lastRound + 1, follower.head.round + 1);
  }

  /** Asks to be admitted until a certificate comes, whoever that one lists. */
  async #join(signal: AbortSignal): Promise<void> {
    const { follower, trainer, clock, manifest, runId, identity, sources, onActivity } = this.#o;
    const say = () => onActivity('waiting', joiningText(manifest, follower.members, clock.now()));
    say();
    if (!this.#fetchedAhead) {
      this.#fetchedAhead = true;
      void fetchAhead(manifest, sources, signal);
    }
    // Work over a certificate that is no longer the newest is worth nothing.
    const solving = new AbortController();
    void follower.waitForNew(AbortSignal.any([signal, solving.signal])).then(() => solving.abort());
    const join = await makeJoin(runId, follower.head, identity, solving.signal).catch((error: unknown) => {
      if (solving.signal.aborted) return null;
      throw error;
    });
    solving.abort();
    if (join !== null) {
      say();
      const over = () => this.#last || follower.behind;
      await this.#say(join, clock.now() + manifest.schedule.roundMs, over, signal);
    }
    if (!signal.aborted && follower.behind) await follower.applyPending(trainer, signal);
  }

  /**
   * Waits until it is known what became of the round before: its certificate, word that there is none, or the time
   * when one is no longer to be expected. Training on for `round` may begin at once after that.
   */
  async #settlePrevious(round: number, start: number, signal: AbortSignal): Promise<void> {
    const { follower, clock, onActivity } = this.#o;
    const known = () => follower.head.round >= round - 1 || this.#empty.has(round - 1) || follower.behind;
    if (round === 0 || known()) return;
    const deadline = start + CERTIFICATE_GRACE_MS;
    if (clock.now() >= deadline) return;
    onActivity('waiting', 'Waiting for the round before to be certified.');
    await this.#waitFor(known, deadline, signal);
  }

  async #round(round: number, start: number, signal: AbortSignal): Promise<void> {
    const { follower, trainer, clock, manifest, runId, identity, onActivity, onProgress } = this.#o;
    const { schedule } = manifest;
    const head = follower.head;
    if (this.#owed !== null && follower.wasAccepted(this.#owed.hash)) {
      // Its certificate came after all.
      await trainer.settle('accepted');
      this.#owed = null;
    }
    const seed = assignmentSeed(runId, round, head.hash, identity.publicKey);
    onActivity('syncing', 'Fetching training text.');
    const assignment = await this.#assignment(seed, head.height, signal);

    onActivity('training', null);
    // A certificate that arrives while we train makes our base old: stop, apply it, begin again.
    const ended = new AbortController();
    void follower.waitForNew(AbortSignal.any([signal, ended.signal])).then(() => {
      if (!ended.signal.aborted) void trainer.stop().catch(() => {});
    });
    try {
      await trainer.train(assignment, clock.toLocal(this.#trainingEnd(start)), (p) => onProgress(round, p));
    } finally {
      ended.abort();
    }
    if (signal.aborted || follower.behind) return;

    onActivity('compressing', null);
    const begun = clock.now();
    const work = await trainer.finish({ run: runId, round, contributor: identity.publicKey });
    if (work !== null) this.#compressMs = Math.max(clock.now() - begun, 0.7 * this.#compressMs);
    this.#lastRound = round;
    if (work === null) {
      onActivity('waiting', 'No inner step fitted this round; waiting for the next.');
      await this.#waitFor(() => this.#last || follower.behind, start + schedule.roundMs, signal);
      return;
    }
    await this.#submit(round, start, head.root, work, signal);
  }

  /** The end of the training window, or earlier where compressing takes long: a late commit is worth nothing. */
  #trainingEnd(start: number): number {
    const { trainMs, commitMs } = this.#o.manifest.schedule;
    return start + Math.min(trainMs, commitMs - COMMIT_MARGIN_MS - 1.5 * this.#compressMs);
  }

  async #assignment(seed: Uint8Array, height: number, signal: AbortSignal): Promise<Assignment> {
    const { manifest, sources } = this.#o;
    const shards = new Map<number, Uint16Array>();
    for (const index of assignedShards(seed, manifest.data.train.length)) {
      const ref = manifest.data.train[index];
      if (ref === undefined) continue;
      const bytes = await fetchKept(ref, sources, signal);
      shards.set(index, decodeShard(bytes, manifest.model.vocabSize, ref.tokens));
    }
    return { seed, height, shards };
  }

  /** Commit, reveal, and wait for the verdict. */
  async #submit(
    round: number,
    start: number,
    baseRoot: Uint8Array,
    work: RoundWork,
    signal: AbortSignal,
  ): Promise<void> {
    const { submissions, manifest, runId, identity, swarm, follower, onActivity, onSubmitted, trainer } =
      this.#o;
    const { schedule } = manifest;
    const hash = await sha256(work.submission);
    const submission = { hash, size: work.submission.byteLength };
    submissions.keep(hash, work.submission, round);
    const own: OwnSubmission = { round, hash: toHex(hash), work };
    onSubmitted(own);

    onActivity('committing', null);
    const { tokens, innerSteps, trainLoss } = work;
    const seal = sealOf(runId, round, identity.publicKey, hash);
    const commit: Message = {
      kind: 'commit',
      run: runId,
      round,
      seal,
      size: submission.size,
      tokens,
      innerSteps,
      baseRoot,
      trainLoss,
      ...(work.carry === null ? {} : { carry: work.carry }),
    };
    await this.#say(commit, start + schedule.commitMs, () => follower.behind, signal);
    submissions.reveal(hash);
    const settled = () => follower.head.round >= round || this.#empty.has(round) || follower.behind;
    onActivity('waiting', 'Waiting for the validators to judge this round.');
    const reveal: Message = { kind: 'reveal', run: runId, round, submission, peer: swarm.peerId };
    await this.#say(reveal, start + schedule.revealMs, settled, signal);
    await this.#waitFor(settled, start + schedule.roundMs + CERTIFICATE_GRACE_MS, signal);
    if (signal.aborted) return;
    if (follower.behind) {
      onActivity('applying', null);
      await follower.applyPending(trainer, signal);
    }
    const accepted = follower.wasAccepted(own.hash);
    this.#drawable = accepted ? round : null;
    if (accepted) return;
    const certified = follower.last?.body.round === round ? follower.last.body : null;
    const key = toHex(identity.publicKey);
    const refused =
      certified?.refused.find((r) => toHex(r.contributor) === key) ?? this.#empty.get(round) ?? null;
    // What we sent was not applied, so it goes back into our error feedback: no work is lost. Unless the validators do
    // not know what we started from (a lost commit), or let nobody go on from such a round: then only zeros are a common
    // ground.
    const judged = certified !== null || this.#empty.has(round);
    const goesOn = work.carry === null || (refused === null ? !judged : carriesOn(refused.reason));
    await trainer.settle(goesOn ? 'refused' : 'reset');
    if (refused?.reason === 'on-trial') this.#drawable = round;
    this.#owed = own;
    if (certified === null) this.#o.onLost(own, refused);
  }

  /** Publishes a message at once and again until its deadline, so that one lost packet costs no round. */
  async #say(message: Message, deadline: number, done: () => boolean, signal: AbortSignal): Promise<void> {
    const { identity, swarm, clock } = this.#o;
    const bytes = await sign(identity, message);
    do {
      await swarm.publish(bytes);
      await this.#waitFor(done, Math.min(deadline, clock.now() + REPEAT_MS), signal);
    } while (!signal.aborted && !done() && clock.now() < deadline);
  }

  /** Resolves when `condition` holds (checked whenever something arrives) or at the deadline. */
  async #waitFor(condition: () => boolean, deadline: number, signal: AbortSignal): Promise<void> {
    const { clock, follower } = this.#o;
    while (!signal.aborted && !condition() && clock.now() < deadline) {
      const wake = new AbortController();
      this.#nudge = () => wake.abort();
      const either = AbortSignal.any([signal, wake.signal]);
      await Promise.race([follower.waitForNew(either), clock.until(deadline, either)]);
      this.#nudge = () => {};
      wake.abort();
    }
  }
}
