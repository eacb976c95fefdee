/**
 * The training step that every candidate runs: the same configuration, weights, batch and optimiser.
 *
 * Sizes named tiny to medium are what a software adapter can do in minutes; 30m and 124m are for real GPUs.
 */
import type { ModelConfig } from '../../src/model/config.ts';
import { parameterLayout } from '../../src/model/layout.ts';
import { createRandom } from '../../src/model/random.ts';
import type { Batch, OptimizerSettings } from '../../src/training/types.ts';

export interface Size {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
}

const size = (
  [hiddenSize, intermediateSize, vocabSize]: readonly [number, number, number],
  [layers, heads]: readonly [number, number],
  [batch, sequence]: readonly [number, number],
): Size => ({
  config: {
    vocabSize,
    hiddenSize,
    intermediateSize,
    layers,
    heads,
    // As many key/value heads as query heads: peers without grouped-query attention lose nothing by it.
    kvHeads: heads,
    tiedEmbeddings: true,
    ropeTheta: 10_000,
    rmsNormEps: 1e-5,
  },
  batch,
  sequence,
});

export const SIZES: Readonly<Record<string, Size>> = {
  tiny: size([64, 192, 256], [2, 2], [2, 64]),
  small: size([128, 384, 512], [4, 4], [2, 64]),
  medium: size([256, 704, 1024], [4, 4], [1, 128]),
  /** As deep as the largest, else tiny: what a step costs in JavaScript and dispatches. */
  deep: size([64, 192, 256], [12, 2], [1, 64]),
  '10m': size([320, 896, 4096], [6, 5], [8, 256]),
  '30m': size([512, 1408, 8192], [8, 8], [8, 512]),
  '124m': size([768, 2048, 50_304], [12, 12], [4, 1024]),
};
export const DEFAULT_SIZES = ['tiny', 'small', 'medium'];

export const OPTIMIZER: OptimizerSettings = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
};
export const LEARNING_RATE = 1e-3;

export interface Problem extends Size {
  readonly parameters: Float32Array<ArrayBuffer>;
  readonly data: Batch;
}

/** Weights normal(0, 0.05), gains 1 + normal(0, 0.1); tokens uniform, each target the next token. */
export function makeProblem({ config, batch, sequence }: Size): Problem {
  const random = createRandom(new Uint8Array(16).fill(7));
  const uniform = () => (random.uint32() + 0.5) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.elements);
  for (let i = 0; i < parameters.length; i++) {
    parameters[i] = i < layout.matrixElements ? 0.05 * normal() : 1 + 0.1 * normal();
  }
  const count = batch * sequence;
  const ids = Int32Array.from({ length: count + batch }, () => random.below(config.vocabSize));
  const tokens = new Int32Array(count);
  const targets = new Int32Array(count);
  for (let b = 0; b < batch; b++) {
    const row = ids.subarray(b * (sequence + 1), (b + 1) * (sequence + 1));
    tokens.set(row.subarray(0, sequence), b * sequence);
    targets.set(row.subarray(1), b * sequence);
  }
  return { config, batch, sequence, parameters, data: { tokens, targets } };
}

/** cos and sin of RoPE's angles, `[sequence, headDim / 2]` each, position by position. */
export function ropeTables({ config, sequence }: Size): {
  cos: Float32Array<ArrayBuffer>;
  sin: Float32Array<ArrayBuffer>;
} {
  const half = config.hiddenSize / config.heads / 2;
  const angle = (i: number) => Math.floor(i / half) * config.ropeTheta ** (-(i % half) / half);
  const table = (f: (x: number) => number) =>
    Float32Array.from({ length: sequence * half }, (_, i) => f(angle(i)));
  return { cos: table(Math.cos), sin: table(Math.sin) };
}
