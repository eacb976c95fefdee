/**
 * A validator's book of one round: each commit and reveal with its time, which bytes to fetch, and the outcome.
 *
 * No I/O, no clock, no GPU: the caller passes opened messages, fetched bytes and the time (swarm time, epoch ms). Claims are
 * opaque here: a {@link RoundJudge} reads, inspects, compares and measures. Checks run cheapest first, and each refusal
 * carries a reason code and the figures behind it. The same messages in the same order give the same outcome.
 *
 *   commit() reveal()  ->  toFetch()  ->  bytes() / notServed()  ->  judge()
 */
import type { Outcome } from '../chain/certificate.ts';
import type { Account, Ledger } from '../chain/ledger.ts';
import type { Run } from '../chain/run.ts';
import { bytesEqual, compareBytes, sha256, toHex } from '../protocol/bytes.ts';
import { encodeCanonical } from '../protocol/codec.ts';
import { MAX_REFUSED } from '../protocol/limits.ts';
import type { JoinedEntry, MessageOf, Score } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { sealMatches } from '../protocol/seal.ts';
import type { Compared, NotedAudit, NotedRefusal, ReadClaim, RoundJudge, Work } from './judge.ts';
import { goesOn, isUnseen } from './carries.ts';
import { type Refusal, refusal } from './notes.ts';
import { lotSeed, selectionOrder } from './selection.ts';
import type { Standings } from './standings.ts';
import { weightsOf } from './weights.ts';

type Commit = MessageOf<'commit'>;
type Reveal = MessageOf<'reveal'>;

/** What became of a message: fine, or refused with the reason. `ok` also for an exact repetition. */
export type Receipt = { readonly ok: true } | ({ readonly ok: false } & Refusal);

/** Bytes that the caller should fetch by hash, best source first. */
export interface FetchRequest {
  readonly contributor: Uint8Array;
  readonly blob: BlobRef;
  /** libp2p peer id that its sender named. */
  readonly peer: string;
}

/** A round's outcome with what one validator measured of it. */
export interface Verdict extends Outcome {
  readonly refused: readonly NotedRefusal[];
  /** Refusals that `refused` has no room for. */
  readonly unlisted: readonly NotedRefusal[];
  readonly audits: readonly NotedAudit[];
  readonly scores: readonly Score[];
}

export interface BookOptions<C, I> {
  readonly run: Run;
  readonly round: number;
  readonly judge: RoundJudge<C, I>;
  /** The certified state root now; asked late, since the last round's certificate may still be on its way. */
  readonly baseRoot: () => Uint8Array;
  /** What the chain says of contributors: verified rounds, passed audits. Asked late for the same reason. */
  readonly ledger: () => Pick<Ledger, 'accounts'>;
  /** What this validator measured of contributors; used where the run selects by rating. */
  readonly standings: Standings;
  /** Whether a contributor is admitted in this round (chain/members.ts). */
  readonly isMember: (contributor: Uint8Array) => boolean;
  /** What the last certificate applied, as it was inspected: whoever hands it in again is a copier. */
  readonly previous: readonly I[];
  /** Audits are held at present, so that a contributor that waits for one will get it. */
  readonly audited: boolean;
  /** Seed of the round's lots, for simulations that compare runs. Default: the hash of all seals. */
  readonly lots?: Uint8Array;
}

/** What else an outcome records: newcomers, and audits of earlier rounds that ended. */
export interface AlsoHappened {
  readonly joined: readonly JoinedEntry[];
  readonly audits: readonly NotedAudit[];
}
const NOTHING: AlsoHappened = { joined: [], audits: [] };

/** Where a contributor stands in the round, for status pages. */
export type EntryState = 'committed' | 'revealed' | 'fetched' | 'accepted' | 'refused';

interface Entry<C, I> {
  readonly contributor: Uint8Array;
  readonly commit: Commit;
  /** The reveal that opened the seal, and what it says. */
  reveal: Reveal | null;
  read: ReadClaim<C> | null;
  work: Work<C, I> | null;
  refused: Refusal | null;
}

