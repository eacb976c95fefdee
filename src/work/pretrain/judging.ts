/**
 * A validator's side of pre-training: reads claims, looks at submissions, holds norms, positions, signs and gains against
 * each other, and measures losses while the round is still open.
 *
 * Measurements take turns, so that each is planned with the speed and the time that there are when it begins. A submission
 * is measured as soon as its bytes are there; the certificate need not wait for all of it at the end.
 */
import type { ChainHead } from '../../chain/certificate.ts';
import type { Run } from '../../chain/run.ts';
import type { CarryBook } from '../../gauntlet/carries.ts';
import {
  type Compared as ComparedWork,
  directionProblems,
  gainProblems,
  type Measured as MeasuredLosses,
  normProblems,
} from '../../gauntlet/comparisons.ts';
import type { Report } from '../../gauntlet/events.ts';
import { type Inspected, inspectorFor } from '../../gauntlet/inspect.ts';
import type { Compared, Measured, ReadClaim, RoundJudge, Work } from '../../gauntlet/judge.ts';
import { type NoteCode, type Refusal, refusal } from '../../gauntlet/notes.ts';
import { type Copy, findCopies } from '../../gauntlet/overlap.ts';
import { type LossMeasurement, lossProblem, lossScore } from '../../gauntlet/scores.ts';
import { type Standings, workProblem } from '../../gauntlet/standings.ts';
import type { RoundLosses } from '../../measure/round-losses.ts';
import { bytesEqual, toHex } from '../../protocol/bytes.ts';
import { messageOf } from '../../protocol/errors.ts';
import { type Clock, deadlineSignal, until } from '../../protocol/timer.ts';
import type { OpenRound, WorkValidator } from '../workload.ts';
import { decodeClaim, type PretrainClaim } from './claim.ts';

export interface PretrainJudgingOptions {
  readonly run: Run;
  readonly losses: Pick<RoundLosses, 'load' | 'heldOut' | 'anticipate' | 'affordable' | 'measure'>;
  readonly clock: Clock;
  /** Roots of what contributors carry; null in runs without audits. */
  readonly carries: CarryBook | null;
  /** Called with the roots to keep, after each round. */
  readonly onCarries: (carries: CarryBook) => void;
  readonly standings: () => Standings;
  readonly report: Report;
  /** See and may replace each measurement: for studies of the gauntlet. */
  readonly onInspected?: (round: number, contributor: Uint8Array, inspected: Inspected) => void;
  readonly onMeasured?: (round: number, contributor: Uint8Array, measurement: LossMeasurement) => void;
}

/** Share of the time left that measuring may plan for. */
const MEASURE_SAFETY = 0.7;

export class PretrainJudging implements WorkValidator {
  readonly #o: PretrainJudgingOptions;
  #loaded: Promise<void> = Promise.resolve();

  constructor(options: PretrainJudgingOptions) {
    this.#o = options;
  }

  load(height: number, theta: Int32Array): Promise<void> {
    this.#loaded = this.#o.losses.load(height, theta);
    return this.#loaded;
  }

  async heldOut(): Promise<number> {
    await this.#loaded;
    return this.#o.losses.heldOut();
  }

  open(round: OpenRound): RoundJudge<PretrainClaim, Inspected> {
    return new PretrainRound(this.#o, round, () => this.#loaded);
  }

  anticipate(round: number, head: ChainHead, contributor?: Uint8Array): void {
    this.#loaded.then(
      () => this.#o.losses.anticipate(round, head, contributor),
      () => {}, // reported where the state was loaded
    );
  }

  note(contributor: Uint8Array, round: number, claim: Uint8Array): void {
    const read = decodeClaim(claim);
    if (read !== null) this.#o.carries?.note(contributor, { round, carry: read.carry });
  }

  settle(...[verdict, isMember]: Parameters<WorkValidator['settle']>): void {
    const { carries, onCarries } = this.#o;
    if (carries === null) return;
    carries.settle(verdict, isMember);
    onCarries(carries);
  }
}

type PretrainWork = Work<PretrainClaim, Inspected>;
type PretrainCompared = Compared<PretrainClaim, Inspected>;

