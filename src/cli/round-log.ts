/**
 * What came of each round for one contributor, gathered from everything that tells of it (its own trainer, certificates,
 * opinions), as one record a round: what `tabswarm join` prints.
 */
import type { ChainFollower, Link } from '../chain/follower.ts';
import { emptyLedger, type Ledger } from '../chain/ledger.ts';
import { opinionsOn } from '../chain/links.ts';
import { type OwnReason, ownReason } from '../chain/own-reason.ts';
import { heldOutLossOf } from '../chain/opinions.ts';
import type { Run } from '../chain/run.ts';
import type { Times } from '../peer/time-use.ts';
import { fromHex, toHex } from '../protocol/bytes.ts';
import type { MessageOf, Note } from '../protocol/messages.ts';
import type { PretrainClaim } from '../work/pretrain/claim.ts';
import type { RoundWork } from '../work/pretrain/trainer-api.ts';

/**
 * `accepted` or `refused`: so a validator says. `lost`: work was handed in, and nothing was heard of it, or the validator's
 * machine failed. `absent`: none was handed in.
 */
export type RoundOutcome = 'accepted' | 'refused' | 'lost' | 'absent';

/** A line of `tabswarm join --json`. Figures of work are 0, and the loss is null, in a round without own work. */
export interface RoundReport {
  readonly round: number;
  readonly outcome: RoundOutcome;
  /** Why it was refused, or lost: `late` where no validator heard of it, `unjudged` where the validator's machine failed. */
  readonly reason: OwnReason | null;
  /** A validator's figures behind the refusal. */
  readonly note: Note | null;
  /** The certificate admits this contributor: it works from the next round on. */
  readonly admitted: boolean;
  /** Of the certificate; null for a round without one. */
  readonly height: number | null;
  /** State root after it, hex. */
  readonly root: string | null;
  /** Accepted contributors. */
  readonly contributors: number;
  /** Held-out loss of the state that the round started from, nats per token; null when no validator measured it. */
  readonly heldOutLoss: number | null;
  readonly innerSteps: number;
  readonly tokens: number;
  readonly trainLoss: number | null;
  readonly tokensPerSecond: number;
  readonly submissionBytes: number;
  /** Credits of this round and of this key in all. */
  readonly credits: number;
  readonly totalCredits: number;
  /** Peers linked to directly when the round was told. */
  readonly directLinks: number;
  /** Where the time since the start went until then, ms by use. */
  readonly timeUse: Times;
  /** Share of that time, rests left out, that was no training step; null before there was any. */
  readonly idle: number | null;
}

/** What is known when a round is told, whatever came of it. */
type AtTelling = Pick<RoundReport, 'directLinks' | 'timeUse' | 'idle'>;

type Own = Pick<RoundReport, 'innerSteps' | 'tokens' | 'trainLoss' | 'submissionBytes' | 'tokensPerSecond'>;

const NO_WORK: Own = { innerSteps: 0, tokens: 0, trainLoss: null, submissionBytes: 0, tokensPerSecond: 0 };
const NO_CERTIFICATE = { height: null, root: null, contributors: 0, heldOutLoss: null } as const;
const MICRO = 1_000_000;
/** Rounds remembered while their end is not known. */
const KEEP_ROUNDS = 8;

export class RoundLog {
  readonly #report: (report: RoundReport) => void;
  readonly #atTelling: () => AtTelling;
  #run: Run | null = null;
  #own = '';
  /** Rounds before it are history. */
  #first = 0;
  #ledger: Ledger = emptyLedger();
  readonly #work = new Map<number, Own>();
  readonly #speeds = new Map<number, number>();
  readonly #notes = new Map<number, Note>();
  readonly #told = new Set<number>();
  /** Opinions are opened one link after another, so that rounds are told in order. */
  #telling: Promise<void> = Promise.resolve();

  constructor(report: (report: RoundReport) => void, atTelling: () => AtTelling) {
    this.#report = report;
    this.#atTelling = atTelling;
  }