/**
 * Commits kept in a round of contributors without verified rounds: a flood of new identities finds the book full, while
 * contributors with verified rounds always get in.
 */
const MAX_STRANGERS = 4096;
/** Refusals kept for members without a valid commit, so that they too hear why. */
const MAX_STRAY = 256;
/** Submissions fetched, as a multiple of those a certificate can hold: some will be refused. */
const FETCH_FACTOR = 2;
/** Measured beyond maxAccepted, as a share of it. */
const RESERVES = 0.25;

const ok: Receipt = { ok: true };

export class RoundBook<C, I> {
  readonly #o: BookOptions<C, I>;
  /** By hex key, in the order of first commits: that order decides who copied whom. */
  readonly #entries = new Map<string, Entry<C, I>>();
  readonly #stray = new Map<string, NotedRefusal>();
  #strangers = 0;
  #order: { keys: string[]; seed: Uint8Array } | null = null;
  #accepted: ReadonlySet<string> = new Set();

  constructor(options: BookOptions<C, I>) {
    this.#o = options;
  }

  get round(): number {
    return this.#o.round;
  }

  /** Takes a contributor's commit. Two different commits of one contributor void its round. */
  commit(contributor: Uint8Array, commit: Commit, now: number): Receipt {
    const wrong = this.#wrongRound(commit);
    if (wrong !== null) return receipt(wrong);
    const key = toHex(contributor);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      if (bytesEqual(encodeCanonical(known.commit), encodeCanonical(commit))) return ok;
      known.refused ??= refusal('duplicate', 'two-commits');
      return receipt(known.refused);
    }
    // Keys are free: nothing of a stranger is kept, and its answer stands in no list.
    if (!this.#o.isMember(contributor)) return receipt(refusal('not-member', 'not-admitted'));
    const late = this.#lateCommit(now);
    if (late !== null) return this.#refuseStray(contributor, late);
    const stranger = this.#verified(contributor) <= 0;
    if (stranger && this.#strangers === MAX_STRANGERS)
      return this.#refuseStray(contributor, refusal('capacity', 'many-newcomers', { most: MAX_STRANGERS }));
    if (stranger) this.#strangers++;
    this.#entries.set(key, { contributor, commit, reveal: null, read: null, work: null, refused: null });
    return ok;
  }

  #account(contributor: Uint8Array): Account | undefined {
    return this.#o.ledger().accounts.get(toHex(contributor));
  }

