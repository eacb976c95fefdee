/**
 * The Llama configuration of a run and the presets an organizer can name.
 *
 * Every matrix dimension is a multiple of 64, so that a matrix is a whole number of 64x64 tiles: SparseLoCo's
 * chunks (arXiv 2508.15706, section on chunk-wise top-k) then never straddle an edge.
 */
import * as v from 'valibot';

const dimension = v.pipe(v.number(), v.integer(), v.minValue(64), v.maxValue(1 << 20), v.multipleOf(64));
const count = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max));

/** Sizes of a Llama-style decoder (RMSNorm, RoPE "rotate half", grouped-query attention, SwiGLU). */
export const ModelConfigSchema = v.pipe(
  v.strictObject({
    vocabSize: dimension,
    hiddenSize: dimension,
    intermediateSize: dimension,
    layers: count(256),
    heads: count(256),
    kvHeads: count(256),
    tiedEmbeddings: v.boolean(),
    ropeTheta: v.pipe(v.number(), v.minValue(1), v.finite()),
    rmsNormEps: v.pipe(v.number(), v.minValue(1e-12), v.maxValue(1e-1)),
  }),
  v.check((c) => c.hiddenSize % c.heads === 0, 'hiddenSize must be a multiple of heads'),
  v.check((c) => c.heads % c.kvHeads === 0, 'heads must be a multiple of kvHeads'),
  v.check((c) => (c.hiddenSize / c.heads) % 2 === 0, 'the head dimension must be even (RoPE rotates pairs)'),
  v.check(
    (c) => ((c.hiddenSize / c.heads) * c.kvHeads) % 64 === 0,
    'kvHeads x head dimension must be a multiple of 64',
  ),
);

export type ModelConfig = v.InferOutput<typeof ModelConfigSchema>;

/** Width of one attention head. */
export const headDim = (c: ModelConfig): number => c.hiddenSize / c.heads;
/** Width of the key and of the value projection: kvHeads x headDim. */
export const kvSize = (c: ModelConfig): number => headDim(c) * c.kvHeads;
