/** Lays out a prepared outer step for kernels/sparseloco/outer-step.wgsl. */
import type { ParameterLayout } from '../model/layout.ts';
import type { PreparedStep, WeightedUpdate } from './outer-step.ts';
import { CODES } from './update.ts';

export interface StepTables {
  /** `[submissions][chunks + 1]`, absolute indices into `entries`. */
  readonly starts: Uint32Array;
  /** All submissions' entries, one after another; two 16-bit entries make a word. */
  readonly entries: Uint16Array;
  /** `[submissions][chunks][4]` products w V in 64-bit two's complement: low word, high word. */
  readonly products: Uint32Array;
  readonly weights: Uint32Array;
}

export function stepTables(
  accepted: readonly WeightedUpdate[],
  step: PreparedStep,
  layout: ParameterLayout,
): StepTables {
  const { chunks } = layout;
  const total = accepted.reduce((n, a) => n + a.update.entries.length, 0);
  const starts = new Uint32Array(accepted.length * (chunks + 1));
  const entries = new Uint16Array(2 * Math.ceil(total / 2));
  const products = new Uint32Array(accepted.length * chunks * CODES * 2);
  let at = 0;
  accepted.forEach(({ update }, s) => {
    for (let c = 0; c <= chunks; c++) starts[s * (chunks + 1) + c] = at + (update.starts[c] as number);
    entries.set(update.entries, at);
    at += update.entries.length;
    const values = step.values[s] as Int32Array;
    const weight = step.weights[s] as number;
    for (let i = 0; i < chunks * CODES; i++) {
      // |w V| <= 2^40, so both halves are exact in a double.
      const product = weight * (values[i] as number);
      const word = 2 * (s * chunks * CODES + i);
      products[word] = product;
      products[word + 1] = Math.floor(product / 2 ** 32);
    }
  });
  return { starts, entries, products, weights: Uint32Array.from(step.weights) };
}
