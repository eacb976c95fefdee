/** Once a step, over the flat buffers: gradient norm, clip factor, AdamW; and the weights' copies as operands. */
import type { LaunchSpec } from '../../kernels/program.ts';
import {
  adamwLaunch,
  clipFactorLaunch,
  NORM_GROUPS,
  squareSumLaunch,
  toHalfLaunch,
} from '../../kernels/rows.ts';
import type { PlanFrame } from './frame.ts';

/** Clips by the norm of the gradients at hand: those of this part of the model. */
export function optimizerStep(f: PlanFrame): LaunchSpec[] {
  const { layout } = f;
  const { optimizer } = f.input;
  const shape = f.choice.row;
  const [step, stats, partial] = [f.buffer('step'), f.buffer('stats'), f.buffer('normPartials')];
  const parts = flatParts(layout.elements, f.sizes.flatPart);
  const range = (name: string, { first, elements }: FlatPart) => f.buffer(name, first, elements);
  return [
    ...parts.map((part, i) =>
      squareSumLaunch(
        { shape, elements: part.elements, part: i },
        { values: range('gradients', part), partial },
      ),
    ),
    clipFactorLaunch(
      { shape, partials: parts.length * NORM_GROUPS, clipNorm: optimizer.clipNorm },
      { partial, stats },
    ),
    ...parts.map((part) =>
      adamwLaunch({ ...part, decayed: layout.matrixElements }, optimizer, {
        step,
        stats,
        gradients: range('gradients', part),
        parameters: range('parameters', part),
        moment1: range('moment1', part),
        moment2: range('moment2', part),
      }),
    ),
  ];
}

/** The matrices' f16 copies, whenever parameters may have changed. Empty with f32 storage. */
export function operandCopies(f: PlanFrame): LaunchSpec[] {
  if (!f.half) return [];
  return flatParts(f.layout.matrixElements, f.sizes.flatPart).map(({ first, elements }) =>
    toHalfLaunch(elements, {
      values: f.buffer('parameters', first, elements),
      half: f.buffer('weights', first, elements, 2),
    }),
  );
}

interface FlatPart {
  readonly first: number;
  readonly elements: number;
}

function flatParts(elements: number, part: number): FlatPart[] {
  const parts: FlatPart[] = [];
  for (let first = 0; first < elements; first += part)
    parts.push({ first, elements: Math.min(part, elements - first) });
  return parts;
}
