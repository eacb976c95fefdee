/**
 * Time in a run: which round and phase it is, and how far this machine's clock is off.
 *
 * All schedule arithmetic is on the swarm's time in epoch milliseconds. A peer never trusts its own clock unchecked:
 * {@link SwarmClock} estimates the offset from request/answer samples against the host and other sources.
 */
import type { Schedule } from './manifest.ts';

export type RoundPhase = 'train' | 'commit' | 'reveal' | 'judge';

export interface PhaseInfo {
  readonly round: number;
  /** `before`: round 0 has not begun, there is nothing to do but to wait. */
  readonly phase: RoundPhase | 'before';
  /** -Infinity before the run begins. */
  readonly startsAt: number;
  readonly endsAt: number;
}

/** Whether round 0 has begun. A run that was made while the organizer's clock was ahead begins in the future. */
export const hasBegun = (schedule: Schedule, now: number): boolean => now >= schedule.startMs;

/** Round number at `now`; 0 before the run begins: no round is negative. */
export function roundAt(schedule: Schedule, now: number): number {
  return Math.max(0, Math.floor((now - schedule.startMs) / schedule.roundMs));
}

/** When a round starts, epoch ms. */
export const roundStart = (schedule: Schedule, round: number): number =>
  schedule.startMs + round * schedule.roundMs;

/** Deadlines of a round, epoch ms: each phase ends, and the next begins, at its deadline. */
export function deadlines(schedule: Schedule, round: number): Record<RoundPhase, number> {
  const start = roundStart(schedule, round);
  return {
    train: start + schedule.trainMs,
    commit: start + schedule.commitMs,
    reveal: start + schedule.revealMs,
    judge: start + schedule.roundMs,
  };
}

/** The round and phase at `now`; a deadline's own millisecond belongs to the next phase. */
export function phaseAt(schedule: Schedule, now: number): PhaseInfo {
  const round = roundAt(schedule, now);
  const ends = deadlines(schedule, round);
  if (!hasBegun(schedule, now))
    return { round, phase: 'before', startsAt: Number.NEGATIVE_INFINITY, endsAt: schedule.startMs };
  let startsAt = roundStart(schedule, round);
  for (const phase of ['train', 'commit', 'reveal'] as const) {
    if (now < ends[phase]) return { round, phase, startsAt, endsAt: ends[phase] };
    startsAt = ends[phase];
  }
  return { round, phase: 'judge', startsAt, endsAt: ends.judge };
}

/** One question for the time, by this machine's clock: sent at t0, answered with `serverTime`, received at t1. */
export interface ClockSample {
  readonly t0: number;
  readonly serverTime: number;
  readonly t1: number;
}

/** "The true time is this machine's plus something in [offset - error, offset + error]", in ms. */
export interface ClockEstimate {
  readonly offset: number;
  readonly error: number;
}

/**
 * NTP's formula (RFC 5905, section 8) for an answer that carries one time stamp: the offset is the server's time
 * minus the middle of the exchange, and cannot be wrong by more than half the round trip. Null for impossible samples.
 */
export function estimateOffset(sample: ClockSample): ClockEstimate | null {
  const { t0, serverTime, t1 } = sample;
  const offset = serverTime - (t0 + t1) / 2;
  if (!Number.isFinite(offset) || t1 < t0) return null;
  return { offset, error: (t1 - t0) / 2 };
}

/** What a sample came to. `contradicts`: one of the two clocks was stepped since the samples before it. */
export type SampleOutcome = 'impossible' | 'agrees' | 'contradicts';

/** Samples kept of each source. The one with the shortest round trip counts: queues only ever add delay. */
const SAMPLES_PER_SOURCE = 8;
/** Sources kept; the one silent for longest goes first, so that a flood of sources costs no memory. */
const MAX_SOURCES = 16;

/**
 * This machine's offset to the swarm's time, from several sources.
 *
 * Each source's best sample is an interval that must hold the true offset; the answer is the middle of the interval
 * that the greatest weight of sources agrees on (Marzullo's algorithm, as in NTP). A single liar among three is thus
 * outvoted. Before the first sample the offset is 0 with an infinite error: callers should not start on that.
 */
export class SwarmClock {
  readonly #sources = new Map<string, { weight: number; estimates: ClockEstimate[] }>();
  readonly #local: () => number;

  constructor(local: () => number = Date.now) {
    this.#local = local;
  }

  /**
   * Records a sample. One that is impossible changes nothing. Samples before it that it contradicts by more than the error of
   * both are dropped: they were true once, and a clock was stepped since.
   */
  addSample(source: string, sample: ClockSample, weight = 1): SampleOutcome {
    const estimate = estimateOffset(sample);
    if (estimate === null) return 'impossible';
    const before = this.#sources.get(source)?.estimates ?? [];
    const kept = before.filter(
      ({ offset, error }) => Math.abs(offset - estimate.offset) <= error + estimate.error,
    );
    const estimates = [...kept, estimate].slice(-SAMPLES_PER_SOURCE);
    this.#sources.delete(source);
    this.#sources.set(source, { weight, estimates });
    for (const oldest of this.#sources.keys()) {
      if (this.#sources.size <= MAX_SOURCES) break;
      this.#sources.delete(oldest);
    }
    return kept.length < before.length ? 'contradicts' : 'agrees';
  }

  estimate(): ClockEstimate {
    const edges: { at: number; weight: number }[] = [];
    for (const { weight, estimates } of this.#sources.values()) {
      const best = estimates.reduce((a, b) => (b.error < a.error ? b : a));
      edges.push({ at: best.offset - best.error, weight }, { at: best.offset + best.error, weight: -weight });
    }
    if (edges.length === 0) return { offset: 0, error: Number.POSITIVE_INFINITY };
    // At equal places an interval opens before another closes: touching counts as agreeing.
    edges.sort((a, b) => a.at - b.at || b.weight - a.weight);
    let support = 0;
    let most = Number.NEGATIVE_INFINITY;
    let low = 0;
    let high = 0;
    edges.forEach((edge, i) => {
      support += edge.weight;
      if (edge.weight > 0 && support > most) {
        most = support;
        low = edge.at;
        high = (edges[i + 1] as { at: number }).at;
      }
    });
    return { offset: (low + high) / 2, error: (high - low) / 2 };
  }

  /** Swarm time in epoch ms. */
  now(): number {
    return this.#local() + this.estimate().offset;
  }
}
