/**
 * A validator, on the host or in a tab: follows the rounds by the wall clock, fills the gauntlet's book from gossip, fetches what was
 * revealed, judges, and certifies as early as everything revealed is judged.
 *
 * A state machine: {@link Validator.advance} does whatever is due now and returns; timers, messages and finished
 * fetches call it again. A failure in judging one submission refuses that one; nothing in here ends the loop.
 */
import { pause } from '../swarm/pause.ts';
import { messageOf } from '../protocol/errors.ts';
import { type Candidate, noCertificate, RoundBook } from '../gauntlet/book.ts';
import { isMember, JoinBox } from '../gauntlet/admission.ts';
import type { CarryBook } from '../gauntlet/carries.ts';
import { refusal } from '../gauntlet/checks.ts';
import { type Inspected, inspectorFor } from '../gauntlet/inspect.ts';
import type { LossMeasurement } from '../gauntlet/scores.ts';
import { type Standings, updateStandings } from '../gauntlet/standings.ts';
import { parameterLayout } from '../model/layout.ts';
import { bytesEqual, compareBytes, fromHex, toHex } from '../protocol/bytes.ts';
import { hasCertificate } from '../protocol/certificate.ts';
import { deadlines, phaseAt, roundAt } from '../protocol/clock.ts';
import { open, seal } from '../protocol/envelope.ts';
import type { Identity } from '../protocol/identity.ts';
import { MAX_REFUSED } from '../protocol/limits.ts';
import type { Message, MessageOf, RefusedEntry } from '../protocol/messages.ts';
import { ProfileBook } from '../protocol/profile-book.ts';
import { type Presence, PresenceBook } from '../swarm/presences.ts';
import type { GossipVerdict, Swarm } from '../swarm/types.ts';
import type { Auditor } from './auditor.ts';
import type { SeatChain } from './certify.ts';
import { refusalSummary, roundLine } from './log.ts';
import { ServedRounds } from './served-rounds.ts';
import type { RoundLosses } from '../gauntlet/round-losses.ts';

export interface ValidatorOptions {
  readonly chain: SeatChain;
  readonly swarm: Pick<Swarm, 'publish' | 'fetch' | 'serve' | 'forget' | 'peerId'>;
  readonly identity: Identity;
  readonly losses: RoundLosses;
  /** What losses are measured on, for the picture of the swarm. */
  readonly machine?: () => string;
  /** Swarm time, epoch ms: the host's clock is the run's. */
  readonly now?: () => number;
  readonly log: (line: string) => void;
  /** Roots of what contributors carry; in runs with audits. */
  readonly carries?: CarryBook | null;
  /** Called after each round with the roots to keep. */
  readonly onCarries?: (carries: CarryBook) => void;
  readonly standings?: Standings;
  /** Called after each round with the standings to keep. */
  readonly onStandings?: (standings: Standings) => void;
  /** Refusals of a round without a certificate. */
  readonly onRefused?: (round: number, refused: readonly RefusedEntry[]) => void;
  /** The held-out loss of the state at a height, once it is measured. */
  readonly onHeldOut?: (height: number, loss: number) => void;
}

interface OpenRound {
  readonly round: number;
  readonly book: RoundBook;
  readonly fetching: Set<string>;
  /** Given up: nobody served them in time. */
  readonly failed: Set<string>;
  readonly measurements: Map<string, Promise<LossMeasurement | null>>;
  /** Whose measurement has ended, one way or the other. */
  readonly measured: Set<string>;
  /** Measurements take turns, so that each is planned with the speed and the time that there are when it begins. */
  turn: Promise<unknown>;
  /** It was said that measuring takes too long. */
  slow: boolean;
  judging: Promise<void> | null;
}

/** Share of the judge phase in which fetches under way may still end, and in which losses may be measured. */
const FETCH_GRACE = 0.25;
const MEASURE_SHARE = 0.8;
/** Share of the time left that measuring may plan for. */
const MEASURE_SAFETY = 0.7;
/** While nobody is a member, the first to join waits so long for others that come with it. */
const ADMIT_AFTER_MS = 1500;
const FETCH_RETRY_MS = 300;
const MAX_FETCHES = 8;
const PRESENCE_MS = 4000;

