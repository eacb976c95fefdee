/**
 * Writes what happens into the store: rounds, credits, losses, peers, traffic. The only place that does arithmetic on
 * numbers the volunteer sees; credits come from certificates and the ledger, never from hopes.
 */
import { toHex } from '../protocol/bytes.ts';
import type { CheckedCertificate } from '../protocol/certificate.ts';
import { type Account, applyToLedger, emptyLedger } from '../protocol/ledger.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { RefusedEntry } from '../protocol/messages.ts';
import type { ProfileBook } from '../protocol/profile-book.ts';
import type { LinkPath, Swarm } from '../swarm/types.ts';
import type { TrainProgress } from '../worker/api.ts';
import type { RunClock } from './clock.ts';
import type { OwnSubmission } from './contributor.ts';
import type { HostClient } from './host-client.ts';
import type { Inbox } from '../swarm/inbox.ts';
import { withMilestones } from './milestones.ts';
import { NO_STANDING } from './picture-state.ts';
import { boardOf, creditShare, standingOf, teamsOf } from './standing.ts';
import type { PeerView, RoundRecord } from './state.ts';
import { type AppStore, addHeldOutLoss, addRound, addTrainLoss, clear, raise } from './store.ts';
import { UsageLog } from './usage.ts';

const TICK_MS = 1000;
/** Rates are averaged over this many ticks, so that a burst of one blob does not look like a broadband line. */
const RATE_TICKS = 5;
/** Sorting everybody's account for the page takes time that catching up needs. */
const BOARD_MS = 250;