  #verified(contributor: Uint8Array): number {
    return this.#account(contributor)?.verified ?? 0;
  }

  /** Takes a reveal. Early ones are kept, but nothing is fetched before the commit deadline. */
  reveal(contributor: Uint8Array, reveal: Reveal, now: number): Receipt {
    const wrong = this.#wrongRound(reveal);
    if (wrong !== null) return receipt(wrong);
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined) {
      if (!this.#o.isMember(contributor)) return receipt(refusal('not-member', 'not-admitted'));
      return this.#refuseStray(contributor, refusal('late', 'no-commit'));
    }
    if (entry.refused !== null) return receipt(entry.refused);
    if (entry.reveal !== null && bytesEqual(entry.reveal.claim, reveal.claim)) return ok;
    // Not held against the entry: the true reveal may still come.
    if (!sealMatches(entry.commit.seal, this.#o.run.id, this.#o.round, contributor, reveal.claim))
      return receipt(refusal('hash-mismatch', 'other-claim'));
    const late = now - this.#deadlines().reveal;
    const read =
      late >= 0
        ? refusal('late', 'late-reveal', { ms: late })
        : this.#o.judge.read(contributor, reveal.claim);
    if ('reason' in read) {
      entry.refused = read;
      return receipt(read);
    }
    entry.reveal = reveal;
    entry.read = read;
    return ok;
  }

  /**
   * What to fetch now: nothing before the commit deadline, then the revealed work in the order of selection, as much as
   * could be needed. Call it again after reveals, fetched bytes or failures; what is under way is listed again.
   */
  toFetch(now: number): FetchRequest[] {
    if (now < this.#deadlines().commit) return [];
    const root = this.#o.baseRoot();
    let places = FETCH_FACTOR * this.#o.run.rules.maxAccepted;
    const requests: FetchRequest[] = [];
    for (const key of this.#selection().keys) {
      if (places === 0) break;
      const { contributor, refused, reveal, read, work } = this.#entries.get(key) as Entry<C, I>;
      if (refused !== null || reveal === null || read === null) continue;
      if (this.#o.judge.stateProblem(read.claim, root) !== null) continue;
      places--;
      if (work === null) requests.push({ contributor, blob: read.blob, peer: reveal.peer });
    }
    return requests;
  }

  /** Takes fetched bytes: checks their hash and has them inspected. */
  async bytes(contributor: Uint8Array, bytes: Uint8Array): Promise<Receipt> {
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined || entry.read === null) return receipt(refusal('late', 'no-commit'));
    if (entry.refused !== null) return receipt(entry.refused);
    if (entry.work !== null) return ok;
    const { read } = entry;
    // Whoever served other bytes may be the liar, so that another source may still do.
    if (bytes.byteLength !== read.blob.size || !bytesEqual(await sha256(bytes), read.blob.hash))
      return receipt(refusal('hash-mismatch', 'other-bytes'));
    const looked = this.#o.judge.inspect(contributor, read.claim, bytes);
    if ('reason' in looked) {
      entry.refused ??= looked;
      return receipt(entry.refused);
    }
    entry.work = { contributor, read, bytes, inspected: looked.inspected };
    return ok;
  }

  /** These bytes will not come; final. */
  notServed(contributor: Uint8Array, problem: Refusal): void {
    const entry = this.#entries.get(toHex(contributor));
    if (entry !== undefined && entry.work === null) entry.refused ??= problem;
  }

  /**
   * Judges what is there and returns the verdict; `accepted` may be empty. Call it once, after the reveal deadline or as
   * soon as nothing is left to fetch.
   */
  async judge({ joined, audits } = NOTHING): Promise<Verdict> {
    const { run, round, judge } = this.#o;
    const { maxAccepted } = run.rules;
    const baseRoot = this.#o.baseRoot();
    const selection = this.#selection();

    for (const entry of this.#entries.values()) {
      // The last round's certificate may have come after the commit, and ended the membership.
      if (!this.#o.isMember(entry.contributor)) entry.refused = refusal('not-member', 'not-admitted');
      if (entry.refused !== null) continue;
      if (entry.read === null) entry.refused = refusal('not-revealed', 'never-revealed');
      else
        entry.refused =
          judge.stateProblem(entry.read.claim, baseRoot) ??
          (entry.work === null ? refusal('capacity', 'not-fetched') : null);
    }
    const counts = this.#yardstick();
    this.#compare(selection.seed, counts);

    const candidates = selection.keys
      .map((key) => this.#entries.get(key) as Entry<C, I>)
      .filter(({ refused }) => refused === null);
    const measureAtMost = maxAccepted + Math.ceil(maxAccepted * RESERVES);
    const scores = await this.#measure(candidates.slice(0, measureAtMost), counts);
    this.#putOnTrial(candidates);
    const good = candidates.slice(0, measureAtMost).filter(({ refused }) => refused === null);
    const accepted = good.slice(0, maxAccepted);
    for (const entry of [...good.slice(maxAccepted), ...candidates.slice(measureAtMost)])
      entry.refused = refusal('capacity', 'not-drawn', { most: maxAccepted });

    const unitsOf = (entry: Entry<C, I>): number => (entry.read as ReadClaim<C>).units;
    const weights = weightsOf(
      accepted.map((entry) => ({
        units: unitsOf(entry),
        verifiedRounds: this.#verified(entry.contributor),
      })),
      run.rules,
    );
    this.#accepted = new Set(accepted.map((entry) => toHex(entry.contributor)));
    return {
      round,
      baseRoot,
      accepted: accepted
        .map((entry, i) => ({
          contributor: entry.contributor,
          claim: (entry.reveal as Reveal).claim,
          units: unitsOf(entry),
          weight: weights[i],
        }))
        .sort(byContributor),
      ...this.#refusals(),
      scores: scores.sort(byContributor),
      joined: [...joined].sort(byContributor),
      audits: [...audits].sort(byContributor),
    };
  }

  /** Seed of the lots of this round, known to nobody before commits closed. */
  get lotSeed(): Uint8Array {
    return this.#selection().seed;
  }

  /** A contributor's revealed claim and its bytes; null when one of them is missing. */
  workOf(contributor: Uint8Array): (Work<C, I> & { readonly claimBytes: Uint8Array }) | null {
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined || entry.work === null || entry.reveal === null) return null;
    return { ...entry.work, claimBytes: entry.reveal.claim };
  }

  /** Whose work can be audited: what was accepted, and what only waits for a passed audit. Call it after judge(). */
  auditable(): Uint8Array[] {
    return [...this.#entries]
      .filter(([key, { refused }]) => this.#accepted.has(key) || refused?.reason === 'on-trial')
      .map(([, { contributor }]) => contributor);
  }

  /** What was accepted, as it was inspected: the next round's `previous`. */
  applied(): I[] {
    return [...this.#accepted].flatMap((key) => {
      const work = this.#entries.get(key)?.work;
      return work == null ? [] : [work.inspected];
    });
  }

  /** Everybody's state, in the order of commits. */
  entries(): { contributor: Uint8Array; state: EntryState; refusal: Refusal | null }[] {
    return [...this.#entries].map(([key, entry]) => ({
      contributor: entry.contributor,
      state: this.#stateOf(key, entry),
      refusal: entry.refused,
    }));
  }

  #stateOf(key: string, entry: Entry<C, I>): EntryState {
    if (entry.refused !== null) return 'refused';
    if (this.#accepted.has(key)) return 'accepted';
    if (entry.work !== null) return 'fetched';
    return entry.reveal === null ? 'committed' : 'revealed';
  }

  #deadlines() {
    return this.#o.run.rounds.deadlines(this.#o.round);
  }

  #wrongRound(message: Commit | Reveal): Refusal | null {
    if (!bytesEqual(message.run, this.#o.run.id)) return refusal('wrong-round', 'other-run');
    if (message.round === this.#o.round) return null;
    return refusal('wrong-round', 'other-round', { round: message.round, open: this.#o.round });
  }

  #lateCommit(now: number): Refusal | null {
    const early = this.#o.run.rounds.start(this.#o.round) - now;
    if (early > 0) return refusal('wrong-round', 'early-commit', { ms: early });
    const late = now - this.#deadlines().commit;
    return late >= 0 ? refusal('late', 'late-commit', { ms: late }) : null;
  }

  #refuseStray(contributor: Uint8Array, problem: Refusal): Receipt {
    const key = toHex(contributor);
    if (!this.#stray.has(key) && this.#stray.size < MAX_STRAY)
      this.#stray.set(key, { contributor, ...problem });
    return receipt(problem);
  }

  /** Order of selection, fixed at its first use after the commit deadline. */
  #selection(): { keys: string[]; seed: Uint8Array } {
    if (this.#order === null) {
      const entries = [...this.#entries.values()];
      const seed = this.#o.lots ?? lotSeed(entries.map((entry) => entry.commit.seal));
      const contributors = entries.map((entry) => entry.contributor);
      const order = selectionOrder(
        contributors,
        this.#o.run.rules,
        this.#o.standings,
        seed,
        (contributor) => this.#verified(contributor) > 0,
      );
      this.#order = { keys: order.map(toHex), seed };
    }
    return this.#order;
  }

  #isProven({ contributor }: { readonly contributor: Uint8Array }): boolean {
    return this.#account(contributor)?.proven === true;
  }

  /** Whether so many audited contributors take part that nobody else is needed; never, where nobody would be audited. */
  #enough(proven: number): boolean {
    return this.#o.audited && proven >= this.#o.run.rules.trialFrom;
  }

  /**
   * Whose work the others are held against: everybody's, and only that of audited contributors once there is enough of
   * it, so that new identities, which cost next to nothing, cannot outvote them.
   */
  #yardstick(): (work: Work<C, I>) => boolean {
    const isProven = (work: Work<C, I>) => this.#isProven(work);
    const moving = [...this.#entries.values()].flatMap(({ work, refused }) =>
      work !== null && refused === null && this.#o.judge.moves(work.inspected) ? [work] : [],
    );
    return this.#enough(moving.filter(isProven).length) ? isProven : () => true;
  }

  #compare(seed: Uint8Array, counts: (work: Work<C, I>) => boolean): void {
    // Originals include refused ones: a copy of a copy, or of an oversized original, is still a copy.
    const entries = [...this.#entries.values()].filter(({ work }) => work !== null);
    const all = entries.map((entry) => compared(entry, counts));
    const problems = this.#o.judge.compare(all, seed, this.#o.previous);
    entries.forEach((entry, i) => (entry.refused ??= problems[i]));
  }

  /** Has candidates measured, refuses those whose losses say so, and returns everybody's scores. */
  async #measure(
    candidates: readonly Entry<C, I>[],
    counts: (work: Work<C, I>) => boolean,
  ): Promise<Score[]> {
    const measured = await this.#o.judge.measure(candidates.map((entry) => compared(entry, counts)));
    candidates.forEach((entry, i) => (entry.refused ??= measured[i].refusal));
    return measured.flatMap(({ score }) => (score === null ? [] : [score]));
  }

  /**
   * After a failed audit a contributor's work is looked at, but not applied, until it passes one. A newcomer's too, once the
   * round has work of enough audited others (`trialFrom`): a liar then does no harm before it is found out.
   */
  #putOnTrial(candidates: readonly Entry<C, I>[]): void {
    const good = candidates.filter(({ refused }) => refused === null);
    const proven = good.filter((entry) => this.#isProven(entry)).length;
    const enough = this.#enough(proven);
    for (const entry of good) {
      if (this.#verified(entry.contributor) < 0) entry.refused = refusal('on-trial', 'audit-failed-before');
      else if (enough && !this.#isProven(entry))
        entry.refused = refusal('on-trial', 'awaits-audit', { audited: proven });
    }
  }

  /**
   * Refusals of members. Should there be more than a verdict can list, those that came furthest are told first, and of all
   * those last that are nobody's fault: they can be told in fewer bytes.
   */
  #refusals(): Pick<Verdict, 'refused' | 'unlisted' | 'passedOver'> {
    const found = [...this.#entries.values()].flatMap(({ contributor, refused, work, reveal }) =>
      refused === null
        ? []
        : [{ rank: work !== null ? 0 : reveal !== null ? 1 : 2, refused: { contributor, ...refused } }],
    );
    for (const [key, refused] of this.#stray) if (!this.#entries.has(key)) found.push({ rank: 3, refused });
    return listRefusals(found.filter(({ refused }) => this.#o.isMember(refused.contributor)));
  }
}

/** Cuts refusals to what a certificate lists; `rank`: the smaller goes first. */
export function listRefusals(
  found: readonly { readonly rank: number; readonly refused: NotedRefusal }[],
): Pick<Verdict, 'refused' | 'unlisted' | 'passedOver'> {
  const order = found
    .map(({ rank, refused }) => ({ rank: isUnseen(refused.reason) ? 4 : rank, refused }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ refused }) => refused);
  const unlisted = order.slice(MAX_REFUSED).sort(byContributor);
  return {
    refused: order.slice(0, MAX_REFUSED).sort(byContributor),
    unlisted,
    passedOver: unlisted.flatMap(({ reason, contributor }) => (goesOn(reason) ? [contributor] : [])),
  };
}

const compared = <C, I>(
  { work, refused }: Entry<C, I>,
  counts: (work: Work<C, I>) => boolean,
): Compared<C, I> => {
  if (work === null) throw new Error('only work whose bytes are there is compared');
  return { work, refused: refused !== null, counts: counts(work) };
};

const receipt = (problem: Refusal): Receipt => ({ ok: false, ...problem });
const byContributor = (a: { contributor: Uint8Array }, b: { contributor: Uint8Array }): number =>
  compareBytes(a.contributor, b.contributor);
