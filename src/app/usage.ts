/** How bandwidth and GPU were used since Start, in a bounded number of samples whose spans double when they run out. */
import type { UsageSample } from './picture-state.ts';

const MAX_SAMPLES = 720;
const FIRST_SPAN_MS = 5000;

/** Counters that only grow. */
export interface UsageCounters {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly tokens: number;
  /** Milliseconds spent in training steps. */
  readonly busyMs: number;
}

export class UsageLog {
  readonly #limit: number;
  #span = FIRST_SPAN_MS;
  #samples: readonly UsageSample[] = [];
  #last: (UsageCounters & { readonly at: number }) | null = null;

  constructor(limit = MAX_SAMPLES) {
    this.#limit = limit;
  }

  get samples(): readonly UsageSample[] {
    return this.#samples;
  }

  /** Takes the counters at `at` (epoch ms); true when a sample came of it. */
  record(at: number, counters: UsageCounters): boolean {
    const last = this.#last;
    // A counter that fell belongs to a new connection, and a clock that jumped back says nothing.
    if (
      last === null ||
      at < last.at ||
      counters.bytesIn < last.bytesIn ||
      counters.bytesOut < last.bytesOut
    ) {
      this.#last = { ...counters, at };
      return false;
    }
    const ms = at - last.at;
    if (ms < this.#span) return false;
    this.#last = { ...counters, at };
    const perSecond = (now: number, before: number) => Math.max(0, ((now - before) * 1000) / ms);
    const sample = {
      at,
      down: perSecond(counters.bytesIn, last.bytesIn),
      up: perSecond(counters.bytesOut, last.bytesOut),
      tokensPerSecond: perSecond(counters.tokens, last.tokens),
      busy: Math.min(1, Math.max(0, (counters.busyMs - last.busyMs) / ms)),
    };
    this.#samples = [...this.#samples, sample];
    if (this.#samples.length > this.#limit) this.#thin();
    return true;
  }

  /** Half as many samples, each the mean of two. */
  #thin(): void {
    const pairs: UsageSample[] = [];
    for (let i = 0; i + 1 < this.#samples.length; i += 2) {
      const [a, b] = this.#samples.slice(i, i + 2);
      const mean = (key: Exclude<keyof UsageSample, 'at'>) => (a[key] + b[key]) / 2;
      pairs.push({
        at: b.at,
        down: mean('down'),
        up: mean('up'),
        tokensPerSecond: mean('tokensPerSecond'),
        busy: mean('busy'),
      });
    }
    // An odd one out is the newest; dropping it would move the end of the curve back.
    const odd = this.#samples.length % 2 === 1 ? this.#samples.slice(-1) : [];
    this.#samples = [...pairs, ...odd];
    this.#span *= 2;
  }
}