export class Recorder {
  readonly #store: AppStore;
  readonly #host: HostClient;
  readonly #clock: RunClock;
  /** Folded from the chain this tab has checked itself, so it needs nobody's word. */
  #ledger = emptyLedger();
  #own = '';
  /** Submitted, verdict not known yet. */
  readonly #submitted = new Map<number, OwnSubmission>();
  #progressRound = -1;
  #counted = { innerSteps: 0, tokens: 0, busyMs: 0 };
  readonly #usage = new UsageLog();
  /** Milliseconds spent in training steps since the page was opened. */
  #busyMs = 0;
  #profiles: ProfileBook | null = null;
  #profilesShown = 0;
  #boardShownAt = Number.NEGATIVE_INFINITY;
  #boardTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(store: AppStore, host: HostClient, clock: RunClock) {
    this.#store = store;
    this.#host = host;
    this.#clock = clock;
  }

  certificate({ body }: CheckedCertificate, ownKey: Uint8Array, manifest: Manifest): void {
    this.#own = toHex(ownKey);
    this.#ledger = applyToLedger(this.#ledger, body, manifest.credits);
    addHeldOutLoss(this.#store, body.time, body.heldOutLoss);
    const own = this.#ownPart(body, ownKey, manifest);
    addRound(this.#store, {
      round: body.round,
      height: body.height,
      root: toHex(body.root),
      contributors: body.accepted.length,
      heldOutLoss: body.heldOutLoss,
      own,
      at: body.time,
    });
    const account = this.#ledger.accounts.get(this.#own);
    this.#store.setState((s) => ({
      height: body.height,
      root: toHex(body.root),
      trainedTokens: s.trainedTokens + body.accepted.reduce((sum, entry) => sum + entry.tokens, 0),
      totals: {
        ...s.totals,
        accepted: account?.accepted ?? 0,
        credits: account?.credits ?? 0,
        refused: s.totals.refused + (own?.outcome === 'refused' ? 1 : 0),
      },
    }));
    this.#store.setState((s) => ({
      standing: standingOf(this.#ledger, this.#own, manifest.credits, s.standing, body),
      ...(account !== undefined && {
        milestones: withMilestones(s.milestones, account, body.round, body.time),
      }),
    }));
    this.#showBoard();
  }

  /** The own account; undefined before the first entry. */
  get account(): Account | undefined {
    return this.#ledger.accounts.get(this.#own);
  }

  /** A new follower starts from genesis: so do the ledger and the history. */
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

  submitted(own: OwnSubmission): void {
    this.#submitted.set(own.round, own);
    for (const round of this.#submitted.keys()) if (round < own.round - 8) this.#submitted.delete(round);
  }

  /** A round that ended without a certificate, in which we had submitted. */
  lost(own: OwnSubmission, refused: RefusedEntry | null): void {
    this.#submitted.delete(own.round);
    addRound(this.#store, {
      round: own.round,
      height: null,
      root: null,
      contributors: 0,
      heldOutLoss: null,
      own: {
        outcome: refused === null ? 'lost' : 'refused',
        reason: refused?.reason ?? 'no-certificate',
        detail: refused?.detail ?? '',
        innerSteps: own.work.innerSteps,
        tokens: own.work.tokens,
        credits: 0,
        submissionBytes: own.work.submission.byteLength,
        share: null,
      },
      at: this.#clock.now(),
    });
    this.#store.setState((s) => ({
      totals: { ...s.totals, refused: s.totals.refused + (refused === null ? 0 : 1) },
    }));
  }

  /** The validators say a round has no certificate; they repeat it, and what is on record already says more. */
  emptyRound(round: number): void {
    if (this.#submitted.has(round)) return;
    if (this.#store.getState().rounds.some((r) => r.round === round)) return;
    addRound(this.#store, {
      round,
      height: null,
      root: null,
      contributors: 0,
      heldOutLoss: null,
      own: null,
      at: this.#clock.now(),
    });
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
  follow(swarm: Swarm, manifest: Manifest, inbox: Inbox): () => void {
    this.#profiles = inbox.profiles;
    const history: { bytesIn: number; bytesOut: number }[] = [];
    const tick = () => {
      const position = this.#clock.phase(manifest.schedule);
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
      if (this.#usage.record(Date.now(), counters)) {
        this.#store.setState({ usage: this.#usage.samples, busyMs: this.#busyMs });
      }
      if (inbox.profiles.changes !== this.#profilesShown) this.#showBoard();
      if (swarm.hostState === 'unreachable') {
        raise(this.#store, {
          code: 'host-unreachable',
          message:
            'The connection to the host is lost. Tabs that are connected go on; trying the host again.',
          recovering: true,
        });
      } else if (swarm.hostState === 'connected') {
        clear(this.#store, 'host-unreachable');
      }
    };
    tick();
    const timer = setInterval(tick, TICK_MS);
    const off = swarm.on('change', tick);
    return () => {
      clearInterval(timer);
      off();
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
        adapter: p?.adapter ?? '',
        state: p?.state ?? '',
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

  #ownPart(body: CheckedCertificate['body'], ownKey: Uint8Array, manifest: Manifest): RoundRecord['own'] {
    const submitted = this.#submitted.get(body.round);
    this.#submitted.delete(body.round);
    const accepted = body.accepted.find((a) => toHex(a.contributor) === this.#own);
    if (accepted !== undefined) {
      return {
        outcome: 'accepted',
        reason: null,
        detail: '',
        innerSteps: accepted.innerSteps,
        tokens: accepted.tokens,
        credits: body.credits.find((c) => toHex(c.contributor) === this.#own)?.amount ?? 0,
        submissionBytes: accepted.submission.size,
        share: creditShare(manifest, body, ownKey),
      };
    }
    const refused = body.refused.find((r) => toHex(r.contributor) === this.#own);
    if (submitted === undefined && refused === undefined) return null;
    return {
      outcome: 'refused',
      reason: refused?.reason ?? 'late',
      detail: refused?.detail ?? 'No validator saw this submission in time.',
      innerSteps: submitted?.work.innerSteps ?? 0,
      tokens: submitted?.work.tokens ?? 0,
      credits: 0,
      submissionBytes: submitted?.work.submission.byteLength ?? 0,
      share: null,
    };
  }

  /** At once, or a moment later when it was just done: a tab that catches up reads hundreds of certificates a second. */
  #showBoard(): void {
    const wait = this.#boardShownAt + BOARD_MS - performance.now();
    if (wait > 0) {
      this.#boardTimer ??= setTimeout(() => this.#showBoard(), wait);
      return;
    }
    clearTimeout(this.#boardTimer);
    this.#boardTimer = undefined;
    this.#boardShownAt = performance.now();
    const profiles = this.#profiles ?? { get: () => null };
    this.#profilesShown = this.#profiles?.changes ?? 0;
    this.#store.setState({
      leaderboard: boardOf(this.#ledger, profiles, this.#own),
      teams: teamsOf(this.#ledger, profiles),
    });
  }
}

function sum(byPath: Readonly<Record<LinkPath, number>>): number {
  return byPath.direct + byPath.relayed + byPath.host;
}
