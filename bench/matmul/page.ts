/** In Chromium: one matrix size on every engine, interleaved. Called by matmul.ts through Playwright. */
import { ENGINES, type MatmulRun } from './engines.ts';

export interface MatmulPlan {
  readonly n: number;
  readonly rounds: number;
  /** Milliseconds that one engine may take in all. */
  readonly shareMs: number;
}

export interface MatmulResult {
  readonly name: string;
  readonly peer: boolean;
  readonly adapter: string;
  readonly variant?: string;
  readonly error?: string;
  /** Milliseconds per product, one entry a round. */
  readonly ms: readonly number[];
}

/** A round queues so many products that reading back hides behind them. */
const ROUND_MS = 150;
/** Entries of the product that are checked against doubles. */
const CHECKS = 2;

async function multiply({ n, rounds, shareMs }: MatmulPlan): Promise<MatmulResult[]> {
  const random = (seed: number) => {
    let state = seed;
    return Float32Array.from({ length: n * n }, () => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32 - 0.5;
    });
  };
  const [a, b] = [random(1), random(2)];
  const loaded: (MatmulResult & {
    ms: number[];
    run?: MatmulRun;
    error?: string;
    repeats: number;
    spent: number;
  })[] = [];
  for (const engine of ENGINES) {
    const { name, peer } = engine;
    const entry: (typeof loaded)[number] = { name, peer, adapter: 'none', ms: [], repeats: 1, spent: 0 };
    loaded.push(entry);
    try {
      const adapter = await engine.start();
      const run = await engine.load(n, a, b);
      Object.assign(entry, { adapter, run, variant: run.variant });
      for (let i = 0; i < CHECKS; i++)
        await check(run, n, a, b, Math.floor(((i + 0.5) / CHECKS) * n * n) + i);
      // The first call compiled; a second one says how many fit a round.
      const begin = performance.now();
      run.run();
      await run.finish(0);
      const once = performance.now() - begin;
      entry.repeats = Math.max(1, Math.min(100, Math.round(ROUND_MS / once)));
      console.log(`${n}: ${name} ${once.toFixed(1)} ms, then ${entry.repeats} a round`);
    } catch (error) {
      entry.error = (error instanceof Error ? error.message : String(error)).slice(0, 300);
      console.log(`${n}: ${name} failed: ${entry.error}`);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const entry of loaded) {
      const { run, error, repeats } = entry;
      if (run === undefined || error !== undefined || (round > 0 && entry.spent > shareMs)) continue;
      await run.select?.();
      const begin = performance.now();
      for (let i = 0; i < repeats; i++) run.run();
      await run.finish(round);
      const ms = performance.now() - begin;
      entry.spent += ms;
      entry.ms.push(ms / repeats);
    }
  }
  return loaded.map(({ run, name, peer, adapter, variant, error, ms }) => {
    run?.dispose();
    return { name, peer, adapter, ms, ...(variant && { variant }), ...(error && { error }) };
  });
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

Object.assign(globalThis, { multiply });
