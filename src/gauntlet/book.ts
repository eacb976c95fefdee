/**
 * A validator's book of one round: who committed and revealed what and when, which bytes to fetch, and the verdict.
 *
 * No I/O, no clock, no GPU: the caller passes opened messages, fetched bytes and the time (swarm time, epoch ms), and
 * injects how bytes are inspected and how losses are measured. Checks run cheapest first, and each refusal carries a
 * reason code and the numbers behind it. The same messages in the same order give the same verdict.
 *
 *   commit() reveal()  ->  toFetch()  ->  bytes() / notServed()  ->  judge()
 */
import { bytesEqual, compareBytes, sha256, toHex } from '../protocol/bytes.ts';
import { deadlines, roundStart } from '../protocol/clock.ts';
import { MAX_REFUSED } from '../protocol/limits.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { AuditEntry, JoinedEntry, MessageOf, RefusedEntry } from '../protocol/messages.ts';
import type { BlobRef } from '../protocol/schema.ts';
import { sealMatches } from '../protocol/seal.ts';
import type { CarryBook } from './carries.ts';
import { commitProblem, type Refusal, refusal, stateProblem } from './checks.ts';
import {
  type Compared,
  directionProblems,
  gainProblems,
  type Measured,
  normProblems,
} from './comparisons.ts';
import type { Inspect, Inspected } from './inspect.ts';
import { type Copy, findCopies } from './overlap.ts';
import { type LossMeasurement, lossProblem, lossScore } from './scores.ts';
import { lotSeed, selectionOrder } from './selection.ts';
import { type Standing, type Standings, workProblem } from './standings.ts';
import { weightsOf } from './weights.ts';

type Commit = MessageOf<'commit'>;
type Reveal = MessageOf<'reveal'>;
type Verdict = MessageOf<'verdict'>;

/** What became of a message: fine, or refused with the reason. `ok` also for an exact repetition. */
export type Receipt = { readonly ok: true } | ({ readonly ok: false } & Refusal);

/** Bytes that the caller should fetch by hash, best source first. */
export interface FetchRequest {
  readonly contributor: Uint8Array;
  readonly submission: BlobRef;
  /** libp2p peer id that its sender named. */
  readonly peer: string;
}

/** A submission that passed all cheap checks, for the loss measurement. */
export interface Candidate {
  readonly contributor: Uint8Array;
  readonly submission: BlobRef;
  readonly bytes: Uint8Array;
  readonly tokens: number;
  readonly innerSteps: number;
}

/**
 * Measures a candidate's losses around a step scaled by manifest.gauntlet.evaluationScale. Null: no time left, which
 * refuses it for capacity. Must not throw for what the bytes hold.
 */
export type Evaluate = (candidate: Candidate) => Promise<LossMeasurement | null>;

export interface BookOptions {
  readonly manifest: Manifest;
  readonly runId: Uint8Array;
  readonly round: number;
  /** The certified state root now; asked late, since the last round's certificate may still be on its way. */
  readonly baseRoot: () => Uint8Array;
  /** Decodes bytes; see inspectorFor (inspect.ts). */
  readonly inspect: Inspect;
  /** Largest submission in bytes (maxSubmissionBytes of sparseloco/wire.ts). */
  readonly maxBytes: number;
  /** Null: no loss gate, for tests and validators that only check form. */
  readonly evaluate: Evaluate | null;
  /** What is known of contributors; empty when the manifest's rules need none. */
  readonly standings?: Standings;
  /** Whether a contributor is admitted in this round (admission.ts). Absent: everybody is, for tests. */
  readonly isMember?: (contributor: Uint8Array) => boolean;
  /** What the last certificate applied, as it was inspected: whoever hands it in again is a copier. */
  readonly previous?: readonly Inspected[];
  /** What is known of private state, to check a commit's against. Absent in a run without audits. */
  readonly carries?: Pick<CarryBook, 'problem' | 'startsOver'>;
  /** Audits are held at present, so that who waits for one will get it. Default: false. */
  readonly audited?: boolean;
  /** Seed of the round's lots, for simulations that compare runs. Default: the hash of all seals. */
  readonly lots?: Uint8Array;
}

