/** In Chromium: one matrix size on every engine. Called by matmul.ts through Playwright, which interleaves the rounds. */
import { ENGINES, type MatmulRun } from './engines.ts';

export interface MatmulEntry {
  readonly name: string;
  readonly peer: boolean;
  readonly adapter: string;
  readonly variant?: string;
  readonly error?: string;
  /** Products in a round. */
  readonly repeats: number;
}

/** A round queues so many products that reading back hides behind them. */
const ROUND_MS = 150;
/** Entries of the product that are checked against doubles. */
const CHECKS = 2;

let running: (MatmulRun | undefined)[] = [];

/** Loads size `n` on every engine, checks some entries of each product, and sees how many products make a round. */
async function load(n: number): Promise<MatmulEntry[]> {
  for (const run of running) run?.dispose();
  running = [];
  const random = (seed: number) => {
    let state = seed;
    return Float32Array.from({ length: n * n }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32 - 0.5;
    });
  };
  const [a, b] = [random(1), random(2)];
  const entries: MatmulEntry[] = [];
  for (const engine of ENGINES) {
    const { name, peer } = engine;
    try {
      const adapter = await engine.start();
      const run = await engine.load(n, a, b);
      for (let i = 0; i < CHECKS; i++)
        await check(run, n, a, b, Math.floor(((i + 0.5) / CHECKS) * n * n) + i);
      // The first call compiled; a second one says how many fit a round.
      const begin = performance.now();
      run.run();
      await run.finish(0);
      const once = performance.now() - begin;
      const repeats = Math.max(1, Math.min(100, Math.round(ROUND_MS / once)));
      console.log(`${n}: ${name} ${once.toFixed(1)} ms, then ${repeats} a round`);
      running.push(run);
      entries.push({ name, peer, adapter, repeats, ...(run.variant && { variant: run.variant }) });
    } catch (error) {
      const message = (error instanceof Error ? error.message : String(error)).slice(0, 300);
      console.log(`${n}: ${name} failed: ${message}`);
      running.push(undefined);
      entries.push({ name, peer, adapter: 'none', repeats: 0, error: message });
    }
  }
  return entries;
}

/** Milliseconds of `repeats` products on one engine. */
async function round({ engine, repeats }: { engine: number; repeats: number }): Promise<number> {
  const run = running[engine];
  if (run === undefined) return Number.NaN;
  await run.select?.();
  const begin = performance.now();
  for (let i = 0; i < repeats; i++) run.run();
  await run.finish(0);
  return performance.now() - begin;
}

async function check(
  run: MatmulRun,
  n: number,
  a: Float32Array,
  b: Float32Array,
  index: number,
): Promise<void> {
  run.run();
  const got = await run.finish(index);
  let expected = 0;
  for (let k = 0; k < n; k++) {
    expected += (a[Math.floor(index / n) * n + k] ?? Number.NaN) * (b[k * n + (index % n)] ?? Number.NaN);
  }
  // Sums of n products of numbers under a half; f32 rounding of each partial sum.
  if (!(Math.abs(got - expected) <= 1e-6 * n)) throw new Error(`wrong product: ${got}, not ${expected}`);
}

Object.assign(globalThis, { load, round });