export class Validator {
  /** Names that contributors show, for tabs that come later. */
  readonly profiles: ProfileBook;
  readonly #o: ValidatorOptions;
  readonly #now: () => number;
  readonly #inspector: ReturnType<typeof inspectorFor>;
  readonly #abort = new AbortController();
  readonly #presences: PresenceBook;
  readonly #joins: JoinBox;
  /** When the first of the joins that wait came, swarm time. */
  #joinsSince = 0;
  /** Certified submissions, for tabs that are late. */
  readonly served: ServedRounds;
  #round: OpenRound | null = null;
  #auditor: Auditor | null = null;
  #standings: Standings;
  /** What the last certificate applied, for finding who hands it in again. */
  #applied: readonly Inspected[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #extraTimers = new Set<ReturnType<typeof setTimeout>>();
  #presenceTimer: ReturnType<typeof setInterval> | undefined;
  /** Judgements run one after another; a late one finishes before the next begins. */
  #queue: Promise<void> = Promise.resolve();
  #stateLoaded: Promise<void> = Promise.resolve();
  /** Newest certificate or no-certificate as published, said again for late ears. */
  #lastWord: Uint8Array | null = null;
  #roundsLost = 0;

  constructor(options: ValidatorOptions) {
    this.#o = options;
    this.profiles = new ProfileBook(options.chain.runId);
    this.#now = options.now ?? Date.now;
    this.served = new ServedRounds(options.swarm);
    this.#presences = new PresenceBook(
      () => roundAt(options.chain.manifest.schedule, this.#now()),
      this.#now,
    );
    this.#inspector = inspectorFor(options.chain.manifest);
    this.#joins = new JoinBox(options.chain.runId);
    this.#standings = options.standings ?? new Map();
    this.#lastWord = options.chain.lastMessage;
  }

  /** Has accepted work audited from now on. Null: this machine cannot replay, or the run has no audits. */
  setAuditor(auditor: Auditor | null): void {
    this.#auditor = auditor;
  }

  /** Loads the certified state for measuring, without starting any timer. */
  async prepare(): Promise<void> {
    this.#loadState();
    await this.#stateLoaded;
  }

