/**
 * The outer steps that experiments compare: DiLoCo's dense Nesterov step in f32, and SparseLoCo through the project's
 * own compression, wire format and integer outer step, with every worker's error feedback in one place.
 *
 * One agreed state serves all workers: replicas are equal to the bit, which src/sparseloco tests.
 */
import { thetaToFloat } from '../../src/model/init.ts';
import type { ParameterLayout } from '../../src/model/layout.ts';
import { sha256Sync } from '../../src/protocol/bytes.ts';
import type { SparseLoco } from '../../src/protocol/manifest.ts';
import { compressCpu } from '../../src/sparseloco/compress-cpu.ts';
import { decodeAll } from '../../src/sparseloco/cpu-replica.ts';
import { mergeStep, prepareStep, type StepChange, subtractStep } from '../../src/sparseloco/outer-step.ts';
import { encodeSubmission } from '../../src/sparseloco/wire.ts';
import type { DilocoSettings, SparseSettings } from './settings.ts';

/** The agreed state of a run between rounds, and what each worker hands in. */
export interface OuterState {
  /** The agreed model, f32. */
  parameters(): Float32Array;
  /** What worker `worker` starts its inner steps from. */
  start(worker: number): Float32Array;
  /** Takes what the inner steps made of {@link start}; returns the bytes that the worker would send. */
  submit(worker: number, end: Float32Array): number;
  /** One outer step over all that was submitted, `weights[worker]` integers. Ends the round. */
  step(weights: readonly number[]): void;
  /** The worker is replaced by a joiner. */
  forget(worker: number): void;
  /** Ends the run: applies what is still under way. */
  finish(): void;
  readonly saturated: number;
}

/** DiLoCo (arXiv 2311.08105): SGD with Nesterov momentum, PyTorch's form, on the weighted mean pseudo-gradient. */
export class DenseOuter implements OuterState {
  readonly saturated = 0;
  readonly #settings: DilocoSettings;
  readonly #theta: Float32Array;
  readonly #momentum: Float32Array;
  readonly #ends = new Map<number, Float32Array>();

  constructor(genesis: Float32Array, settings: DilocoSettings) {
    this.#settings = settings;
    this.#theta = genesis.slice();
    this.#momentum = new Float32Array(genesis.length);
  }

  parameters(): Float32Array {
    return this.#theta.slice();
  }

  start(): Float32Array {
    return this.parameters();
  }

  submit(worker: number, end: Float32Array): number {
    this.#ends.set(worker, end);
    return end.byteLength;
  }

  step(weights: readonly number[]): void {
    const { alpha, momentum } = this.#settings;
    const theta = this.#theta;
    const ends = [...this.#ends];
    const total = ends.reduce((sum, [worker]) => sum + weights[worker], 0);
    for (let i = 0; i < theta.length; i++) {
      let mean = 0;
      for (const [worker, end] of ends) mean += (weights[worker] * (theta[i] - end[i])) / total;
      this.#momentum[i] = momentum * this.#momentum[i] + mean;
      theta[i] -= alpha * (mean + momentum * this.#momentum[i]);
    }
    this.#ends.clear();
  }

  /** A DiLoCo worker keeps nothing beside its Adam moments. */
  forget(): void {}

  finish(): void {}
}

export interface SparseOuterOptions {
  /** Each update reaches the workers one round later than it could. */
  readonly late?: boolean;
  /** Sees every submission's bytes. */
  readonly onSubmission?: (bytes: Uint8Array) => void;
}

/** SparseLoCo, with every worker's error feedback. */
export class SparseOuter implements OuterState {
  saturated = 0;
  readonly #layout: ParameterLayout;
  readonly #settings: SparseSettings;
  readonly #options: SparseOuterOptions;
  readonly #theta: Int32Array;
  readonly #errors = new Map<number, Float32Array>();
  /** Where each worker's inner steps began this round, and how far each moved in the last one (late only). */
  readonly #starts = new Map<number, Int32Array>();
  readonly #moved = new Map<number, Int32Array>();
  readonly #submissions = new Map<number, Uint8Array>();
  #underWay: StepChange | null = null;
  #round = 0;

  constructor(
    genesis: Int32Array,
    layout: ParameterLayout,
    settings: SparseSettings,
    options: SparseOuterOptions = {},
  ) {
    this.#theta = genesis.slice();
    this.#layout = layout;
    this.#settings = settings;
    this.#options = options;
  }

  parameters(): Float32Array {
    return thetaToFloat(this.#theta, this.#settings.fractionBits);
  }

  start(worker: number): Float32Array {
    const moved = this.#moved.get(worker);
    const from = moved === undefined ? this.#theta.slice() : this.#theta.map((x, i) => x - moved[i]);
    this.#starts.set(worker, from);
    return thetaToFloat(from, this.#settings.fractionBits);
  }

  submit(worker: number, end: Float32Array): number {
    const layout = this.#layout;
    const settings = this.#roundSettings();
    const theta = this.#starts.get(worker) ?? this.#theta;
    const input = { theta, parameters: end, error: this.#error(worker) };
    const { update, error } = compressCpu(input, layout, settings);
    this.#errors.set(worker, error);
    const contributor = sha256Sync(new TextEncoder().encode(`worker ${worker}`));
    const header = { run: contributor, round: this.#round, contributor };
    const bytes = encodeSubmission(update, header, layout, settings);
    this.#submissions.set(worker, bytes);
    this.#options.onSubmission?.(bytes);
    if (this.#options.late === true) {
      const unit = 2 ** settings.fractionBits;
      this.#moved.set(
        worker,
        theta.map((x, i) => x - Math.round(end[i] * unit)),
      );
    }
    return bytes.byteLength;
  }

  step(weights: readonly number[]): void {
    const settings = this.#roundSettings();
    const certified = [...this.#submissions].map(([worker, bytes]) => ({ bytes, weight: weights[worker] }));
    const accepted = decodeAll(certified, this.#layout, settings);
    const step = prepareStep(accepted, this.#layout, settings);
    const change = mergeStep(accepted, step, this.#layout, settings);
    this.saturated += step.saturated;
    this.#submissions.clear();
    this.#round++;
    if (this.#options.late === true) this.finish();
    this.#underWay = change;
    if (this.#options.late !== true) this.finish();
  }

  forget(worker: number): void {
    this.#errors.delete(worker);
    this.#moved.delete(worker);
  }

  finish(): void {
    if (this.#underWay !== null) this.saturated += subtractStep(this.#theta, this.#underWay, this.#layout);
    this.#underWay = null;
  }

  #error(worker: number): Float32Array {
    return this.#errors.get(worker) ?? new Float32Array(this.#layout.elements);
  }

  #roundSettings(): SparseLoco {
    const { early, ...settings } = this.#settings;
    return early !== undefined && this.#round < early.rounds ? { ...settings, topK: early.topK } : settings;
  }
}
