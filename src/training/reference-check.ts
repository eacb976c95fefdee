/**
 * Holds a training engine against golden vectors and reports every error as a figure with its tolerance.
 *
 * Runs the same in a page, in Node and in Deno: it touches no file and no console. What it measures, in order: logits
 * and loss at the initial parameters; loss and gradient norm before each of three AdamW steps on one batch and after
 * them; every tensor's gradient; and its update over the three steps. The update is compared as a tensor,
 * because Adam turns gradients near zero into steps of +-lr, so that single elements may differ.
 */
import type { KernelChoice } from '../kernels/choice.ts';
import { type AdapterReport, adapterLine, type Gpu } from '../kernels/gpu.ts';
import type { TensorSpec } from '../model/layout.ts';
import { createEngine } from './engine.ts';
import { REFERENCE_STEPS, type ReferenceFile } from './reference-file.ts';

export type ReferenceDtype = 'f32' | 'f16';

/** Relative errors: of tensors ‖a−b‖/‖b‖ (L2), of numbers |a−b|/|b|. */
export const REFERENCE_TOLERANCES: Readonly<Record<ReferenceDtype, Tolerances>> = {
  f32: {
    loss: 1e-5,
    logits: 1e-5,
    gradient: 1e-4,
    gradientNorm: 1e-5,
    gradientNormAfter: 3e-5,
    update: 5e-3,
    lossAfter: 1e-4,
  },
  f16: {
    loss: 2e-3,
    logits: 5e-3,
    gradient: 2e-2,
    gradientNorm: 5e-3,
    gradientNormAfter: 5e-3,
    update: 1e-1,
    lossAfter: 5e-3,
  },
};

interface Tolerances {
  readonly loss: number;
  readonly logits: number;
  readonly gradient: number;
  readonly gradientNorm: number;
  readonly update: number;
  /** Of losses once a step was taken. */
  readonly lossAfter: number;
  /**
   * Of whole-gradient norms once a step was taken: they stand on parameters in which Adam has turned rounding
   * differences of near-zero gradients into steps of +-lr. PyTorch in f32 is itself up to 1.0e-5 from PyTorch in f64 there.
   */
  readonly gradientNormAfter: number;
}

export interface ReferenceFigure {
  readonly name: string;
  /** The error. */
  readonly value: number;
  readonly unit: 'relative';
  readonly tolerance: number;
  readonly pass: boolean;
  readonly dtype: ReferenceDtype;
  readonly adapter: string;
  /** Which parameter, for gradients and updates. */
  readonly tensor?: string;
  /** Steps taken before this figure, for losses and norms. */
  readonly step?: number;
}

export interface ReferenceOptions {
  readonly choice?: KernelChoice;
  readonly recompute?: boolean;
  readonly dtype?: ReferenceDtype;
}

/** Runs the engine on the file's batch. The engine is destroyed; the device is the caller's. */
export async function checkReference(
  gpu: Gpu,
  file: ReferenceFile,
  { choice, recompute, dtype = 'f32' }: ReferenceOptions = {},
): Promise<ReferenceFigure[]> {
  const tolerances = REFERENCE_TOLERANCES[dtype];
  const record = recorder(gpu.adapter, dtype);
  const engine = await createEngine({
    gpu,
    config: file.config,
    batch: file.batchSize,
    sequence: file.sequence,
    accumulation: 1,
    optimizer: file.optimizer,
    choice,
    recompute,
    storage: dtype,
  });
  try {
    engine.setParameters(file.parameters);
    engine.resetOptimizer();
    if (engine.logits === undefined)
      throw new Error('this engine offers no logits, so they cannot be checked');
    record.add('logits', distance(await engine.logits(file.batch), file.logits), tolerances.logits);
    const evaluated = await engine.evaluate(file.batch);
    record.add('evaluated_loss', relative(evaluated, at(file.losses, 0)), tolerances.loss);

    for (let step = 0; step < REFERENCE_STEPS; step++) {
      await engine.step([file.batch], file.learningRate);
      const { loss, gradientNorm } = await engine.report();
      const lossTolerance = step === 0 ? tolerances.loss : tolerances.lossAfter;
      record.add('loss', relative(loss, at(file.losses, step)), lossTolerance, { step });
      const normError = relative(gradientNorm, at(file.gradientNorms, step));
      const normTolerance = step === 0 ? tolerances.gradientNorm : tolerances.gradientNormAfter;
      record.add('gradient_norm', normError, normTolerance, { step });
      if (step === 0) {
        const gradients = await engine.readGradients();
        for (const spec of file.layout.tensors) {
          const [ours, theirs] = [part(gradients, spec), part(file.gradients, spec)];
          const of = { tensor: spec.name };
          record.add('gradient', distance(ours, theirs), tolerances.gradient, of);
          record.add('tensor_gradient_norm', relative(norm(ours), norm(theirs)), tolerances.gradientNorm, of);
        }
      }
    }
    const parameters = await engine.readParameters();
    for (const spec of file.layout.tensors) {
      const start = part(file.parameters, spec);
      const ours = difference(part(parameters, spec), start);
      const theirs = difference(part(file.after, spec), start);
      record.add('update', distance(ours, theirs), tolerances.update, { tensor: spec.name });
    }

    // A step at learning rate 0 changes nothing and gives the last loss and norm of the file.
    await engine.step([file.batch], 0);
    const { loss, gradientNorm } = await engine.report();
    const step = REFERENCE_STEPS;
    record.add('loss', relative(loss, at(file.losses, step)), tolerances.lossAfter, { step });
    const normError = relative(gradientNorm, at(file.gradientNorms, step));
    record.add('gradient_norm', normError, tolerances.gradientNormAfter, { step });
    return record.figures;
  } finally {
    engine.destroy();
  }
}

function recorder(adapter: AdapterReport, dtype: ReferenceDtype) {
  const figures: ReferenceFigure[] = [];
  const add = (name: string, value: number, tolerance: number, of: { tensor?: string; step?: number } = {}) =>
    figures.push({
      name: `reference.${name}`,
      value,
      unit: 'relative',
      ...of,
      dtype,
      tolerance,
      // Written so that NaN fails.
      pass: value <= tolerance,
      adapter: adapterLine(adapter),
    });
  return { figures, add };
}

const part = (flat: Float32Array, spec: TensorSpec) => flat.subarray(spec.offset, spec.offset + spec.size);
const difference = (a: Float32Array, b: Float32Array) => Float64Array.from(a, (x, i) => x - at(b, i));
const at = (values: ArrayLike<number>, i: number): number => values[i] ?? Number.NaN;

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
const relative = (a: number, b: number): number => (a === b ? 0 : Math.abs(a - b) / Math.abs(b));

/** ‖a−b‖/‖b‖ in doubles; 0 for two zero tensors, NaN when lengths differ. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.NaN;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < b.length; i++) {
    const x = at(b, i);
    error += (at(a, i) - x) ** 2;
    norm += x * x;
  }
  return error === 0 ? 0 : Math.sqrt(error / norm);
}
