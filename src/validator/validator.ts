/**
 * A validator, on the host or in a tab: follows the rounds by the swarm's clock, fills the gauntlet's book from gossip, fetches
 * revealed work, judges, and certifies as early as everything revealed is judged.
 *
 * A state machine: {@link Validator.advance} does whatever is due now and returns; timers, messages and finished
 * fetches call it again. A failure in judging one submission refuses that one; nothing in here ends the loop.
 */
import { type FetchRequest, listRefusals, type Receipt, RoundBook, type Verdict } from '../gauntlet/book.ts';
import type { Report } from '../gauntlet/events.ts';
import { type Refusal, refusal } from '../gauntlet/notes.ts';
import { type Standings, updateStandings } from '../gauntlet/standings.ts';
import { hasCertificate } from '../chain/certificate.ts';
import { admits, knows } from '../chain/state.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import { cleanText } from '../protocol/clean-text.ts';
import { type OpenFailure, type Peeked, seal } from '../protocol/envelope.ts';
import { messageOf } from '../protocol/errors.ts';
import type { Identity } from '../protocol/identity.ts';
import { MAX_ADAPTER, type Message, type MessageOf, type RoundFailure } from '../protocol/messages.ts';
import { encodePassedOver } from '../protocol/passed-over.ts';
import { ProfileBook } from '../protocol/profile-book.ts';
import { type Clock, every, pause, withDeadline } from '../protocol/timer.ts';
import { type Presence, PresenceBook, type PresenceSource } from '../swarm/presences.ts';
import { hear } from '../swarm/hear.ts';
import { Repeats } from '../swarm/repeats.ts';
import type { GossipVerdict, Swarm } from '../swarm/types.ts';
import type { WorkValidator } from '../work/workload.ts';
import type { Auditor } from './auditor.ts';
import { bytesPerParameter, opinionOf, type SeatChain } from './certify.ts';
import { type FailedRound, failedRound, MeasuringError, unmeasured } from './round-failure.ts';
import { NextMembers } from './next-members.ts';
import { ServedRounds } from './served-rounds.ts';
import { RoundGate } from './time-guard.ts';

export interface ValidatorOptions {
  readonly chain: SeatChain;
  readonly swarm: Pick<Swarm, 'publish' | 'fetch' | 'serve' | 'forget' | 'peerId'>;
  readonly identity: Identity;
  readonly work: WorkValidator;
  readonly clock: Clock;
  /** Milliseconds of a clock that nobody sets (time-guard.ts). Default: `clock`. */
  readonly real?: () => number;
  readonly report: Report;
  /** What losses are measured on, for the picture of the swarm. */
  readonly machine: () => string;
  readonly standings: Standings;
  /** Called after each round with the standings to keep. */
  readonly onStandings: (standings: Standings) => void;
  /** Opinion on a round without a certificate; certified ones are kept with their certificate. */
  readonly onOpinion: (opinion: MessageOf<'opinion'>, verdict: Verdict) => void;
  /** The held-out loss of the state at a height, once it is measured. */
  readonly onHeldOut: (height: number, loss: number) => void;
  /** Seed of a round's lots, for simulations that compare runs. Default: the hash of all seals. */
  readonly lots?: (round: number) => Uint8Array;
  /** Sees what becomes of each commit, reveal and fetched bytes; null: an envelope did not open. For simulations. */
  readonly onReceipt?: (receipt: Receipt | null) => void;
  /** Sees each verdict before it is certified, for simulations. */
  readonly onVerdict?: (verdict: Verdict, book: RoundBook<unknown, unknown>) => void;
}

interface OpenRound {
  readonly round: number;
  readonly book: RoundBook<unknown, unknown>;
  readonly fetching: Set<string>;
  /** Given up: nobody served them in time. */
  readonly failed: Set<string>;
  judging: Promise<void> | null;
}

/** Share of the judge phase in which fetches under way may still end, and in which losses may be measured. */
const FETCH_GRACE = 0.25;
const MEASURE_SHARE = 0.8;
const FETCH_RETRY_MS = 300;
const MAX_FETCHES = 8;
const PRESENCE_MS = 4000;