/** What else a verdict records: who joined, and audits of earlier rounds that ended. */
export interface AlsoHappened {
  readonly joined: readonly JoinedEntry[];
  readonly audits: readonly AuditEntry[];
}
const NOTHING: AlsoHappened = { joined: [], audits: [] };

/** Where a contributor stands in the round, for status pages. */
export type EntryState = 'committed' | 'revealed' | 'fetched' | 'accepted' | 'refused';

interface Entry {
  readonly contributor: Uint8Array;
  readonly commit: Commit;
  /** Trained from empty moments with good reason (CarryBook.startsOver): a joiner, or a tab that was reloaded. */
  readonly fresh: boolean;
  reveal: Reveal | null;
  bytes: Uint8Array | null;
  inspected: Inspected | null;
  refused: Refusal | null;
}

/**
 * Commits kept in a round of contributors without verified rounds: a flood of new identities finds the book full,
 * while those who have a standing (their number is bounded, standings.ts) always get in.
 */
const MAX_STRANGERS = 4096;
/** Refusals kept for senders without a valid commit (late, wrong state of mind), so that they too hear why. */
const MAX_STRAY = 256;
/** Submissions fetched, as a multiple of those a certificate can hold: some will be refused. */
const FETCH_FACTOR = 2;
/** Measured beyond maxAccepted, as a share of it. */
const RESERVES = 0.25;

/** Submissions whose bytes are there, as the checks that compare them see them. */
const compared = (entries: readonly Entry[], counts: (entry: Entry) => boolean): Compared[] =>
  entries.map((entry) => ({
    inspected: entry.inspected as Inspected,
    tokens: entry.commit.tokens,
    fresh: entry.fresh,
    counts: counts(entry),
  }));

const ok: Receipt = { ok: true };

export class RoundBook {
  readonly #o: BookOptions;
  /** By hex key, in the order of first commits: that order decides who copied whom. */
  readonly #entries = new Map<string, Entry>();
  readonly #stray = new Map<string, RefusedEntry>();
  #strangers = 0;
  #order: { keys: string[]; seed: Uint8Array } | null = null;
  #accepted: ReadonlySet<string> = new Set();

