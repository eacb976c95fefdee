/**
 * The training step as lists of launches, made once for a configuration: which kernel reads and writes which buffer, in
 * which order. Nothing here depends on the data; the engine replays the lists.
 *
 * The pieces are in plan/: embed, block, head, optimizer. A plan is made of those that its part of the model has: the whole
 * model, or a stage of a pipeline, which takes x of its first layer in and gives x past its last, and the other way round
 * takes dx in and gives dx.
 */
import type { BufferRange, LaunchSpec } from '../kernels/program.ts';
import { NORM_BLOCK, sumColumnsLaunch } from '../kernels/rows.ts';
import { type ModelPart, wholeModel } from '../model/layout.ts';
import { blockBackward, blockBody, blockForward } from './plan/block.ts';
import { EMBEDDING, embedBackward, embedForward } from './plan/embed.ts';
import { PlanFrame, type PlanInput, STATS } from './plan/frame.ts';
import { type HeadChunk, headChunks, headLossSum, headNorm, headNormBackward } from './plan/head.ts';
import { operandCopies, optimizerStep } from './plan/optimizer.ts';

export interface PlanSpecs {
  /** Whenever parameters may have changed: their copies as operands. Empty with f32 storage. */
  readonly prepare: readonly LaunchSpec[];
  /** To x past the last layer, from tokens (with the embedding) or a given x of the first; with a head its norm too. */
  readonly forward: readonly LaunchSpec[];
  /** Loss of a training batch and its gradients, down to dx of the last layer's output. Empty without a head. */
  readonly head: readonly LaunchSpec[];
  /** From dx of the last layer's output to dx of the first layer's x, and the gradients of all weights on the way. */
  readonly backward: readonly LaunchSpec[];
  /** After `forward`: the loss alone, in place of `head`. Empty without a head. */
  readonly loss: readonly LaunchSpec[];
  /** After `forward`: logits of each chunk of rows, one at a time. Empty without a head. */
  readonly logits: readonly HeadChunk[];
  /** Once a step: gradient norm, clip factor, AdamW. */
  readonly update: readonly LaunchSpec[];
  /** Gradients that launches only add to: to be zeroed before a step's first micro-batch. */
  readonly cleared: BufferRange | undefined;
  /** Contents of the buffer `parts`. */
  readonly parts: Uint32Array<ArrayBuffer>;
}

/** The plan of a part of the model. `head`, `backward` and `update` are empty in a plan that is forward only. */
export function planStep(input: PlanInput, part: ModelPart = wholeModel(input.config)): PlanSpecs {
  const f = new PlanFrame(input, part);
  const training = input.forwardOnly !== true;
  const [from, to] = part.layers;
  const forward: LaunchSpec[] = part.embed ? embedForward(f) : [];
  for (let layer = from; layer < to; layer++) forward.push(...blockForward(f, layer));
  if (part.head) forward.push(headNorm(f));
  const chunks = part.head ? headChunks(f) : [];
  return {
    prepare: operandCopies(f),
    forward,
    head: training && part.head ? trainedHead(f, chunks) : [],
    backward: training ? backwardPass(f) : [],
    loss: part.head
      ? [...chunks.flatMap(({ score, loss }) => [...score, loss]), headLossSum(f, STATS.evaluation)]
      : [],
    logits: chunks,
    update: training ? optimizerStep(f) : [],
    cleared: clearedGradients(f),
    parts: f.parts.data,
  };
}

const trainedHead = (f: PlanFrame, chunks: readonly HeadChunk[]): LaunchSpec[] => [
  ...chunks.flatMap(({ score, loss, backward }) => [...score, loss, ...backward]),
  headLossSum(f, STATS.loss),
  headNormBackward(f),
];

function backwardPass(f: PlanFrame): LaunchSpec[] {
  const { rows, d, norms } = f.sizes;
  const [from, to] = f.part.layers;
  const launches: LaunchSpec[] = [];
  for (let layer = to - 1; layer >= from; layer--) {
    // The shared activations still hold the last layer's when its backward pass begins.
    if (f.input.recompute && layer < to - 1) launches.push(...blockBody(f, layer));
    launches.push(...blockBackward(f, layer));
  }
  launches.push(
    sumColumnsLaunch(
      { rows: Math.ceil(rows / NORM_BLOCK), columns: norms * d },
      {
        partial: f.buffer('gainPartials'),
        out: f.buffer('gradients', f.layout.matrixElements, norms * d),
      },
    ),
  );
  if (f.part.embed) launches.push(...embedBackward(f));
  return launches;
}

/** The embedding's gradient is a scatter that adds; with a tied head in the same part, the head writes it first. */
function clearedGradients(f: PlanFrame): BufferRange | undefined {
  if (!f.part.embed || f.input.forwardOnly === true) return undefined;
  if (f.part.head && f.config.tiedEmbeddings) return undefined;
  return f.weight('gradients', [EMBEDDING, f.config.vocabSize * f.sizes.d]);
}