  /** From now on things are said of this run and this key; rounds that are over are not told. */
  enter(run: Run, ownKey: Uint8Array, now: number): void {
    this.#run = run;
    this.#own = toHex(ownKey);
    this.#first = Math.max(this.#first, run.rounds.round(now));
  }

  speed(round: number, tokensPerSecond: number): void {
    keep(this.#speeds, round, tokensPerSecond);
  }

  worked(
    round: number,
    { innerSteps, tokens, submission }: PretrainClaim,
    { trainLoss }: Pick<RoundWork, 'trainLoss'>,
  ): void {
    const tokensPerSecond = this.#speeds.get(round) ?? 0;
    const submissionBytes = submission.size;
    keep(this.#work, round, { innerSteps, tokens, trainLoss, submissionBytes, tokensPerSecond });
  }

  /** A validator's figures, as they are heard. */
  opinion({ round, refused }: MessageOf<'opinion'>): void {
    const own = refused.find(({ contributor }) => toHex(contributor) === this.#own);
    if (own !== undefined) keep(this.#notes, round, own.note);
  }

  /** A certificate became the head; `ledger` is the one after it. */
  head(
    { certificate: { body }, opinions }: Link,
    { ledger, members }: Pick<ChainFollower, 'ledger' | 'members'>,
  ): void {
    this.#ledger = ledger;
    const run = this.#run;
    if (run === null || body.round < this.#first) return;
    const isOwn = ({ contributor }: { readonly contributor: Uint8Array }): boolean =>
      toHex(contributor) === this.#own;
    const accepted = body.accepted.some(isOwn);
    const known = this.#work.get(body.round);
    const took = known !== undefined || body.refused.some(isOwn);
    const reason = accepted || !took ? null : ownReason(body, fromHex(this.#own), members.has(this.#own));
    const outcome = accepted ? 'accepted' : took ? outcomeBy(reason) : 'absent';
    this.#tell(async () => {
      const opened = (await opinionsOn(run, body.round, opinions)).map(({ opinion }) => opinion);
      for (const opinion of opened) this.opinion(opinion);
      return {
        round: body.round,
        outcome,
        reason,
        note: this.#notes.get(body.round) ?? null,
        admitted: body.joined.some(isOwn),
        height: body.height,
        root: toHex(body.root),
        contributors: body.accepted.length,
        heldOutLoss: heldOutLossOf(opened),
        ...(known ?? NO_WORK),
        credits: (body.credits.find(isOwn)?.amount ?? 0) / MICRO,
        totalCredits: (ledger.accounts.get(this.#own)?.credits ?? 0) / MICRO,
      };
    });
  }

  /** The round ended without a certificate; own work in it was handed in: refused, or (null) nothing was heard. */
  lost(round: number, reason: OwnReason | null): void {
    this.#uncertified(round, outcomeBy(reason), reason);
  }

  /** Validators say that the round has no certificate; they say it again and again. */
  empty(round: number): void {
    if (round >= this.#first && !this.#told.has(round) && !this.#work.has(round))
      this.#uncertified(round, 'absent', null);
  }

  /** Resolves when everything is told. */
  settled(): Promise<void> {
    return this.#telling;
  }

  #uncertified(round: number, outcome: RoundOutcome, reason: OwnReason | null): void {
    this.#told.add(round);
    this.#tell(async () => ({
      round,
      outcome,
      reason,
      note: this.#notes.get(round) ?? null,
      admitted: false,
      ...NO_CERTIFICATE,
      ...(this.#work.get(round) ?? NO_WORK),
      credits: 0,
      totalCredits: (this.#ledger.accounts.get(this.#own)?.credits ?? 0) / MICRO,
    }));
  }

  #tell(make: () => Promise<Omit<RoundReport, keyof AtTelling>>): void {
    this.#telling = this.#telling.then(async () => this.#report({ ...(await make()), ...this.#atTelling() }));
  }
}

const outcomeBy = (reason: OwnReason | null): RoundOutcome =>
  reason === null || reason === 'unjudged' ? 'lost' : 'refused';

function keep<T>(map: Map<number, T>, round: number, value: T): void {
  map.set(round, value);
  for (const old of map.keys()) if (old < round - KEEP_ROUNDS) map.delete(old);
}
