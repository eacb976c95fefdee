/** The last norm, logits, loss and their gradients, chunk by chunk of rows: all logits at a time would not fit. */
import { ROW_PADDING } from '../../kernels/matmul-shape.ts';
import type { LaunchSpec } from '../../kernels/program.ts';
import { crossEntropyLaunch, rmsnormLaunch, sumLossLaunch } from '../../kernels/rows.ts';
import { roundUp } from '../memory.ts';
import { EMBEDDING } from './embed.ts';
import type { PlanFrame, Weight } from './frame.ts';

/** Rows `[first, first + rows)` of the batch. */
export interface HeadChunk {
  readonly first: number;
  readonly rows: number;
  /** Their logits. */
  readonly score: readonly LaunchSpec[];
  /** Their losses; the logits' gradient takes the logits' place. */
  readonly loss: LaunchSpec;
  /** Gradients of the normed rows (into dh) and of the head's matrix. Empty in a plan without a backward pass. */
  readonly backward: readonly LaunchSpec[];
}

const lastNorm = (f: PlanFrame) => ({
  x: f.x(f.part.layers[1]),
  gain: f.weight('parameters', ['model.norm.weight', f.sizes.d]),
  rstd: f.buffer('rstdFinal'),
});

export function headNorm(f: PlanFrame): LaunchSpec {
  const { rows, d } = f.sizes;
  return rmsnormLaunch(
    { shape: f.choice.row, rows, d, eps: f.config.rmsNormEps, storage: f.input.storage },
    { ...lastNorm(f), h: f.buffer('hFinal') },
  );
}

/** dh to dx of the last layer's output; overwrites dx. */
export const headNormBackward = (f: PlanFrame): LaunchSpec =>
  f.normBackward(f.sizes.norms - 1, true, lastNorm(f));

export function headChunks(f: PlanFrame): HeadChunk[] {
  const { rows, chunk } = f.sizes;
  const chunks: HeadChunk[] = [];
  for (let first = 0; first < rows; first += chunk)
    chunks.push(headChunk(f, first, Math.min(chunk, rows - first)));
  return chunks;
}

function headChunk(f: PlanFrame, first: number, rows: number): HeadChunk {
  const { d, vocabParts } = f.sizes;
  const vocab = f.config.vocabSize;
  const name = f.config.tiedEmbeddings ? EMBEDDING : 'lm_head.weight';
  const logits = f.buffer('logits');
  const hidden = f.buffer('hFinal', first * d, undefined, f.half ? 2 : 4);
  const score = vocabParts.flatMap((part) =>
    f.matmul({
      form: 'NT',
      m: rows,
      n: part.count,
      k: d,
      a: hidden,
      b: f.matrix([name, part.count * d], part.first * d),
      c: logits,
      ldc: vocab,
      cColumn: part.first,
    }),
  );
  const loss = crossEntropyLaunch(
    { shape: f.choice.row, first, rows, padded: roundUp(rows, ROW_PADDING), vocab },
    { step: f.buffer('step'), targets: f.buffer('targets'), logits, loss: f.buffer('loss') },
  );
  if (f.input.forwardOnly === true) return { first, rows, score, loss, backward: [] };
  const backward = vocabParts.flatMap((part, j) => {
    const weight: Weight = [name, part.count * d];
    const skip = part.first * d;
    const gradient = { a: logits, lda: vocab, aColumn: part.first };
    return [
      ...f.matmul({
        form: 'NN',
        m: rows,
        n: d,
        k: part.count,
        ...gradient,
        b: f.matrix(weight, skip),
        c: f.buffer('dh', first * d),
        accumulate: j > 0,
      }),
      ...f.matmul({
        form: 'TN',
        m: part.count,
        n: d,
        k: roundUp(rows, 4),
        ...gradient,
        b: hidden,
        c: f.weight('gradients', weight, skip),
        accumulate: first > 0,
        twin: true,
      }),
    ];
  });
  return { first, rows, score, loss, backward };
}

/** The batch's loss into its slot of `stats`. */
export const headLossSum = (f: PlanFrame, slot: number): LaunchSpec =>
  sumLossLaunch(
    { shape: f.choice.row, rows: f.sizes.rows, slot },
    { loss: f.buffer('loss'), stats: f.buffer('stats') },
  );