  /** Starts following the clock. */
  start(): void {
    this.#presenceTimer = setInterval(() => void this.#presence(), PRESENCE_MS);
    void this.#presence();
    this.#arm();
    this.advance();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    for (const timer of this.#extraTimers) clearTimeout(timer);
    clearInterval(this.#presenceTimer);
    await this.#queue;
  }

  get roundsLost(): number {
    return this.#roundsLost;
  }

  presences(): Presence[] {
    return this.#presences.list();
  }

  /** Where everybody stands in the round that is open. */
  entries(): ReturnType<RoundBook['entries']> {
    return this.#round?.book.entries() ?? [];
  }

  /** A gossip message. Never throws. */
  async handle(bytes: Uint8Array, _from: string): Promise<GossipVerdict> {
    const opened = await open(bytes);
    if (!opened.ok) return opened.reason === 'version' ? 'ignore' : 'reject';
    const { message, sender } = opened;
    if (message.kind !== 'certificate' && !bytesEqual(message.run, this.#o.chain.runId)) return 'reject';
    if (message.kind === 'profile') {
      // Keys are free: only names that stand in the ledger are kept, or a flood of others would leave no room.
      if (!this.#o.chain.ledger.accounts.has(toHex(sender))) return 'accept';
      return this.profiles.offer(sender, message, bytes) ? 'accept' : 'ignore';
    }
    return this.#take(message, sender);
  }

  #take(message: Exclude<Message, { kind: 'profile' }>, sender: Uint8Array): GossipVerdict {
    switch (message.kind) {
      case 'join':
        return this.#join(message, sender);
      case 'carry':
        return this.#auditor?.take(sender, message) ?? 'ignore';
      case 'commit':
      case 'reveal': {
        this.advance();
        const round = this.#round;
        if (round === null) return 'ignore';
        const now = this.#now();
        const receipt =
          message.kind === 'commit'
            ? round.book.commit(sender, message, now)
            : round.book.reveal(sender, message, now);
        if (receipt.ok && message.kind === 'commit') {
          this.#anticipate(round.round, sender);
          this.#noteCarry(sender, message);
        }
        this.advance();
        if (receipt.ok) return 'accept';
        // What breaks the manifest is wrong for everybody; time and state another peer may see differently.
        return receipt.reason === 'malformed' || receipt.reason === 'too-large' ? 'reject' : 'ignore';
      }
      case 'presence':
        return this.#presences.take(message, sender);
      // The only validator is this one, and own messages are not delivered.
      case 'audit':
      case 'certificate':
      case 'no-certificate':
      case 'verdict':
        return 'ignore';
    }
  }

  #join(message: MessageOf<'join'>, sender: Uint8Array): GossipVerdict {
    const { head } = this.#o.chain;
    const first = this.#joins.joined(head).length === 0;
    const receipt = this.#joins.take(sender, message, head);
    if (receipt === 'weak') return 'reject';
    if (receipt === 'stale' || receipt === 'full') return 'ignore';
    if (receipt === 'taken' && first) {
      this.#joinsSince = this.#now();
      this.#wakeAt(this.#joinsSince + ADMIT_AFTER_MS);
    }
    return 'accept';
  }

  /** What a commit leaves is what the next one starts from. */
  #noteCarry(sender: Uint8Array, commit: MessageOf<'commit'>): void {
    if (this.#o.chain.members.has(toHex(sender))) this.#o.carries?.note(sender, commit);
  }

  /** Does what is due: opens a round, fetches, begins to judge. Cheap when nothing is. */
  advance(): void {
    if (this.#abort.signal.aborted) return;
    this.#auditor?.advance();
    const now = this.#now();
    const number = roundAt(this.#o.chain.manifest.schedule, now);
    if (number < 0) return;
    if (this.#round?.round !== number) {
      this.#closeLost(this.#round);
      this.#round = null;
      // After a restart within a round that is certified already there is nothing left to do in it.
      if (number > this.#o.chain.head.round) this.#round = this.#openRound(number);
    }
    const round = this.#round;
    if (round === null || round.judging !== null) return;
    this.#fetchMore(round, now);
    if (this.#ready(round, now)) {
      round.judging = this.#queue.then(() => this.#judge(round));
      this.#queue = round.judging;
    }
  }

  /** Resolves when the judgements begun so far are done. */
  settled(): Promise<void> {
    return this.#queue;
  }

  #openRound(round: number): OpenRound {
    const { chain, carries } = this.#o;
    const opened: OpenRound = {
      round,
      fetching: new Set(),
      failed: new Set(),
      measurements: new Map(),
      measured: new Set(),
      turn: Promise.resolve(),
      slow: false,
      judging: null,
      book: new RoundBook({
        manifest: chain.manifest,
        runId: chain.runId,
        round,
        baseRoot: () => chain.head.root,
        inspect: this.#inspector.inspect,
        maxBytes: this.#inspector.maxBytes,
        evaluate: (candidate) => this.#measured(opened, candidate),
        standings: this.#standings,
        previous: this.#applied,
        audited: this.#auditor != null,
        ...(carries == null ? {} : { carries }),
        isMember: (contributor) => isMember(chain.members, contributor, round, chain.manifest.admission),
      }),
    };
    void this.#repeatLastWord();
    this.#anticipate(round);
    return opened;
  }

  /** Measures now what can be measured before the submissions are there. */
  #anticipate(round: number, contributor?: Uint8Array): void {
    const { chain, losses } = this.#o;
    this.#stateLoaded.then(
      () => losses.anticipate(round, chain.head, contributor),
      () => {}, // reported where the state was loaded
    );
  }

  /** A round that ended before it was judged: only a host that slept or was overloaded gets here. */
  #closeLost(round: OpenRound | null): void {
    if (round === null || round.judging !== null) return;
    this.#roundsLost++;
    this.#o.log(`round ${round.round} was lost: this machine slept or was too busy to judge it in time`);
  }

  #fetchMore(round: OpenRound, now: number): void {
    const limit = this.#fetchDeadline(round.round);
    if (now >= limit) return;
    for (const request of round.book.toFetch(now)) {
      if (round.fetching.size >= MAX_FETCHES) return;
      const key = toHex(request.contributor);
      if (round.fetching.has(key) || round.failed.has(key)) continue;
      round.fetching.add(key);
      void this.#fetch(round, request, limit).finally(() => {
        round.fetching.delete(key);
        this.advance();
      });
    }
  }

  /** Fetches one submission, trying again while there is time: its sender may only just have begun to serve it. */
  async #fetch(
    round: OpenRound,
    request: ReturnType<RoundBook['toFetch']>[number],
    limit: number,
  ): Promise<void> {
    const { contributor, submission, peer } = request;
    let problem = 'no time left';
    while (this.#now() < limit && !this.#abort.signal.aborted) {
      try {
        const signal = AbortSignal.any([
          this.#abort.signal,
          AbortSignal.timeout(Math.max(1, limit - this.#now())),
        ]);
        const bytes = await this.#o.swarm.fetch(submission.hash, {
          size: submission.size,
          prefer: [peer],
          signal,
        });
        const receipt = await round.book.bytes(contributor, bytes);
        // Measuring starts at once, so that the certificate need not wait for all of it at the end.
        if (receipt.ok) void this.#measured(round, { contributor, bytes });
        return;
      } catch (error) {
        problem = messageOf(error);
        await pause(FETCH_RETRY_MS, this.#abort.signal);
      }
    }
    round.failed.add(toHex(contributor));
    round.book.notServed(contributor, `nobody served the bytes: ${problem}`);
  }

  #measured(
    round: OpenRound,
    candidate: Pick<Candidate, 'contributor' | 'bytes'>,
  ): Promise<LossMeasurement | null> {
    const key = toHex(candidate.contributor);
    const known = round.measurements.get(key);
    if (known !== undefined) return known;
    const measurement = round.turn.then(() => this.#measure(round, candidate));
    round.turn = measurement.then(() => round.measured.add(key));
    round.measurements.set(key, measurement);
    return measurement;
  }

  /**
   * Null when it failed or time ran out; never throws. A host that is too slow then turns honest work away (`capacity`),
   * which costs its sender nothing: no standing, no membership, and the work stays in its error feedback.
   */
  async #measure(
    round: OpenRound,
    candidate: Pick<Candidate, 'contributor' | 'bytes'>,
  ): Promise<LossMeasurement | null> {
    const { chain, losses, log } = this.#o;
    const { reveal, judge } = deadlines(chain.manifest.schedule, round.round);
    const limit = reveal + MEASURE_SHARE * (judge - reveal);
    const late = new AbortController();
    try {
      await this.#stateLoaded;
      const waiting = round.book
        .entries()
        .filter((entry) => entry.state !== 'refused' && !round.measured.has(toHex(entry.contributor))).length;
      const left = limit - this.#now();
      let outcome: LossMeasurement | null = null;
      if (left > 0) {
        const sequences = losses.affordable(MEASURE_SAFETY * left, waiting);
        const work = losses.measure(candidate, round.round, chain.head, sequences, late.signal);
        work.catch(() => {}); // heard below, unless time runs out first
        const timeout = pause(left, AbortSignal.any([late.signal, this.#abort.signal]));
        outcome = await Promise.race([work, timeout.then(() => null)]);
      }
      if (outcome === null && !round.slow && !this.#abort.signal.aborted) {
        round.slow = true;
        log(
          `round ${round.round}: measuring losses takes too long on this machine; use longer rounds or fewer evaluationSequences`,
        );
      }
      return outcome;
    } catch (error) {
      log(
        `round ${round.round}: the loss of ${toHex(candidate.contributor).slice(0, 8)} could not be measured: ${messageOf(error)}`,
      );
      return null;
    } finally {
      late.abort();
    }
  }

  #fetchDeadline(round: number): number {
    const { reveal, judge } = deadlines(this.#o.chain.manifest.schedule, round);
    return reveal + FETCH_GRACE * (judge - reveal);
  }

  /** Whether nothing more can come that would change the verdict, or time is up. */
  #ready(round: OpenRound, now: number): boolean {
    const { commit, reveal } = deadlines(this.#o.chain.manifest.schedule, round.round);
    if (this.#nobodyToWaitFor(now)) return true;
    if (now < commit) return false;
    if (now >= this.#fetchDeadline(round.round)) return true;
    if (round.fetching.size > 0) return false;
    const missing = round.book.toFetch(now).some(({ contributor }) => !round.failed.has(toHex(contributor)));
    if (missing) return false;
    return now >= reveal || round.book.entries().every(({ state }) => state !== 'committed');
  }

  /** While nobody is a member, nobody's work is under way: the first who join need not wait for the round's end. */
  #nobodyToWaitFor(now: number): boolean {
    const { members, head } = this.#o.chain;
    if (members.size > 0 || now < this.#joinsSince + ADMIT_AFTER_MS) return false;
    return this.#joins.joined(head).length > 0;
  }

  async #judge(round: OpenRound): Promise<void> {
    try {
      // Who serves too slowly has not served in time. It is not for want of room, which would leave it its error feedback unseen.
      for (const key of round.fetching)
        round.book.notServed(fromHex(key), 'the bytes were on their way, but not there in time');
      const joined = this.#joins.joined(this.#o.chain.head);
      const verdict = await round.book.judge({
        joined,
        audits: this.#auditor?.outcomes(round.round) ?? [],
      });
      if (this.#abort.signal.aborted) return;
      this.#standings = updateStandings(this.#standings, verdict);
      this.#o.onStandings?.(this.#standings);
      // What the round started from, before a certificate moves it on.
      const { head } = this.#o.chain;
      const auditor = round.book.auditable().length > 0 ? this.#auditor : null;
      const theta = auditor == null ? null : await this.#o.chain.theta();
      if (hasCertificate(verdict)) await this.#certify(round, verdict);
      else await this.#publishNothing(verdict);
      // Without a certificate too: where all who are left wait for an audit, its outcome is what is certified next.
      if (theta !== null) await auditor?.draw(round.book, head, theta);
      this.#settleCarries(verdict);
    } catch (error) {
      this.#roundsLost++;
      this.#o.log(`round ${round.round} was lost: ${messageOf(error)}`);
      await this.#giveUp(round);
    }
  }

  #settleCarries(verdict: MessageOf<'verdict'>): void {
    const { carries, chain, onCarries } = this.#o;
    if (carries == null) return;
    carries.settle(verdict, (key) => chain.members.has(key));
    onCarries?.(carries);
  }

  /** Tells the swarm not to wait. Who was not refused is not to blame, and goes on with what it sent in its error feedback. */
  async #giveUp({ round, book }: OpenRound): Promise<void> {
    const { chain, swarm, identity, carries } = this.#o;
    if (this.#abort.signal.aborted || chain.head.round >= round) return;
    const spared = refusal('capacity', 'the validator could not finish this round');
    const refused = book
      .entries()
      .map((entry) => ({ contributor: entry.contributor, ...(entry.refusal ?? spared) }))
      .sort((a, b) => compareBytes(a.contributor, b.contributor))
      .slice(0, MAX_REFUSED);
    // Kept with the next round's: it may be the disk that failed.
    carries?.settle({ round, accepted: [], refused }, (key) => chain.members.has(key));
    this.#lastWord = await seal(identity, { kind: 'no-certificate', run: chain.runId, round, refused });
    await swarm.publish(this.#lastWord);
  }

  async #publishNothing(verdict: MessageOf<'verdict'>): Promise<void> {
    const { swarm, identity, log } = this.#o;
    const message = noCertificate(verdict);
    this.#o.onRefused?.(verdict.round, verdict.refused);
    this.#lastWord = await seal(identity, message);
    await swarm.publish(this.#lastWord);
    if (verdict.refused.length > 0 || this.presences().some((p) => p.role === 'contributor'))
      log(`round ${verdict.round} · no certificate · 0 accepted, ${refusalSummary(verdict.refused)}`);
  }

  async #certify(round: OpenRound, verdict: MessageOf<'verdict'>): Promise<void> {
    const { chain, swarm, identity, losses, log } = this.#o;
    await this.#stateLoaded;
    const heldOutLoss = await losses.heldOut();
    const submissions = verdict.accepted.map(({ contributor }) => {
      const bytes = round.book.bytesOf(contributor);
      if (bytes === null) throw new Error('an accepted submission has no bytes');
      return bytes;
    });
    const { message, body } = await chain.append({
      verdict,
      submissions,
      validator: identity,
      heldOutLoss,
      time: Math.max(0, Math.round(this.#now())),
    });
    this.served.add(verdict.accepted.map((entry, i) => [entry.submission.hash, submissions[i]]));
    this.#applied = round.book.applied();
    this.#lastWord = message;
    await swarm.publish(message);
    log(roundLine(body, parameterLayout(chain.manifest.model).elements));
    this.#auditor?.recorded(verdict.audits);
    this.#loadState();
  }

  /** Hands the new state to the loss meter and measures its held-out loss while the next round trains. */
  #loadState(): void {
    const { chain, losses, log, onHeldOut } = this.#o;
    const { height } = chain.head;
    this.#stateLoaded = chain.theta().then((theta) => losses.load(height, theta));
    this.#stateLoaded
      .then(() => losses.heldOut())
      .then((loss) => onHeldOut?.(height, loss))
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) log(`the held-out loss could not be measured: ${messageOf(error)}`);
      });
  }

  /** Tabs that missed the last round's outcome, or joined since, hear it again. */
  async #repeatLastWord(): Promise<void> {
    if (this.#lastWord !== null) await this.#o.swarm.publish(this.#lastWord).catch(() => 0);
  }

  async #presence(): Promise<void> {
    const { chain, swarm, identity } = this.#o;
    const { round, phase } = phaseAt(chain.manifest.schedule, this.#now());
    try {
      const message = await seal(identity, {
        kind: 'presence',
        run: chain.runId,
        round: Math.max(0, round),
        peer: swarm.peerId,
        role: 'validator',
        state: phase === 'judge' || phase === 'reveal' ? 'judging' : 'waiting',
        adapter: (this.#o.machine?.() ?? 'CPU').slice(0, 120),
        tokensPerSecond: 0,
        root: chain.head.root,
        height: chain.head.height,
      });
      await swarm.publish(message);
    } catch (error) {
      this.#o.log(`the validator's sign of life failed: ${messageOf(error)}`);
    }
  }

  /** Looks at what is due at a time that is not the schedule's. */
  #wakeAt(at: number): void {
    const timer = setTimeout(
      () => {
        this.#extraTimers.delete(timer);
        this.advance();
      },
      Math.max(1, at - this.#now() + 1),
    );
    this.#extraTimers.add(timer);
  }

  /** Wakes at the next moment at which something can be due. */
  #arm(): void {
    if (this.#abort.signal.aborted) return;
    const { schedule } = this.#o.chain.manifest;
    const now = this.#now();
    const round = roundAt(schedule, now);
    const { commit, reveal, judge } = deadlines(schedule, round);
    // Auditors ask again in the middle of the training window.
    const middle = commit - schedule.commitMs + schedule.trainMs / 2;
    const moments = [middle, commit, reveal, this.#fetchDeadline(round), judge, schedule.startMs];
    const next = Math.min(...moments.filter((at) => at > now));
    // Timers may fire a millisecond early, and may not wait longer than 2^31 ms.
    this.#timer = setTimeout(
      () => {
        this.advance();
        this.#arm();
      },
      Math.min(next - now + 1, 3_600_000),
    );
  }
}
