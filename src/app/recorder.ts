/**
 * Writes what happens into the store: rounds, credits, losses, peers, traffic. The only place that does arithmetic on
 * numbers the volunteer sees; credits come from certificates and the ledger, never from hopes.
 */
import type { CheckedCertificate } from '../chain/certificate.ts';
import type { ChainFollower, Link } from '../chain/follower.ts';
import { type OwnReason, ownReason } from '../chain/own-reason.ts';
import { type Account, emptyLedger, type Ledger } from '../chain/ledger.ts';
import { opinionsOn } from '../chain/links.ts';
import { heldOutLossOf } from '../chain/opinions.ts';
import type { Run } from '../chain/run.ts';
import { note } from '../gauntlet/notes.ts';
import type { OwnRound } from '../peer/contributor.ts';
import type { Host } from '../peer/host.ts';
import type { Inbox } from '../peer/inbox.ts';
import type { RunClock } from '../peer/run-clock.ts';
import type { TimeUse } from '../peer/time-use.ts';
import { toHex } from '../protocol/bytes.ts';
import type { MessageOf, Note } from '../protocol/messages.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import { every } from '../protocol/timer.ts';
import type { LinkPath, Swarm } from '../swarm/types.ts';
import { decodeClaim } from '../work/pretrain/claim.ts';
import type { TrainProgress } from '../work/pretrain/trainer-api.ts';
import { withMilestones } from './milestones.ts';
import { NO_STANDING } from './picture-state.ts';
import { shownText } from './shown-text.ts';
import { boardOf, creditShare, standingOf, teamsOf } from './standing.ts';
import type { PeerView, RoundRecord } from './state.ts';
import { type AppStore, addHeldOutLoss, addRound, addTrainLoss } from './store.ts';
import { UsageLog } from './usage.ts';

const TICK_MS = 1000;
/** Rates are averaged over this many ticks, so that a burst of one blob does not look like a broadband line. */
const RATE_TICKS = 5;
/** Sorting everybody's account for the page takes time that catching up needs. */
const BOARD_MS = 250;
/** Rounds of which own submissions and validators' figures are remembered. */
const KEEP_ROUNDS = 8;

/** Own work of a round that is not settled yet. */
export interface OwnWork extends OwnRound {
  readonly innerSteps: number;
  readonly tokens: number;
}

export class Recorder {
  readonly #store: AppStore;
  readonly #host: Host;
  readonly #clock: RunClock;
  /** Of the chain that this tab has checked itself, so it needs nobody's word. */
  #ledger: Ledger = emptyLedger();
  #own = '';
  /** Submitted, verdict not known yet. */
  readonly #submitted = new Map<number, OwnWork>();
  /** Validators' figures behind own refusals, by round. */
  readonly #notes = new Map<number, Note>();
  /** Opinions are opened one link after another, so that the curve grows in order. */
  #opening: Promise<unknown> = Promise.resolve();
  #progressRound = -1;
  #counted = { innerSteps: 0, tokens: 0, busyMs: 0 };
  readonly #usage = new UsageLog();
  /** Milliseconds spent in training steps since the page was opened. */
  #busyMs = 0;
  #profiles: ProfileBook | null = null;
  #profilesShown = 0;
  #boardShownAt = Number.NEGATIVE_INFINITY;
  #cancelBoard: (() => void) | null = null;

  constructor(store: AppStore, host: Host, clock: RunClock) {
    this.#store = store;
    this.#host = host;
    this.#clock = clock;
  }

