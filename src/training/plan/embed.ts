/** The embedding: tokens to the first layer's x, and dx to the embedding's gradient. */
import type { LaunchSpec } from '../../kernels/program.ts';
import { embedBackwardLaunch, embedLaunch, type VocabPart } from '../../kernels/rows.ts';
import type { PlanFrame } from './frame.ts';

export const EMBEDDING = 'model.embed_tokens.weight';

const rowsOf = (f: PlanFrame, kind: 'parameters' | 'gradients', { first, count }: VocabPart) =>
  f.weight(kind, [EMBEDDING, count * f.sizes.d], first * f.sizes.d);

export function embedForward(f: PlanFrame): LaunchSpec[] {
  const { rows, d, vocabParts } = f.sizes;
  return vocabParts.map((part) =>
    embedLaunch(
      { rows, d, part },
      { tokens: f.buffer('tokens'), table: rowsOf(f, 'parameters', part), x: f.x(f.part.layers[0]) },
    ),
  );
}

/** Adds to the gradient, which must hold the head's share where both use one matrix, else zeros. */
export function embedBackward(f: PlanFrame): LaunchSpec[] {
  const { rows, d, vocabParts } = f.sizes;
  return vocabParts.map((part) =>
    embedBackwardLaunch(
      { rows, d, part },
      {
        tokens: f.buffer('tokens'),
        order: f.buffer('order'),
        dx: f.buffer('dx'),
        table: rowsOf(f, 'gradients', part),
      },
    ),
  );
}

/**
 * Fills `order` as embed-backward.wgsl reads it: count, positions sorted by token, starts of the runs. `starts` is scratch
 * of vocabulary + 1.
 */
export function orderByToken(tokens: Int32Array, order: Int32Array, starts: Int32Array): void {
  const rows = tokens.length;
  const vocab = starts.length - 1;
  starts.fill(0);
  for (const t of tokens) starts[t + 1] = starts[t + 1] + 1;
  let runs = 0;
  let position = 0;
  for (let t = 0; t < vocab; t++) {
    const count = starts[t + 1];
    if (count > 0) order[1 + rows + runs++] = position;
    starts[t] = position;
    position += count;
  }
  order[1 + rows + runs] = rows;
  order[0] = runs;
  for (let i = 0; i < rows; i++) {
    const t = tokens[i];
    order[1 + starts[t]] = i;
    starts[t] = starts[t] + 1;
  }
}