export class Validator {
  /** Names that contributors show, for tabs that come later. */
  readonly profiles: ProfileBook;
  readonly #o: ValidatorOptions;
  readonly #abort = new AbortController();
  readonly #presences: PresenceBook;
  readonly #next: NextMembers;
  readonly #repeats: Repeats;
  /** Certified work, for tabs that are late. */
  readonly served: ServedRounds;
  #round: OpenRound | null = null;
  #auditor: Auditor | null = null;
  #standings: Standings;
  /** What the last certificate applied, for finding copies of it. */
  #applied: readonly unknown[] = [];
  #cancelTimer: () => void = () => {};
  readonly #extraTimers = new Set<() => void>();
  #stopPresence: () => void = () => {};
  /** Judgements run one after another; a late one finishes before the next begins. */
  #queue: Promise<void> = Promise.resolve();
  #stateLoaded: Promise<void> = Promise.resolve();
  /** Newest outcome as published, said again for late ears. */
  #lastWords: readonly Uint8Array[];
  #roundsLost = 0;
  #failed: FailedRound | null = null;
  #refusedUncertified = 0;
  readonly #gate: RoundGate;

  constructor(options: ValidatorOptions) {
    const { chain, swarm, clock } = options;
    this.#o = options;
    this.profiles = new ProfileBook(chain.run.id, () => clock.now());
    this.#repeats = new Repeats(() => clock.now());
    this.served = new ServedRounds(swarm);
    this.#presences = new PresenceBook(
      () => chain.run.rounds.round(clock.now()),
      () => clock.now(),
    );
    this.#next = new NextMembers({ chain, clock, onFirst: (ready) => this.#wakeAt(ready) });
    this.#standings = options.standings;
    this.#lastWords = chain.lastMessages;
    const { roundMs } = chain.run.manifest.schedule;
    this.#gate = new RoundGate(options.real ?? (() => clock.now()), roundMs);
  }

  /** Has accepted work audited from now on. Null: this machine cannot replay, or the run has no audits. */
  setAuditor(auditor: Auditor | null): void {
    this.#auditor = auditor;
  }

  get standings(): Standings {
    return this.#standings;
  }

  /** Loads the certified state for measuring, without starting any timer. */
  async prepare(): Promise<void> {
    this.#loadState();
    await this.#stateLoaded;
  }

  /** Starts following the clock. */
  start(): void {
    this.#stopPresence = every(this.#o.clock, PRESENCE_MS, () => void this.#presence());
    void this.#presence();
    this.#arm();
    this.advance();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#cancelTimer();
    for (const cancel of this.#extraTimers) cancel();
    this.#stopPresence();
    await this.#queue;
  }

  get roundsLost(): number {
    return this.#roundsLost;
  }

  presences(): Presence[] {
    return this.#presences.list();
  }

  /** Where everybody stands in the round that is open. */
  entries(): ReturnType<RoundBook<unknown, unknown>['entries']> {
    return this.#round?.book.entries() ?? [];
  }

  /** A gossip message; `from`: the peer that published it. Never throws. */
  handle(bytes: Uint8Array, from: string): Promise<GossipVerdict> {
    return hear(bytes, {
      run: this.#o.chain.run.id,
      repeats: this.#repeats,
      unopened: (failure) => this.#unopened(failure),
      unheard: (peeked) => this.#unheard(peeked),
      take: (message, sender) => this.#take(message, { sender, from, known: this.#knows(sender) }, bytes),
    });
  }

  #unopened({ reason }: OpenFailure): GossipVerdict {
    this.#o.onReceipt?.(null);
    return reason === 'version' ? 'unwanted' : 'reject';
  }

  #knows(key: Uint8Array): boolean {
    const { chain } = this.#o;
    return knows(chain.run, chain.state, key);
  }

  /** What is decided by kind and claimed sender, before anything is decoded or verified. */
  #unheard({ kind, sender }: Peeked): GossipVerdict | null {
    switch (kind) {
      case 'join':
      case 'presence':
      case 'profile':
        return null;
      case 'commit':
      case 'reveal':
      case 'answer':
        if (this.#knows(sender)) return null;
        // Keys are free: a stranger's work is not even read.
        if (kind !== 'answer') this.#o.onReceipt?.({ ok: false, ...refusal('not-member', 'not-admitted') });
        return 'ignore';
      // The only validator is this one, and own messages are not delivered.
      case 'audit':
      case 'certificate':
      case 'no-certificate':
      case 'opinion':
        return 'ignore';
    }
  }

  #take(message: Message, source: PresenceSource, sealed: Uint8Array): GossipVerdict {
    const { sender, known } = source;
    switch (message.kind) {
      case 'join':
        return this.#next.take(message, sender);
      case 'answer':
        return this.#auditor?.take(sender, message) ?? 'ignore';
      case 'commit':
      case 'reveal':
        return this.#announced(message, sender);
      case 'presence':
        return this.#presences.take(message, source);
      case 'profile':
        return this.profiles.offer(sender, message, sealed, known) && known ? 'accept' : 'ignore';
      default:
        return 'ignore';
    }
  }

  #announced(message: MessageOf<'commit'> | MessageOf<'reveal'>, sender: Uint8Array): GossipVerdict {
    const { chain, clock, work } = this.#o;
    this.advance();
    const round = this.#round;
    if (round === null) return 'ignore';
    const now = clock.now();
    const receipt =
      message.kind === 'commit'
        ? round.book.commit(sender, message, now)
        : round.book.reveal(sender, message, now);
    this.#o.onReceipt?.(receipt);
    if (receipt.ok && message.kind === 'commit') this.#anticipate(round.round, sender);
    // What this claim leaves is what the next one starts from.
    if (receipt.ok && message.kind === 'reveal' && chain.state.members.has(toHex(sender)))
      work.note(sender, round.round, message.claim);
    this.advance();
    if (receipt.ok) return 'accept';
    // What breaks the manifest is wrong for everybody; time and state another peer may see differently.
    return receipt.reason === 'malformed' || receipt.reason === 'too-large' ? 'reject' : 'ignore';
  }

  /** Does what is due: opens a round, fetches, begins to judge. Cheap when nothing is. */
  advance(): void {
    if (this.#abort.signal.aborted) return;
    this.#auditor?.advance();
    const now = this.#o.clock.now();
    const { rounds } = this.#o.chain.run;
    if (!rounds.begun(now)) return;
    const number = rounds.round(now);
    if (this.#round?.round !== number) {
      this.#closeLost(this.#round);
      this.#round = null;
      // After a restart within a round that is certified already there is nothing left to do in it.
      const gate = this.#gate.at(number, this.#o.chain.state.head.round);
      if (gate.open) this.#round = this.#openRound(number);
      else if (gate.lost !== null) {
        this.#roundsLost++;
        this.#o.report(gate.lost);
      }
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
    const { chain, work, lots } = this.#o;
    const { run } = chain;
    const { reveal, judge } = run.rounds.deadlines(round);
    const opened: OpenRound = {
      round,
      fetching: new Set(),
      failed: new Set(),
      judging: null,
      book: new RoundBook({
        run,
        round,
        judge: work.open({
          round,
          head: () => chain.state.head,
          inRace: () =>
            opened.book
              .entries()
              .flatMap(({ contributor, state }) => (state === 'refused' ? [] : [contributor])),
          measureUntil: reveal + MEASURE_SHARE * (judge - reveal),
        }),
        baseRoot: () => chain.state.head.root,
        ledger: () => chain.state.ledger,
        standings: this.#standings,
        previous: this.#applied,
        audited: this.#auditor !== null,
        isMember: (contributor) => admits(run, chain.state, contributor, round),
        ...(lots === undefined ? {} : { lots: lots(round) }),
      }),
    };
    void this.#repeatLastWords();
    this.#anticipate(round);
    return opened;
  }

  /** Measures now what can be measured before the work is there. */
  #anticipate(round: number, contributor?: Uint8Array): void {
    this.#o.work.anticipate(round, this.#o.chain.state.head, contributor);
  }

  /** A round that ended before it was judged: only a host that slept or was overloaded gets here. */
  #closeLost(round: OpenRound | null): void {
    if (round === null || round.judging !== null) return;
    this.#roundsLost++;
    this.#o.report({ is: 'round-missed', round: round.round });
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

  /** Fetches one piece of work, trying again while there is time: its sender may only just have begun to serve it. */
  async #fetch(round: OpenRound, { contributor, blob, peer }: FetchRequest, limit: number): Promise<void> {
    const { clock, swarm } = this.#o;
    let problem = '';
    while (clock.now() < limit && !this.#abort.signal.aborted) {
      try {
        const bytes = await withDeadline(clock, limit, this.#abort.signal, (signal) =>
          swarm.fetch(blob.hash, { size: blob.size, prefer: [peer], signal }),
        );
        const receipt = await round.book.bytes(contributor, bytes);
        this.#o.onReceipt?.(receipt);
        return;
      } catch (error) {
        problem = messageOf(error);
        await pause(clock, FETCH_RETRY_MS, this.#abort.signal);
      }
    }
    round.failed.add(toHex(contributor));
    round.book.notServed(contributor, refusal('not-revealed', 'not-served', { error: problem }));
  }

  #fetchDeadline(round: number): number {
    const { reveal, judge } = this.#o.chain.run.rounds.deadlines(round);
    return reveal + FETCH_GRACE * (judge - reveal);
  }

  /** Whether nothing more can come that would change the verdict, or time is up. */
  #ready(round: OpenRound, now: number): boolean {
    const { commit, reveal } = this.#o.chain.run.rounds.deadlines(round.round);
    if (this.#next.needNotWait(now)) return true;
    if (now < commit) return false;
    if (now >= this.#fetchDeadline(round.round)) return true;
    if (round.fetching.size > 0) return false;
    const missing = round.book.toFetch(now).some(({ contributor }) => !round.failed.has(toHex(contributor)));
    if (missing) return false;
    return now >= reveal || round.book.entries().every(({ state }) => state !== 'committed');
  }

  async #judge(round: OpenRound): Promise<void> {
    const { chain, report } = this.#o;
    try {
      // Slow bytes are bytes not served in time. It is not for want of room, which would leave the error feedback unseen.
      for (const key of round.fetching)
        round.book.notServed(fromHex(key), refusal('not-revealed', 'slow-bytes'));
      const joined = this.#next.joined(round.round);
      const audits = this.#auditor?.outcomes(round.round) ?? [];
      const verdict = await round.book.judge({ joined, audits });
      if (this.#abort.signal.aborted) return;
      this.#standings = updateStandings(this.#standings, verdict.round, verdict.scores);
      this.#o.onStandings(this.#standings);
      this.#o.onVerdict?.(verdict, round.book);
      // What the round started from, before a certificate moves it on.
      const { head } = chain.state;
      const auditor = round.book.auditable().length > 0 ? this.#auditor : null;
      const theta = auditor == null ? null : await chain.theta();
      if (hasCertificate(verdict)) await this.#certify(round, verdict);
      else await this.#publishNothing(verdict);
      this.#noteFailure(unmeasured(verdict));
      // Without a certificate too: where all who are left wait for an audit, its outcome is what is certified next.
      if (theta !== null) await auditor?.draw(round.book, head, theta);
      this.#settle(verdict);
    } catch (error) {
      await this.#giveUp(round, error).catch((cause: unknown) =>
        report({ is: 'not-published', round: round.round, error: messageOf(cause) }),
      );
    }
  }

  /** Why the newest judged round failed on this machine; null: it did not. */
  get failed(): FailedRound | null {
    return this.#failed;
  }

  /** Refusals of rounds without a certificate, which no ledger counts. */
  get refusedUncertified(): number {
    return this.#refusedUncertified;
  }

  #noteFailure(failed: FailedRound | null): void {
    this.#failed = failed;
  }

  #settle(verdict: Parameters<WorkValidator['settle']>[0]): void {
    this.#o.work.settle(verdict, (key) => this.#o.chain.state.members.has(key));
  }

  /** Tells the swarm not to wait, and why. Contributors that were not refused are not to blame, and lose nothing. */
  async #giveUp({ round, book }: OpenRound, error: unknown): Promise<void> {
    const { head, members } = this.#o.chain.state;
    if (this.#abort.signal.aborted) return;
    if (head.round >= round) {
      this.#o.report({ is: 'not-published', round, error: messageOf(error) });
      return;
    }
    this.#roundsLost++;
    const failed = failedRound(round, error);
    this.#noteFailure(failed);
    this.#o.report({ is: 'round-failed', ...failed });
    const spared: Refusal = refusal('unjudged', 'gave-up');
    const entries = book.entries().filter(({ contributor }) => members.has(toHex(contributor)));
    const verdict: Verdict = {
      round,
      baseRoot: head.root,
      accepted: [],
      ...listRefusals(
        entries.map(({ contributor, refusal: own }) => ({
          rank: 0,
          refused: { contributor, ...(own ?? spared) },
        })),
      ),
      joined: [],
      audits: [],
      scores: [],
    };
    this.#settle(verdict);
    await this.#say(verdict, failed.failure);
  }

  async #publishNothing(verdict: Verdict): Promise<void> {
    const opinion = await this.#say(verdict);
    const { round, refused } = verdict;
    if (refused.length > 0 || this.presences().some((p) => p.role === 'contributor'))
      this.#o.report({ is: 'nothing-certified', round, refused, opinion });
  }

  /** Publishes that a round has no certificate, and why. */
  async #say(verdict: Verdict, failure: RoundFailure | null = null): Promise<MessageOf<'opinion'>> {
    const { chain, identity, onOpinion } = this.#o;
    const { round } = verdict;
    const opinion = opinionOf(chain.run, chain.state.head.height, verdict, null);
    onOpinion(opinion, verdict);
    const refused = verdict.refused.map(({ contributor, reason }) => ({ contributor, reason }));
    this.#refusedUncertified += verdict.refused.filter(({ reason }) => reason !== 'unjudged').length;
    const passedOver = encodePassedOver(verdict.passedOver);
    const word: Message = {
      kind: 'no-certificate',
      run: chain.run.id,
      round,
      failure,
      refused,
      passedOver,
    };
    this.#lastWords = [await seal(identity, opinion), await seal(identity, word)];
    await this.#publishAll(this.#lastWords);
    return opinion;
  }

  async #certify(round: OpenRound, verdict: Verdict): Promise<void> {
    const { chain, identity, work, report } = this.#o;
    await this.#stateLoaded.catch((error: unknown) => {
      throw new MeasuringError(messageOf(error), { cause: error });
    });
    const accepted = verdict.accepted.map((entry) => {
      const done = round.book.workOf(entry.contributor);
      if (done === null) throw new Error('accepted work has no bytes');
      return done;
    });
    const bytes = accepted.map((done) => done.bytes);
    const { certificate, opinion, messages } = await chain.append({
      verdict,
      work: bytes,
      validator: identity,
      heldOutLoss: await work.heldOut(),
    });
    this.served.add(accepted.map((done) => [done.read.blob.hash, done.bytes]));
    this.#applied = round.book.applied();
    this.#lastWords = messages;
    await this.#publishAll(messages);
    const { elements } = chain.run.layout;
    report({
      is: 'certified',
      body: certificate.body,
      opinion,
      bytesPerParameter: bytesPerParameter(bytes, elements),
    });
    this.#auditor?.recorded(verdict.audits);
    this.#loadState();
  }

  async #publishAll(messages: readonly Uint8Array[]): Promise<void> {
    for (const message of messages) await this.#o.swarm.publish(message);
  }

  /** Hands the new state to the loss meter and measures its held-out loss while the next round trains. */
  #loadState(): void {
    const { chain, work, report, onHeldOut } = this.#o;
    const { height } = chain.state.head;
    this.#stateLoaded = chain.theta().then((theta) => work.load(height, theta));
    this.#stateLoaded
      .then(() => work.heldOut())
      .then((loss) => onHeldOut(height, loss))
      .catch((error: unknown) => {
        if (!this.#abort.signal.aborted) report({ is: 'held-out-failed', error: messageOf(error) });
      });
  }

  /** Tabs that missed the last round's outcome, or joined since, hear it again. */
  async #repeatLastWords(): Promise<void> {
    await this.#publishAll(this.#lastWords).catch(() => {});
  }

  async #presence(): Promise<void> {
    const { chain, swarm, identity, clock, machine } = this.#o;
    const { run, state } = chain;
    const { round, phase } = run.rounds.phase(clock.now());
    try {
      const message = await seal(identity, {
        kind: 'presence',
        run: run.id,
        round,
        peer: swarm.peerId,
        role: 'validator',
        state: phase === 'judge' || phase === 'reveal' ? 'judging' : 'waiting',
        adapter: cleanText(machine(), MAX_ADAPTER),
        tokensPerSecond: 0,
        root: state.head.root,
        height: state.head.height,
      });
      await swarm.publish(message);
    } catch (error) {
      this.#o.report({ is: 'presence-failed', error: messageOf(error) });
    }
  }

  /** Looks at what is due at a time that is not the schedule's. */
  #wakeAt(at: number): void {
    const cancel = this.#o.clock.at(at, () => {
      this.#extraTimers.delete(cancel);
      this.advance();
    });
    this.#extraTimers.add(cancel);
  }

  /** Wakes at the next moment at which something can be due. */
  #arm(): void {
    if (this.#abort.signal.aborted) return;
    const { clock, chain } = this.#o;
    const { rounds, manifest } = chain.run;
    const { schedule } = manifest;
    const now = clock.now();
    const round = rounds.round(now);
    const { train, commit, reveal, judge } = rounds.deadlines(round);
    // Auditors ask again in the middle of the training window.
    const middle = train - schedule.trainMs / 2;
    const moments = [middle, commit, reveal, this.#fetchDeadline(round), judge, schedule.startMs];
    this.#cancelTimer = clock.at(Math.min(...moments.filter((at) => at > now)), () => {
      this.advance();
      this.#arm();
    });
  }
}