  constructor(options: BookOptions) {
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
      if (bytesEqual(known.commit.seal, commit.seal)) return ok;
      known.refused ??= refusal('duplicate', 'two different commits in one round; neither counts');
      return receipt(known.refused);
    }
    const problem =
      this.#notMember(contributor) ??
      this.#lateCommit(now) ??
      commitProblem(commit, this.#o.manifest, this.#o.maxBytes) ??
      this.#o.carries?.problem(contributor, commit) ??
      null;
    if (problem !== null) return this.#refuseStray(contributor, problem);
    const stranger = (this.#standingOf(contributor)?.verified ?? 0) <= 0;
    if (stranger && this.#strangers === MAX_STRANGERS) {
      const full = refusal('capacity', `${MAX_STRANGERS} newcomers in this round already`);
      return this.#refuseStray(contributor, full);
    }
    if (stranger) this.#strangers++;
    this.#entries.set(key, {
      contributor,
      commit,
      fresh: this.#startsFresh(contributor, commit),
      reveal: null,
      bytes: null,
      inspected: null,
      refused: null,
    });
    return ok;
  }

  /** Without commitments to moments only a first round tells: a tab keeps them otherwise. */
  #startsFresh(contributor: Uint8Array, commit: Commit): boolean {
    const { carries } = this.#o;
    if (carries !== undefined) return carries.startsOver(contributor, commit);
    return (this.#standingOf(contributor)?.measurements ?? 0) === 0;
  }

  #standingOf(contributor: Uint8Array): Standing | undefined {
    return this.#o.standings?.get(toHex(contributor));
  }

  /** Takes a reveal. Early ones are kept, but nothing is fetched before the commit deadline. */
  reveal(contributor: Uint8Array, reveal: Reveal, now: number): Receipt {
    const wrong = this.#wrongRound(reveal);
    if (wrong !== null) return receipt(wrong);
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined) {
      return this.#refuseStray(contributor, refusal('late', 'no commit was seen before the deadline'));
    }
    if (entry.refused !== null) return receipt(entry.refused);
    if (entry.reveal !== null && bytesEqual(entry.reveal.submission.hash, reveal.submission.hash)) return ok;
    const { commit } = entry;
    if (
      reveal.submission.size !== commit.size ||
      !sealMatches(commit.seal, this.#o.runId, this.#o.round, contributor, reveal.submission.hash)
    ) {
      // Not held against the entry: the true reveal may still come.
      return receipt(refusal('hash-mismatch', 'reveals another submission than was sealed'));
    }
    const late = now - this.#deadlines().reveal;
    if (late >= 0) {
      entry.refused = refusal('late', `revealed ${late} ms after the deadline`);
      return receipt(entry.refused);
    }
    entry.reveal = reveal;
    return ok;
  }

  /**
   * What to fetch now: nothing before the commit deadline, then the revealed submissions in the order of selection, as
   * many as could be needed. Call it again after reveals, fetched bytes or failures; what is under way is listed again.
   */
  toFetch(now: number): FetchRequest[] {
    if (now < this.#deadlines().commit) return [];
    const root = this.#o.baseRoot();
    let places = FETCH_FACTOR * this.#o.manifest.gauntlet.maxAccepted;
    const requests: FetchRequest[] = [];
    for (const key of this.#selection().keys) {
      if (places === 0) break;
      const entry = this.#entries.get(key) as Entry;
      if (entry.refused !== null || entry.reveal === null) continue;
      if (stateProblem(entry.commit, root) !== null) continue;
      places--;
      if (entry.bytes !== null) continue;
      const { submission, peer } = entry.reveal;
      requests.push({ contributor: entry.contributor, submission, peer });
    }
    return requests;
  }

  /** Takes fetched bytes: checks their hash, decodes and measures them. */
  async bytes(contributor: Uint8Array, bytes: Uint8Array): Promise<Receipt> {
    const entry = this.#entries.get(toHex(contributor));
    if (entry === undefined || entry.reveal === null) return receipt(refusal('late', 'nothing was revealed'));
    if (entry.refused !== null) return receipt(entry.refused);
    if (entry.bytes !== null) return ok;
    const { hash, size } = entry.reveal.submission;
    if (bytes.byteLength !== size || !bytesEqual(await sha256(bytes), hash)) {
      // Whoever served them may be the liar, so that another source may still do.
      return receipt(refusal('hash-mismatch', 'the bytes served are not those sealed'));
    }
    const { runId: run, round } = this.#o;
    const inspected = this.#o.inspect(bytes, { run, round, contributor });
    if (!inspected.ok) {
      entry.refused ??= inspected.refusal;
      return receipt(entry.refused);
    }
    entry.bytes = bytes;
    entry.inspected = inspected.inspected;
    return ok;
  }

  /** Nobody serves these bytes, or only wrong ones; final. */
  notServed(contributor: Uint8Array, detail: string): void {
    const entry = this.#entries.get(toHex(contributor));
    if (entry !== undefined && entry.bytes === null) entry.refused ??= refusal('not-revealed', detail);
  }

  /**
   * Judges what is there and returns the verdict; `accepted` may be empty (then, unless somebody joined:
   * {@link noCertificate}). Call it once, after the reveal deadline or as soon as nothing is left to fetch.
   */
  async judge({ joined, audits } = NOTHING): Promise<Verdict> {
    const { manifest, runId, round } = this.#o;
    const rules = manifest.gauntlet;
    const root = this.#o.baseRoot();
    const selection = this.#selection();

    for (const entry of this.#entries.values()) {
      entry.refused ??= stateProblem(entry.commit, root);
      if (entry.refused !== null || entry.bytes !== null) continue;
      entry.refused =
        entry.reveal === null
          ? refusal('not-revealed', 'committed, but nothing was revealed before the deadline')
          : refusal('capacity', 'not fetched in time, or more work than this round could judge');
    }
    const counts = this.#yardstick();
    this.#refuseNorms(counts);
    this.#refuseCopies(selection.seed);
    this.#refuseDirections(selection.seed, counts);

    const candidates = selection.keys
      .map((key) => this.#entries.get(key) as Entry)
      .filter(({ refused }) => refused === null);
    const measureAtMost = rules.maxAccepted + Math.ceil(rules.maxAccepted * RESERVES);
    const scores = await this.#measureAll(candidates.slice(0, measureAtMost), counts);
    this.#putOnTrial(candidates);
    const good = candidates.slice(0, measureAtMost).filter(({ refused }) => refused === null);
    const accepted = good.slice(0, rules.maxAccepted);
    for (const entry of [...good.slice(rules.maxAccepted), ...candidates.slice(measureAtMost)])
      entry.refused = refusal('capacity', `${rules.maxAccepted} others were drawn for this round`);

    const weights = weightsOf(
      accepted.map((entry) => ({
        tokens: entry.commit.tokens,
        verifiedRounds: this.#standingOf(entry.contributor)?.verified ?? 0,
      })),
      rules,
    );
    this.#accepted = new Set(accepted.map((entry) => toHex(entry.contributor)));
    return {
      kind: 'verdict',
      run: runId,
      round,
      baseRoot: root,
      accepted: accepted
        .map((entry, i) => ({
          contributor: entry.contributor,
          submission: (entry.reveal as Reveal).submission,
          tokens: entry.commit.tokens,
          innerSteps: entry.commit.innerSteps,
          weight: weights[i],
        }))
        .sort(byContributor),
      refused: this.#refusals(),
      scores: scores.sort(byContributor),
      joined: [...joined].sort(byContributor),
      audits: [...audits].sort(byContributor),
    };
  }

  /** Seed of the lots of this round, known to nobody before commits closed. */
  get lotSeed(): Uint8Array {
    return this.#selection().seed;
  }

  /** A contributor's commit. */
  commitOf(contributor: Uint8Array): Commit | null {
    return this.#entries.get(toHex(contributor))?.commit ?? null;
  }

  /** Whose work can be audited: what was accepted, and what only waits for a passed audit. Call it after judge(). */
  auditable(): Uint8Array[] {
    return [...this.#entries]
      .filter(([key, { refused }]) => this.#accepted.has(key) || refused?.reason === 'on-trial')
      .map(([, { contributor }]) => contributor);
  }

  /** What was accepted, as it was inspected: the next round's `previous`. */
  applied(): Inspected[] {
    return [...this.#accepted].map((key) => this.#entries.get(key)?.inspected).filter((one) => one != null);
  }

  /** Bytes of an accepted or candidate submission, for applying it. */
  bytesOf(contributor: Uint8Array): Uint8Array | null {
    return this.#entries.get(toHex(contributor))?.bytes ?? null;
  }

  /** Everybody's state, in the order of commits. */
  entries(): { contributor: Uint8Array; state: EntryState; refusal: Refusal | null }[] {
    return [...this.#entries].map(([key, entry]) => ({
      contributor: entry.contributor,
      state: this.#stateOf(key, entry),
      refusal: entry.refused,
    }));
  }

  #stateOf(key: string, entry: Entry): EntryState {
    if (entry.refused !== null) return 'refused';
    if (this.#accepted.has(key)) return 'accepted';
    if (entry.bytes !== null) return 'fetched';
    return entry.reveal === null ? 'committed' : 'revealed';
  }

  #deadlines() {
    return deadlines(this.#o.manifest.schedule, this.#o.round);
  }

  #wrongRound(message: Commit | Reveal): Refusal | null {
    if (!bytesEqual(message.run, this.#o.runId)) return refusal('wrong-round', 'made for another run');
    if (message.round === this.#o.round) return null;
    return refusal('wrong-round', `made for round ${message.round}, this is ${this.#o.round}`);
  }

  #notMember(contributor: Uint8Array): Refusal | null {
    if (this.#o.isMember?.(contributor) ?? true) return null;
    return refusal('not-member', 'no certificate admits this key; join and wait for the next one');
  }

  #lateCommit(now: number): Refusal | null {
    const early = roundStart(this.#o.manifest.schedule, this.#o.round) - now;
    if (early > 0) return refusal('wrong-round', `committed ${early} ms before the round began`);
    const late = now - this.#deadlines().commit;
    return late >= 0 ? refusal('late', `committed ${late} ms after the deadline`) : null;
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
      const { gauntlet } = this.#o.manifest;
      const order = selectionOrder(contributors, gauntlet, this.#o.standings ?? new Map(), seed);
      this.#order = { keys: order.map(toHex), seed };
    }
    return this.#order;
  }

  /** Entries that are still in the race and whose bytes are there, in the order of commits. */
  #inRace(): Entry[] {
    return [...this.#entries.values()].filter((entry) => entry.refused === null && entry.inspected !== null);
  }

  #isProven({ contributor }: Entry): boolean {
    return this.#standingOf(contributor)?.proven === true;
  }

  /** Whether so many who passed an audit take part that nobody else is needed; never, where nobody would be audited. */
  #enough(proven: number): boolean {
    const { trialFrom } = this.#o.manifest.gauntlet;
    return this.#o.audited === true && trialFrom !== undefined && proven >= trialFrom;
  }

  /**
   * Whose work the others are held against: everybody's, and only that of audited contributors once there is enough of
   * it, so that new identities, which cost next to nothing, cannot outvote them.
   */
  #yardstick(): (entry: Entry) => boolean {
    const isProven = (entry: Entry) => this.#isProven(entry);
    const moving = this.#inRace().filter(({ inspected }) => (inspected as Inspected).norm > 0);
    return this.#enough(moving.filter(isProven).length) ? isProven : () => true;
  }

  #refuseNorms(counts: (entry: Entry) => boolean): void {
    const entries = this.#inRace();
    const problems = normProblems(compared(entries, counts), this.#o.manifest.gauntlet);
    entries.forEach((entry, i) => (entry.refused = problems[i]));
  }

  #refuseCopies(seed: Uint8Array): void {
    // Originals include refused ones: a copy of a copy, or of an oversized original, is still a copy.
    const entries = [...this.#entries.values()].filter((entry) => entry.inspected !== null);
    const inspected = entries.map((entry) => entry.inspected as Inspected);
    const { maxOverlap } = this.#o.manifest.gauntlet;
    for (const copy of findCopies(inspected, maxOverlap, sampleSeed(seed), this.#o.previous)) {
      const whose =
        copy.original < 0
          ? 'the last certificate'
          : `an earlier commit (${toHex(entries[copy.original].contributor).slice(0, 8)})`;
      const detail = `${percent(copy.share)} ${COPIED[copy.kind]} ${whose}, limit ${percent(copy.limit)}`;
      entries[copy.copy].refused ??= refusal('copy', detail);
    }
  }

  #refuseDirections(seed: Uint8Array, counts: (entry: Entry) => boolean): void {
    const least = this.#o.manifest.gauntlet.minAgreement;
    if (least === undefined) return;
    const entries = this.#inRace();
    const problems = directionProblems(compared(entries, counts), least, sampleSeed(seed));
    entries.forEach((entry, i) => (entry.refused = problems[i]));
  }

  /** Measures candidates, refuses those whose losses say so, and returns everybody's scores. */
  async #measureAll(
    candidates: readonly Entry[],
    counts: (entry: Entry) => boolean,
  ): Promise<Verdict['scores']> {
    const { evaluate, manifest } = this.#o;
    if (evaluate === null) return [];
    const scores: Verdict['scores'] = [];
    const measured: (Measured & { entry: Entry })[] = [];
    const all = compared(candidates, counts);
    for (const [i, entry] of candidates.entries()) {
      const { contributor, commit } = entry;
      const measurement = await evaluate({
        contributor,
        submission: (entry.reveal as Reveal).submission,
        bytes: entry.bytes as Uint8Array,
        tokens: commit.tokens,
        innerSteps: commit.innerSteps,
      });
      if (measurement === null) {
        entry.refused = refusal('capacity', 'not measured in time');
        continue;
      }
      const unassigned = lossScore(measurement.unassigned);
      const assigned = lossScore(measurement.assigned);
      scores.push({ contributor, assigned: bounded(assigned.gain), unassigned: bounded(unassigned.gain) });
      measured.push({ ...all[i], entry, unassigned: measurement.unassigned });
      entry.refused = lossProblem(unassigned);
    }
    const { minGain } = manifest.gauntlet;
    const problems = minGain === undefined ? [] : gainProblems(measured, minGain);
    measured.forEach(({ entry }, i) => {
      entry.refused ??= problems[i] ?? workProblem(this.#standingOf(entry.contributor));
    });
    return scores;
  }

  /**
   * Work of who failed an audit is looked at, but not applied, until one is passed; and that of newcomers too, once the
   * round has work of enough others who passed one (`trialFrom`): a liar then does no harm before it is found out.
   */
  #putOnTrial(candidates: readonly Entry[]): void {
    const good = candidates.filter(({ refused }) => refused === null);
    const proven = good.filter((entry) => this.#isProven(entry)).length;
    const enough = this.#enough(proven);
    for (const entry of good) {
      if ((this.#standingOf(entry.contributor)?.verified ?? 0) < 0)
        entry.refused = refusal('on-trial', 'failed an audit; counts again once one is passed');
      else if (enough && !this.#isProven(entry))
        entry.refused = refusal('on-trial', `not audited yet, and ${proven} others of this round are`);
    }
  }

  /** Refusals for the verdict: whoever came furthest is told first, should there be more than it can list. */
  #refusals(): RefusedEntry[] {
    const listed = [...this.#entries.values()]
      .filter((entry) => entry.refused !== null)
      .map((entry) => ({
        rank: entry.bytes !== null ? 0 : entry.reveal !== null ? 1 : 2,
        refused: { contributor: entry.contributor, ...(entry.refused as Refusal) },
      }));
    for (const [key, refused] of this.#stray) {
      if (!this.#entries.has(key)) listed.push({ rank: 3, refused });
    }
    return listed
      .sort((a, b) => a.rank - b.rank)
      .slice(0, MAX_REFUSED)
      .map((entry) => entry.refused)
      .sort(byContributor);
  }
}

/** What a validator publishes when its verdict accepted nothing. */
export const noCertificate = ({ run, round, refused }: Verdict): MessageOf<'no-certificate'> => ({
  kind: 'no-certificate',
  run,
  round,
  refused,
});

const receipt = (problem: Refusal): Receipt => ({ ok: false, ...problem });
const COPIED: Readonly<Record<Copy['kind'], string>> = {
  positions: 'of its positions are those of',
  mosaic: 'of its positions are, chunk by chunk, those of earlier commits, most of',
  'moved-chunks': 'of its chunks are, elsewhere, those of',
};
/** Seed of the chunks that are compared. */
const sampleSeed = (seed: Uint8Array): number => new DataView(seed.buffer, seed.byteOffset).getUint32(0);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
/** Schema bounds of a score; a loss that is no number counts as the worst. */
const bounded = (gain: number): number =>
  Number.isFinite(gain) ? Math.max(-1e6, Math.min(1e6, gain)) : -1e6;
const byContributor = (a: { contributor: Uint8Array }, b: { contributor: Uint8Array }): number =>
  compareBytes(a.contributor, b.contributor);