  /** A certificate became the head; the chain is the one after it. */
  head(
    link: Link,
    { run, ledger, members }: Pick<ChainFollower, 'run' | 'ledger' | 'members'>,
    ownKey: Uint8Array,
  ): void {
    const { body } = link.certificate;
    this.#own = toHex(ownKey);
    this.#ledger = ledger;
    const at = run.rounds.deadlines(body.round).judge;
    const own = this.#ownPart(body, ownKey, run, members.has(this.#own));
    addRound(this.#store, {
      round: body.round,
      height: body.height,
      root: toHex(body.root),
      contributors: body.accepted.length,
      heldOutLoss: null,
      own,
      at,
    });
    const account = ledger.accounts.get(this.#own);
    this.#store.setState((s) => ({
      height: body.height,
      root: toHex(body.root),
      trainedTokens: s.trainedTokens + body.accepted.reduce((sum, entry) => sum + entry.units, 0),
      totals: {
        ...s.totals,
        accepted: account?.accepted ?? 0,
        credits: account?.credits ?? 0,
        refused: s.totals.refused + (own?.outcome === 'refused' ? 1 : 0),
      },
    }));
    this.#store.setState((s) => ({
      standing: standingOf(ledger, this.#own, run.manifest.credits, s.standing, body),
      ...(account !== undefined && {
        milestones: withMilestones(s.milestones, { ...account, tokens: account.units }, body.round, at),
      }),
    }));
    this.#showBoard();
    this.#opening = this.#opening
      .then(() => opinionsOn(run, body.round, link.opinions))
      .then((opened) =>
        this.#annotate(
          opened.map(({ opinion }) => opinion),
          body.round,
          at,
        ),
      );
  }

  /** What validators measured of a certified round. */
  #annotate(opinions: readonly MessageOf<'opinion'>[], round: number, at: number): void {
    const heldOutLoss = heldOutLossOf(opinions);
    if (heldOutLoss !== null) addHeldOutLoss(this.#store, at, heldOutLoss);
    for (const opinion of opinions) this.opinion(opinion);
    this.#store.setState((s) => ({
      rounds: s.rounds.map((r) => (r.round === round ? { ...r, heldOutLoss } : r)),
    }));
  }

  /** A validator's figures behind own refusals and audits, as they are heard. */
  opinion({ round, refused, audits }: MessageOf<'opinion'>): void {
    const ofOwn = (list: MessageOf<'opinion'>['refused']): Note | null =>
      list.find(({ contributor }) => toHex(contributor) === this.#own)?.note ?? null;
    const found = ofOwn(refused);
    if (found !== null) {
      this.#notes.set(round, found);
      for (const old of this.#notes.keys()) if (old < round - KEEP_ROUNDS) this.#notes.delete(old);
      this.#store.setState((s) => ({
        rounds: s.rounds.map((r) =>
          r.round === round && r.own?.outcome === 'refused' ? { ...r, own: { ...r.own, note: found } } : r,
        ),
      }));
    }
    const audit = ofOwn(audits);
    if (audit !== null)
      this.#store.setState(({ standing }) => ({
        standing: {
          ...standing,
          lastAudit: standing.lastAudit && { ...standing.lastAudit, note: audit },
        },
      }));
  }

  /** The own account; undefined before the first entry. */
  get account(): Account | undefined {
    return this.#ledger.accounts.get(this.#own);
  }

  /** A new follower starts from genesis: so does the history. */
  restart(): void {
    this.#ledger = emptyLedger();
    this.#store.setState((s) => ({
      rounds: [],
      heldOutLoss: [],
      milestones: [],
      standing: NO_STANDING,
      height: 0,
      root: null,
      trainedTokens: 0,
      // Refusals stand in the certificates that are about to be read again.
      totals: { ...s.totals, refused: 0 },
    }));
  }

  submitted(own: OwnWork): void {
    this.#submitted.set(own.round, own);
    for (const round of this.#submitted.keys())
      if (round < own.round - KEEP_ROUNDS) this.#submitted.delete(round);
  }

  /** A round that ended without a certificate, in which we had submitted. */
  lost({ round }: OwnRound, reason: OwnReason | null): void {
    const own = this.#submitted.get(round);
    this.#submitted.delete(round);
    addRound(this.#store, {
      ...this.#uncertified(round),
      own: {
        outcome: outcomeBy(reason),
        reason: reason ?? 'no-certificate',
        note: this.#notes.get(round) ?? null,
        innerSteps: own?.innerSteps ?? 0,
        tokens: own?.tokens ?? 0,
        credits: 0,
        submissionBytes: own?.bytes ?? 0,
        share: null,
      },
    });
    this.#store.setState((s) => ({
      totals: { ...s.totals, refused: s.totals.refused + (outcomeBy(reason) === 'refused' ? 1 : 0) },
    }));
  }

  /** The validators say a round has no certificate; they repeat it, and what is on record already says more. */
  emptyRound(round: number): void {
    if (this.#submitted.has(round)) return;
    if (this.#store.getState().rounds.some((r) => r.round === round)) return;
    addRound(this.#store, { ...this.#uncertified(round), own: null });
  }

  #uncertified(round: number): Omit<RoundRecord, 'own'> {
    const at = this.#clock.now();
    return { round, height: null, root: null, contributors: 0, heldOutLoss: null, at };
  }

  progress(round: number, p: TrainProgress): void {
    if (round !== this.#progressRound || p.innerSteps < this.#counted.innerSteps) {
      this.#progressRound = round;
      this.#counted = { innerSteps: 0, tokens: 0, busyMs: 0 };
    }
    const steps = p.innerSteps - this.#counted.innerSteps;
    const tokens = p.tokens - this.#counted.tokens;
    this.#busyMs += Math.max(0, p.busyMs - this.#counted.busyMs);
    this.#counted = { innerSteps: p.innerSteps, tokens: p.tokens, busyMs: p.busyMs };
    this.#store.setState((s) => ({
      tokensPerSecond: s.intent === 'running' ? p.tokensPerSecond : 0,
      totals: { ...s.totals, innerSteps: s.totals.innerSteps + steps, tokens: s.totals.tokens + tokens },
    }));
    if (Number.isFinite(p.loss)) addTrainLoss(this.#store, this.#clock.now(), p.loss);
  }

  /** Keeps peers, traffic and the countdown up to date until the returned function is called. */
  follow(swarm: Swarm, { rounds }: Run, inbox: Inbox, time: Pick<TimeUse, 'sum' | 'lastRound'>): () => void {
    this.#profiles = inbox.profiles;
    const history: { bytesIn: number; bytesOut: number }[] = [];
    const tick = () => {
      const position = rounds.phase(this.#clock.now());
      const traffic = swarm.traffic();
      const withHttp = { ...traffic.bytesIn, host: traffic.bytesIn.host + this.#host.bytesIn };
      const bytesIn = sum(withHttp);
      const bytesOut = sum(traffic.bytesOut);
      history.push({ bytesIn, bytesOut });
      if (history.length > RATE_TICKS + 1) history.shift();
      const first = history[0] ?? { bytesIn, bytesOut };
      const seconds = Math.max(1, history.length - 1) * (TICK_MS / 1000);
      this.#store.setState({
        host: swarm.hostState,
        peerId: swarm.peerId,
        round: position.round,
        phase: position.phase,
        phaseEndsAt: position.endsAt,
        clockOffsetMs: this.#clock.offsetMs,
        peers: this.#peers(swarm, inbox),
        traffic: {
          bytesIn: withHttp,
          bytesOut: traffic.bytesOut,
          rateIn: (bytesIn - first.bytesIn) / seconds,
          rateOut: (bytesOut - first.bytesOut) / seconds,
        },
      });
      const counters = {
        bytesIn,
        bytesOut,
        tokens: this.#store.getState().totals.tokens,
        busyMs: this.#busyMs,
      };
      if (this.#usage.record(this.#clock.toLocal(this.#clock.now()), counters)) {
        this.#store.setState({
          usage: this.#usage.samples,
          busyMs: this.#busyMs,
          timeUse: { sum: time.sum, lastRound: time.lastRound },
        });
      }
      if (inbox.profiles.changes !== this.#profilesShown) this.#showBoard();
    };
    tick();
    const stop = every(this.#clock, TICK_MS, tick);
    const off = swarm.on('change', tick);
    return () => {
      stop();
      off();
      this.#cancelBoard?.();
      this.#cancelBoard = null;
    };
  }

  #peers(swarm: Swarm, inbox: Inbox): PeerView[] {
    const { root, height } = this.#store.getState();
    const byPeer = new Map(inbox.presences().map((p) => [p.peer, p]));
    return swarm.links().map((link) => {
      const p = byPeer.get(link.peer);
      return {
        peer: link.peer,
        name: (p && inbox.profiles.get(p.contributor)?.name) ?? '',
        role: link.path === 'host' ? 'validator' : (p?.role ?? 'unknown'),
        adapter: shownText(p?.adapter ?? ''),
        state: shownText(p?.state ?? ''),
        path: link.path,
        rttMs: link.rttMs,
        bytesIn: link.bytesIn,
        bytesOut: link.bytesOut,
        tokensPerSecond: p?.tokensPerSecond ?? 0,
        // A peer at another height is early or late by a few seconds, not wrong.
        inSync: p !== undefined && (p.height !== height || height === 0 || toHex(p.root) === root),
      };
    });
  }

  #ownPart(
    body: CheckedCertificate['body'],
    ownKey: Uint8Array,
    { manifest }: Run,
    isMember: boolean,
  ): RoundRecord['own'] {
    const submitted = this.#submitted.get(body.round);
    this.#submitted.delete(body.round);
    const isOwn = ({ contributor }: { readonly contributor: Uint8Array }): boolean =>
      toHex(contributor) === this.#own;
    const accepted = body.accepted.find(isOwn);
    if (accepted !== undefined) {
      const claim = decodeClaim(accepted.claim);
      return {
        outcome: 'accepted',
        reason: null,
        note: null,
        innerSteps: claim?.innerSteps ?? 0,
        tokens: accepted.units,
        credits: body.credits.find(isOwn)?.amount ?? 0,
        submissionBytes: claim?.submission.size ?? 0,
        share: creditShare(manifest.credits, body, ownKey),
      };
    }
    const refused = body.refused.find(isOwn);
    if (submitted === undefined && refused === undefined) return null;
    const reason = ownReason(body, ownKey, isMember);
    const unseen = refused === undefined && reason === 'late' ? note('no-commit') : null;
    return {
      outcome: outcomeBy(reason),
      reason,
      note: this.#notes.get(body.round) ?? unseen,
      innerSteps: submitted?.innerSteps ?? 0,
      tokens: submitted?.tokens ?? 0,
      credits: 0,
      submissionBytes: submitted?.bytes ?? 0,
      share: null,
    };
  }

  /** At once, or a moment later when it was just done: a tab that catches up reads hundreds of certificates a second. */
  #showBoard(): void {
    const now = this.#clock.now();
    if (this.#boardShownAt + BOARD_MS > now) {
      this.#cancelBoard ??= this.#clock.at(this.#boardShownAt + BOARD_MS, () => {
        this.#cancelBoard = null;
        this.#showBoard();
      });
      return;
    }
    this.#cancelBoard?.();
    this.#cancelBoard = null;
    this.#boardShownAt = now;
    const profiles = this.#profiles ?? { get: () => null };
    this.#profilesShown = this.#profiles?.changes ?? 0;
    this.#store.setState({
      leaderboard: boardOf(this.#ledger, profiles, this.#own),
      teams: teamsOf(this.#ledger, profiles),
    });
  }
}

/** What the validator's own machine failed at is nobody's refusal. */
const outcomeBy = (reason: OwnReason | null): 'lost' | 'refused' =>
  reason === null || reason === 'unjudged' ? 'lost' : 'refused';

function sum(byPath: Readonly<Record<LinkPath, number>>): number {
  return byPath.direct + byPath.relayed + byPath.host;
}