class PretrainRound implements RoundJudge<PretrainClaim, Inspected> {
  readonly #o: PretrainJudgingOptions;
  readonly #round: OpenRound;
  readonly #loaded: () => Promise<void>;
  readonly #inspector: ReturnType<typeof inspectorFor>;
  readonly #measurements = new Map<string, Promise<LossMeasurement | null>>();
  /** Contributors whose measurement has ended, one way or the other. */
  readonly #measured = new Set<string>();
  #turn: Promise<unknown> = Promise.resolve();
  /** It was said that measuring takes too long. */
  #slow = false;

  constructor(options: PretrainJudgingOptions, round: OpenRound, loaded: () => Promise<void>) {
    this.#o = options;
    this.#round = round;
    this.#loaded = loaded;
    this.#inspector = inspectorFor(options.run);
  }

  read(contributor: Uint8Array, bytes: Uint8Array): ReadClaim<PretrainClaim> | Refusal {
    const { run, carries, standings } = this.#o;
    const claim = decodeClaim(bytes);
    if (claim === null) return refusal('malformed', 'unreadable-claim');
    const told = { round: this.#round.round, carry: claim.carry };
    const problem = claimProblem(claim, run, this.#inspector.maxBytes) ?? carries?.problem(contributor, told);
    if (problem != null) return problem;
    // Without commitments to moments only a first round tells: a tab keeps them otherwise.
    const fresh =
      carries === null
        ? (standings().get(toHex(contributor))?.measurements ?? 0) === 0
        : carries.startsOver(contributor, told);
    return { claim, blob: claim.submission, units: claim.tokens, fresh };
  }

  stateProblem({ baseRoot }: PretrainClaim, root: Uint8Array): Refusal | null {
    return bytesEqual(baseRoot, root) ? null : refusal('state', 'other-state');
  }

  inspect(
    contributor: Uint8Array,
    _claim: PretrainClaim,
    bytes: Uint8Array,
  ): { readonly inspected: Inspected } | Refusal {
    const { round } = this.#round;
    const looked = this.#inspector.inspect(bytes, { run: this.#o.run.id, round, contributor });
    if (!looked.ok) return looked.refusal;
    this.#o.onInspected?.(round, contributor, looked.inspected);
    // At once, so that little is left to do when the reveals are over.
    void this.#measurement(contributor, bytes);
    return looked;
  }

  moves({ norm }: Inspected): boolean {
    return norm > 0;
  }

  compare(
    all: readonly PretrainCompared[],
    seed: Uint8Array,
    previous: readonly Inspected[],
  ): (Refusal | null)[] {
    const { rules } = this.#o.run;
    const found: (Refusal | null)[] = all.map(() => null);
    const sample = sampleSeed(seed);
    /** Runs a check on what is still in the race. */
    const among = (check: (work: readonly ComparedWork[]) => (Refusal | null)[]): void => {
      const inRace = all.flatMap((one, i) => (one.refused || found[i] !== null ? [] : [{ one, i }]));
      check(inRace.map(({ one }) => comparedOf(one))).forEach((problem, n) => {
        found[inRace[n].i] = problem;
      });
    };
    among((work) => normProblems(work, rules));
    const inspected = all.map(({ work }) => work.inspected);
    for (const copy of findCopies(inspected, rules.maxOverlap, sample, previous)) {
      const from = copy.original < 0 ? '' : toHex(all[copy.original].work.contributor).slice(0, 8);
      const { share, limit } = copy;
      found[copy.copy] ??= refusal('copy', COPIED[copy.kind], { share, limit, from });
    }
    if (rules.minAgreement > 0) among((work) => directionProblems(work, rules.minAgreement, sample));
    return found;
  }

  async measure(candidates: readonly PretrainCompared[]): Promise<Measured[]> {
    const { run, standings } = this.#o;
    const losses: (LossMeasurement | null)[] = [];
    for (const { work } of candidates) losses.push(await this.#measurement(work.contributor, work.bytes));
    const measured = candidates.flatMap((one, i): (MeasuredLosses & { readonly i: number })[] => {
      const at = losses[i];
      return at === null ? [] : [{ ...comparedOf(one), i, unassigned: at.unassigned }];
    });
    const short = new Map(
      run.rules.minGain === 0
        ? []
        : gainProblems(measured, run.rules.minGain).map((problem, n) => [measured[n].i, problem] as const),
    );
    return candidates.map(({ work: { contributor } }, i): Measured => {
      const at = losses[i];
      if (at === null) return { refusal: refusal('unjudged', 'not-measured'), score: null };
      const unassigned = lossScore(at.unassigned);
      return {
        score: {
          contributor,
          assigned: bounded(lossScore(at.assigned).gain),
          unassigned: bounded(unassigned.gain),
        },
        refusal: lossProblem(unassigned) ?? short.get(i) ?? workProblem(standings().get(toHex(contributor))),
      };
    });
  }

  #measurement(contributor: Uint8Array, bytes: Uint8Array): Promise<LossMeasurement | null> {
    const key = toHex(contributor);
    const known = this.#measurements.get(key);
    if (known !== undefined) return known;
    const measurement = this.#turn.then(() => this.#measure(contributor, bytes));
    this.#turn = measurement.then(() => this.#measured.add(key));
    this.#measurements.set(key, measurement);
    return measurement;
  }

  /**
   * Null when it failed or time ran out; never throws. A validator that is too slow then turns honest work away
   * (`unjudged`), which costs its sender nothing but the round: no standing, no membership, no error feedback.
   */
  async #measure(contributor: Uint8Array, bytes: Uint8Array): Promise<LossMeasurement | null> {
    const { losses, report, clock, onMeasured } = this.#o;
    const { round, head, inRace, measureUntil } = this.#round;
    const late = deadlineSignal(clock, measureUntil);
    try {
      await this.#loaded();
      const left = measureUntil - clock.now();
      let outcome: LossMeasurement | null = null;
      if (left > 0) {
        const waiting = inRace().filter((key) => !this.#measured.has(toHex(key))).length;
        const sequences = losses.affordable(MEASURE_SAFETY * left, waiting);
        const work = losses.measure({ contributor, bytes }, round, head(), sequences, late.signal);
        work.catch(() => {}); // heard below, unless time runs out first
        const ended = new AbortController();
        const timeout = until(clock, measureUntil, ended.signal).then(() => null);
        outcome = await Promise.race([work, timeout]).finally(() => ended.abort());
      }
      if (outcome !== null) onMeasured?.(round, contributor, outcome);
      else if (!this.#slow) {
        this.#slow = true;
        report({ is: 'losses-slow', round });
      }
      return outcome;
    } catch (error) {
      const who = toHex(contributor).slice(0, 8);
      report({ is: 'loss-failed', round, contributor: who, error: messageOf(error) });
      return null;
    } finally {
      late.cancel();
    }
  }
}

/** What can be said of a claim from the run's rules alone: size and claimed work. */
export function claimProblem(
  { submission, innerSteps, tokens }: PretrainClaim,
  { manifest }: Run,
  maxBytes: number,
): Refusal | null {
  const { training } = manifest.task;
  if (submission.size > maxBytes)
    return refusal('too-large', 'too-large', { bytes: submission.size, most: maxBytes });
  if (innerSteps > training.maxInnerSteps)
    return refusal('malformed', 'too-many-steps', { steps: innerSteps, most: training.maxInnerSteps });
  const most = innerSteps * training.batch * training.accumulation * training.sequence;
  if (tokens > most) return refusal('malformed', 'too-many-tokens', { tokens, steps: innerSteps, most });
  return null;
}

const comparedOf = ({ work, counts }: PretrainCompared): ComparedWork => ({
  inspected: work.inspected,
  tokens: tokensOf(work),
  fresh: work.read.fresh,
  counts,
});
const tokensOf = ({ read }: PretrainWork): number => read.claim.tokens;

const COPIED = {
  positions: 'copied-positions',
  mosaic: 'copied-mosaic',
  'moved-chunks': 'copied-chunks',
} as const satisfies Readonly<Record<Copy['kind'], NoteCode>>;
/** Seed of the chunks that are compared. */
const sampleSeed = (seed: Uint8Array): number => new DataView(seed.buffer, seed.byteOffset).getUint32(0);
/** Schema bounds of a score; a loss that is no number counts as the worst. */
const bounded = (gain: number): number =>
  Number.isFinite(gain) ? Math.max(-1e6, Math.min(1e6, gain)) : -1e6;
