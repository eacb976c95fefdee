/** Where things stand on the round's clock face: phases as arcs true to scale, peers as places around it. Pure. */
import type { Phase, PhaseNow, RunInfo } from '../app/state.ts';

export const PHASES: readonly Phase[] = ['train', 'commit', 'reveal', 'judge'];

/** Share of a round that a phase takes when the run's own schedule is not known. */
const USUAL_SHARE: Readonly<Record<Phase, number>> = { train: 0.7, commit: 0.07, reveal: 0.1, judge: 0.13 };
const DEFAULT_ROUND_MS = 30_000;

export interface Arc {
  readonly phase: Phase;
  /** Start and length as shares of the whole round. */
  readonly start: number;
  readonly length: number;
  readonly ms: number;
}

/** The four arcs of a round, in order; their lengths sum to 1. */
export function arcs(run: Pick<RunInfo, 'roundMs' | 'phaseMs'> | null): readonly Arc[] {
  const roundMs = run?.roundMs ?? DEFAULT_ROUND_MS;
  const ms = PHASES.map((p) => run?.phaseMs?.[p] ?? USUAL_SHARE[p] * roundMs);
  const total = ms.reduce((a, b) => a + b, 0) || 1;
  let start = 0;
  return PHASES.map((phase, i) => {
    const arc = { phase, start, length: ms[i] / total, ms: ms[i] };
    start += arc.length;
    return arc;
  });
}

/** How much of each arc is over, 0 to 1, when `phase` still has `leftMs` to go. */
export function progress(all: readonly Arc[], phase: PhaseNow, leftMs: number): readonly number[] {
  const current = PHASES.findIndex((one) => one === phase);
  return all.map((arc, i) => {
    if (i !== current) return i < current ? 1 : 0;
    return arc.ms > 0 ? Math.min(1, Math.max(0, 1 - leftMs / arc.ms)) : 1;
  });
}

/** Places around the face. The first, at the top, is this tab's. */
export const SEATS = 48;

/** FNV-1a, 32 bit: a stable place for a name. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/**
 * A seat (1 to SEATS - 1) for each name, the same however many others come and go, except that a taken seat passes
 * to its neighbour. Names beyond the number of seats get none.
 */
export function seats(names: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Map<number, string>();
  const result = new Map<string, number>();
  for (const name of [...names].sort().slice(0, SEATS - 1)) {
    let seat = hash(name) % (SEATS - 1);
    while (taken.has(seat)) seat = (seat + 1) % (SEATS - 1);
    taken.set(seat, name);
    result.set(name, seat + 1);
  }
  return result;
}

/** The point of a share of the circle, clockwise from the top. */
export function point(share: number, radius: number, centre: number): { x: number; y: number } {
  const angle = share * 2 * Math.PI;
  return { x: centre + radius * Math.sin(angle), y: centre - radius * Math.cos(angle) };
}
