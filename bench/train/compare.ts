/**
 * Times one training step on every candidate, interleaved: A B C A B C ..., since other work on the machine comes and
 * goes. Before that, the first steps' losses must agree, or the candidates do not run the same step.
 */
import { countFor, countsOf } from '../lib/gpu-counters.ts';
import type { Candidate, CandidateKind } from './candidate.ts';
import { makeProblem, type Size } from './problem.ts';

/** Losses must agree to this, relative to ours, on each of the steps before timing. */
export const LOSS_TOLERANCE = 1e-3;
/** These steps also warm up: compilers, pipelines, pools, tuning. */
const AGREEMENT_STEPS = 3;

export interface Plan {
  readonly size: Size;
  /** Timed rounds at most; fewer for a candidate that has spent its share of the budget. */
  readonly rounds: number;
  /** Milliseconds for the timed rounds of all candidates together, in equal shares. */
  readonly budgetMs: number;
}

export interface CandidateResult {
  readonly name: string;
  readonly peer: boolean;
  readonly adapter: string;
  /** Set when it could not run this size; then the figures are missing. */
  readonly error?: string;
  readonly losses: readonly number[];
  /** Largest relative difference of the losses to ours. */
  readonly lossError: number;
  readonly stepMs: readonly number[];
  readonly javascriptMs: readonly number[];
  /** Processor time of each step where a CPU driver does it, in ms; else empty. */
  readonly cpuMs: readonly number[];
  readonly dispatches: number;
  readonly bytes: number;
  readonly peakBytes: number;
}

interface Running {
  readonly kind: CandidateKind;
  readonly adapter: string;
  readonly candidate?: Candidate;
  error?: string;
  losses: number[];
  lossError: number;
  stepMs: number[];
  javascriptMs: number[];
  cpuMs: number[];
}

const message = (error: unknown) => (error instanceof Error ? error.message : String(error)).slice(0, 500);

/** Ours must be the first of `kinds`: the others' losses are held against it. */
export async function compareTraining(
  kinds: readonly CandidateKind[],
  plan: Plan,
  log: (line: string) => void,
  /** The processor time so far of what draws, in ms. */
  processorMs?: () => Promise<number>,
): Promise<CandidateResult[]> {
  const problem = makeProblem(plan.size);
  const all: Running[] = [];
  for (const kind of kinds) {
    countFor(kind.name);
    const blank = { kind, losses: [], lossError: 0, stepMs: [], javascriptMs: [], cpuMs: [] };
    let adapter = 'none';
    try {
      adapter = await kind.start();
      const candidate = await kind.load(problem);
      const running: Running = { ...blank, adapter, candidate };
      all.push(running);
      for (let i = 0; i < AGREEMENT_STEPS; i++) {
        const start = performance.now();
        running.losses.push(await candidate.step());
        log(
          `${kind.name}: warm-up ${i + 1}, loss ${running.losses[i]}, ${Math.round(performance.now() - start)} ms`,
        );
      }
      checkLosses(running, all[0]?.losses ?? []);
    } catch (error) {
      log(`${kind.name}: ${message(error)}`);
      const last = all.at(-1);
      if (last?.kind === kind) last.error = message(error);
      else all.push({ ...blank, adapter, error: message(error) });
      // Without ours there is nothing to compare with.
      if (!kind.peer) break;
    }
  }

  const dispatches = new Map<CandidateKind, number>();
  const share = plan.budgetMs / kinds.length;
  for (let round = 0; round < plan.rounds; round++) {
    const due = all.filter((running) => running.error === undefined && isDue(running.stepMs, share));
    if (due.length === 0) break;
    for (const { candidate, kind, ...running } of due) {
      if (candidate === undefined) continue;
      countFor(kind.name);
      const counts = countsOf(kind.name);
      const before = counts.dispatches;
      const cpu = await processorMs?.();
      const start = performance.now();
      await candidate.step();
      running.stepMs.push(performance.now() - start);
      if (processorMs !== undefined && cpu !== undefined) running.cpuMs.push((await processorMs()) - cpu);
      dispatches.set(kind, counts.dispatches - before);
      if (candidate.javascriptMs !== undefined) running.javascriptMs.push(candidate.javascriptMs);
    }
    const times = due.map((r) => `${r.kind.name} ${Math.round(r.stepMs.at(-1) ?? Number.NaN)} ms`);
    log(`round ${round + 1}: ${times.join(', ')}`);
  }

  return all.map((running) => {
    const { kind, candidate, ...rest } = running;
    const counts = countsOf(kind.name);
    const own = candidate?.bytes?.();
    const result = {
      ...rest,
      name: kind.name,
      peer: kind.peer,
      dispatches: dispatches.get(kind) ?? 0,
      bytes: own ?? counts.bytes,
      peakBytes: own ?? counts.peakBytes,
    };
    countFor(kind.name);
    candidate?.dispose();
    return result;
  });
}

/** At least three timings, or one where a single step takes all of the candidate's share of the time. */
function isDue(stepMs: readonly number[], share: number): boolean {
  const spent = stepMs.reduce((a, b) => a + b, 0);
  return spent < share || (stepMs.length < 3 && spent / stepMs.length < share);
}

function checkLosses(running: Running, ours: readonly number[]): void {
  for (const [i, loss] of running.losses.entries()) {
    const expected = ours[i] ?? Number.NaN;
    running.lossError = Math.max(running.lossError, Math.abs(loss - expected) / Math.abs(expected));
  }
  // Written so that NaN fails.
  if (!(running.lossError <= LOSS_TOLERANCE)) {
    running.error = `not the same step: losses ${running.losses.join(', ')}, ours ${ours.join(', ')}`;
  }
}
