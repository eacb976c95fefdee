/** What the pieces of a plan share: the buffers and weights by name, and products and attention as this device runs them. */
import type { AttentionPass, AttentionShape } from '../../kernels/attention-frame.ts';
import { type AttentionBuffers, attentionLaunches, PartTable } from '../../kernels/attention-variants.ts';
import type { KernelChoice, Storage } from '../../kernels/choice.ts';
import { type MatmulLaunch, matmulLaunch, splitMatmul } from '../../kernels/matmul.ts';
import type { BufferRange, LaunchSpec } from '../../kernels/program.ts';
import { rmsnormBackwardLaunch } from '../../kernels/rows.ts';
import type { ModelConfig } from '../../model/config.ts';
import { type ModelPart, type ParameterLayout, parameterLayout } from '../../model/layout.ts';
import { type Dimensions, layerBuffer, xBuffer } from '../memory.ts';
import type { OptimizerSettings } from '../types.ts';

/** Slots of the `stats` buffer. */
export const STATS = { loss: 0, norm: 1, clip: 2, evaluation: 3 } as const;

export interface PlanInput {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  /** Of the same part and options as the buffers. */
  readonly dimensions: Dimensions;
  /** Those of `planBuffers`, by name. */
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  readonly optimizer: OptimizerSettings;
  readonly recompute: boolean;
  /** Nothing is kept for a backward pass, and there is none. */
  readonly forwardOnly?: boolean;
  readonly choice: KernelChoice;
  readonly storage: Storage;
}

/** A weight: its first tensor's name and how many scalars belong to it, adjacent tensors included. */
export type Weight = readonly [name: string, elements: number];

export class PlanFrame {
  readonly input: PlanInput;
  readonly part: ModelPart;
  readonly config: ModelConfig;
  readonly sizes: Dimensions;
  readonly choice: KernelChoice;
  readonly layout: ParameterLayout;
  /** Operands of products are stored f16. */
  readonly half: boolean;
  /** Which workgroups each dispatch of attention does. */
  readonly parts: PartTable;
  readonly #shape: AttentionShape;
  /** All layers use one set of activations. */
  readonly #shared: boolean;

  constructor(input: PlanInput, part: ModelPart) {
    const { config, dimensions, batch, sequence } = input;
    this.input = input;
    this.part = part;
    this.config = config;
    this.sizes = dimensions;
    this.choice = input.choice;
    this.layout = parameterLayout(config, part);
    this.half = input.storage === 'f16';
    this.parts = new PartTable(this.buffer('parts').buffer);
    const { heads, kvHeads } = config;
    this.#shape = { batch, sequence, heads, kvHeads, headDim: dimensions.headDim };
    this.#shared = input.recompute || input.forwardOnly === true;
  }

  /** A buffer from scalar `first` on; `scalar`: bytes of one. */
  buffer(name: string, first = 0, elements?: number, scalar = 4): BufferRange {
    const buffer = this.input.buffers.get(name);
    if (buffer === undefined) throw new Error(`no buffer "${name}"`);
    const offset = first * scalar;
    return { buffer, offset, size: elements === undefined ? buffer.size - offset : elements * scalar };
  }

  /** A saved activation of a layer. */
  activation(name: string, layer: number): BufferRange {
    return this.buffer(layerBuffer(name, layer, this.#shared));
  }

  /** The residual stream before a layer. */
  x(layer: number): BufferRange {
    return this.buffer(xBuffer(layer, this.input.forwardOnly === true));
  }

  /** A weight's parameters or their gradients, from its scalar `skip` on. */
  weight(kind: 'parameters' | 'gradients', [name, elements]: Weight, skip = 0): BufferRange {
    const tensor = this.layout.byName.get(name);
    if (tensor === undefined) throw new Error(`no tensor "${name}"`);
    return this.buffer(kind, tensor.offset + skip, elements);
  }

  /** A weight as products read it. */
  matrix(weight: Weight, skip = 0): BufferRange {
    const range = this.weight('parameters', weight, skip);
    return this.half ? this.buffer('weights', range.offset / 4, weight[1], 2) : range;
  }

  /** A product; `operands` are those stored f16 where the storage is. Of the gradients none ever is. */
  matmul(l: MatmulLaunch, operands: 'ab' | 'b' | 'none' = l.form === 'NT' ? 'ab' : 'b'): LaunchSpec[] {
    const whole = this.half && operands !== 'none' ? { ...l, f16: operands } : l;
    // The tuning run measured whole products, so that is what the choice knows.
    const variant = this.choice.matmul(whole);
    return splitMatmul(whole, this.choice.dispatchFlops).map((piece) =>
      matmulLaunch(variant.supports(piece) ? variant : this.choice.matmul(piece), piece),
    );
  }

  attention<P extends AttentionPass>(pass: P, buffers: AttentionBuffers[P]): LaunchSpec[] {
    const { choice, parts } = this;
    const variant = choice.attention(this.#shape);
    return attentionLaunches(variant, pass, this.#shape, buffers, parts, choice.attentionFlops);
  }

  /**
   * RMSNorm's backward pass from dh to dx; `fresh` overwrites dx instead of adding to it. `norm` counts the norms of this
   * part: two a layer, then the last.
   */
  normBackward(
    norm: number,
    fresh: boolean,
    { x, gain, rstd }: { readonly x: BufferRange; readonly gain: BufferRange; readonly rstd: BufferRange },
  ): LaunchSpec {
    const { rows, d, norms } = this.sizes;
    return rmsnormBackwardLaunch(
      { shape: this.choice.row, rows, d, norms, norm, fresh },
      { x, gain, rstd, dh: this.buffer('dh'), dx: this.buffer('dx'), partial: this.buffer('gainPartials') },
    );
  }
}
