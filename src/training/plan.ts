/**
 * The training step as lists of launches, made once for a configuration: which kernel reads and writes which buffer, in
 * which order. Nothing here depends on the data; the engine replays the lists.
 *
 * Adjacent weights are used as one matrix where the layout allows: q, k, v are one [d + 2 kv, d] product, gate and up one
 * [2 f, d] product, and their gradients likewise.
 */
import type { AttentionPass, AttentionShape } from '../kernels/attention-frame.ts';
import { attentionLaunches, PartTable } from '../kernels/attention-variants.ts';
import { type MatmulLaunch, matmulLaunch, splitMatmul } from '../kernels/matmul.ts';
import { ROW_PADDING } from '../kernels/matmul-shape.ts';
import type { BufferRange, LaunchSpec } from '../kernels/program.ts';
import {
  adamwLaunch,
  clipFactorLaunch,
  crossEntropyLaunch,
  embedBackwardLaunch,
  embedLaunch,
  NORM_BLOCK,
  NORM_GROUPS,
  rmsnormBackwardLaunch,
  rmsnormLaunch,
  ropeLaunch,
  squareSumLaunch,
  sumColumnsLaunch,
  sumLossLaunch,
  swigluBackwardLaunch,
  swigluLaunch,
  toHalfLaunch,
} from '../kernels/rows.ts';
import type { KernelChoice, Storage } from '../kernels/choice.ts';
import type { ModelConfig } from '../model/config.ts';
import { parameterLayout } from '../model/layout.ts';
import { type Dimensions, layerBuffer, roundUp } from './memory.ts';
import type { OptimizerSettings } from './types.ts';

/** Slots of the `stats` buffer. */
export const STATS = { loss: 0, norm: 1, clip: 2, evaluation: 3 } as const;

export interface PlanInput {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly sequence: number;
  readonly dimensions: Dimensions;
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  readonly optimizer: OptimizerSettings;
  readonly recompute: boolean;
  readonly choice: KernelChoice;
  readonly storage: Storage;
}

export interface PlanSpecs {
  /** Whenever parameters may have changed: their copies as operands. Empty with f32 storage. */
  readonly prepare: LaunchSpec[];
  /** One micro-batch: forward, loss, backward. */
  readonly micro: LaunchSpec[];
  /** Once a step: gradient norm, clip factor, AdamW. */
  readonly update: LaunchSpec[];
  /** Forward and loss only. */
  readonly evaluate: LaunchSpec[];
  /** Forward up to the last norm. */
  readonly forward: LaunchSpec[];
  /** Logits of each chunk of rows, for checks against other implementations. */
  readonly logits: readonly {
    readonly launches: LaunchSpec[];
    readonly first: number;
    readonly rows: number;
  }[];
  /** Contents of the buffer `parts`. */
  readonly parts: Uint32Array<ArrayBuffer>;
}

export function planStep(input: PlanInput): PlanSpecs {
  const { config: c, dimensions: s, choice } = input;
  const layout = parameterLayout(c);
  const shape: AttentionShape = {
    batch: input.batch,
    sequence: input.sequence,
    heads: c.heads,
    kvHeads: c.kvHeads,
    headDim: s.headDim,
  };
  const half = input.storage === 'f16';

  const buffer = (name: string, firstElement = 0, elements?: number, scalar = 4): BufferRange => {
    const b = input.buffers.get(name);
    if (b === undefined) throw new Error(`no buffer "${name}"`);
    const offset = firstElement * scalar;
    return { buffer: b, offset, size: elements === undefined ? b.size - offset : elements * scalar };
  };
  const layerRange = (name: string, i: number) => buffer(layerBuffer(name, i, input.recompute));
  const x = (i: number) => buffer(`${i}.x`);

  /** A range of parameters or gradients: from the first tensor's start, `rows` x `columns` scalars. */
  const weight = (
    kind: 'parameters' | 'gradients',
    name: string,
    elements: number,
    skip = 0,
  ): BufferRange => {
    const tensor = layout.byName.get(name);
    if (tensor === undefined) throw new Error(`no tensor "${name}"`);
    return buffer(kind, tensor.offset + skip, elements);
  };
  /** The same range of a matrix as products read it. */
  const matrix = (name: string, elements: number, skip = 0): BufferRange => {
    const range = weight('parameters', name, elements, skip);
    if (!half) return range;
    return buffer('weights', range.offset / 4, elements, 2);
  };
  const parts = new PartTable(buffer('parts').buffer);
  const attention = (pass: AttentionPass, ranges: readonly BufferRange[]): LaunchSpec[] =>
    attentionLaunches(choice.attention(shape), pass, shape, ranges, parts, choice.attentionFlops);
  /** A product; `operands` are those stored f16 where the storage is. Of the gradients none ever is. */
  const matmul = (
    l: MatmulLaunch,
    operands: 'ab' | 'b' | 'none' = l.form === 'NT' ? 'ab' : 'b',
  ): LaunchSpec[] => {
    const whole = half && operands !== 'none' ? { ...l, f16: operands } : l;
    // The tuning run measured whole products, so that is what the choice knows.
    const variant = choice.matmul(whole);
    return splitMatmul(whole, choice.dispatchFlops).map((part) =>
      matmulLaunch(variant.supports(part) ? variant : choice.matmul(part), part),
    );
  };

  const layerNames = (i: number) => {
    const p = `model.layers.${i}.`;
    return {
      qkv: [`${p}self_attn.q_proj.weight`, s.ld * s.d] as const,
      out: [`${p}self_attn.o_proj.weight`, s.d * s.d] as const,
      gu: [`${p}mlp.gate_proj.weight`, 2 * s.f * s.d] as const,
      down: [`${p}mlp.down_proj.weight`, s.f * s.d] as const,
      norm1: [`${p}input_layernorm.weight`, s.d] as const,
      norm2: [`${p}post_attention_layernorm.weight`, s.d] as const,
    };
  };
  const rows = s.rows;
  /** Rows as a length of sums: the rows that pad it are zero. */
  const depth = roundUp(rows, 4);
  const eps = c.rmsNormEps;

  /** One layer up to and including SwiGLU: everything that its backward pass needs. */
  const layerBody = (i: number): LaunchSpec[] => {
    const w = layerNames(i);
    const at = (name: string) => layerRange(name, i);
    const p = (t: readonly [string, number]) => weight('parameters', ...t);
    const norm = (ranges: Parameters<typeof rmsnormLaunch>[4]) =>
      rmsnormLaunch(choice.row, rows, s.d, eps, ranges, input.storage);
    return [
      norm([x(i), p(w.norm1), at('h1'), at('rstd1')]),
      ...matmul({ form: 'NT', m: rows, n: s.ld, k: s.d, a: at('h1'), b: matrix(...w.qkv), c: at('qkv') }),
      ropeLaunch(rows, input.sequence, s.ld, c.heads + c.kvHeads, s.headDim, [at('qkv'), buffer('angles')]),
      ...attention('forward', [at('qkv'), at('attention'), at('lse')]),
      ...matmul(
        {
          form: 'NT',
          m: rows,
          n: s.d,
          k: s.d,
          a: at('attention'),
          b: matrix(...w.out),
          c: at('middle'),
          d: x(i),
        },
        'b',
      ),
      norm([at('middle'), p(w.norm2), at('h2'), at('rstd2')]),
      ...matmul({ form: 'NT', m: rows, n: 2 * s.f, k: s.d, a: at('h2'), b: matrix(...w.gu), c: at('gu') }),
      swigluLaunch(rows, s.f, [at('gu'), at('act')], input.storage),
    ];
  };

  const layerEnd = (i: number): LaunchSpec[] =>
    matmul({
      form: 'NT',
      m: rows,
      n: s.d,
      k: s.f,
      a: layerRange('act', i),
      b: matrix(...layerNames(i).down),
      c: x(i + 1),
      d: layerRange('middle', i),
    });

  const finalNorm: [BufferRange, BufferRange, BufferRange, BufferRange] = [
    x(c.layers),
    weight('parameters', 'model.norm.weight', s.d),
    buffer('hFinal'),
    buffer('rstdFinal'),
  ];
  const embedding = (kind: 'parameters' | 'gradients', first: number, count: number) =>
    weight(kind, 'model.embed_tokens.weight', count * s.d, first * s.d);
  const forward: LaunchSpec[] = s.vocabParts.map((part) =>
    embedLaunch(rows, s.d, part, [buffer('tokens'), embedding('parameters', part.first, part.count), x(0)]),
  );
  for (let i = 0; i < c.layers; i++) forward.push(...layerBody(i), ...layerEnd(i));
  forward.push(rmsnormLaunch(choice.row, rows, s.d, eps, finalNorm, input.storage));

  // The head, chunk by chunk of rows.
  const headName = c.tiedEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';
  const chunks: { first: number; rows: number }[] = [];
  for (let first = 0; first < rows; first += s.chunk)
    chunks.push({ first, rows: Math.min(s.chunk, rows - first) });
  const logits = buffer('logits');
  const head = chunks.map(({ first, rows: count }, index) => {
    const hidden = buffer('hFinal', first * s.d, undefined, half ? 2 : 4);
    const score = s.vocabParts.flatMap((part) =>
      matmul({
        form: 'NT',
        m: count,
        n: part.count,
        k: s.d,
        a: hidden,
        b: matrix(headName, part.count * s.d, part.first * s.d),
        c: logits,
        ldc: c.vocabSize,
        cColumn: part.first,
      }),
    );
    const loss = crossEntropyLaunch(choice.row, first, count, roundUp(count, ROW_PADDING), c.vocabSize, [
      buffer('step'),
      buffer('targets'),
      logits,
      buffer('loss'),
    ]);
    const backward = s.vocabParts.flatMap((part, j) => [
      ...matmul({
        form: 'NN',
        m: count,
        n: s.d,
        k: part.count,
        a: logits,
        lda: c.vocabSize,
        aColumn: part.first,
        b: matrix(headName, part.count * s.d, part.first * s.d),
        c: buffer('dh', first * s.d),
        accumulate: j > 0,
      }),
      ...matmul({
        form: 'TN',
        m: part.count,
        n: s.d,
        k: roundUp(count, 4),
        a: logits,
        lda: c.vocabSize,
        aColumn: part.first,
        b: hidden,
        c: weight('gradients', headName, part.count * s.d, part.first * s.d),
        accumulate: index > 0,
        twin: true,
      }),
    ]);
    return { first, rows: count, score, loss, backward };
  });

  const normBackward = (
    norm: number,
    fresh: boolean,
    input_: BufferRange,
    gain: BufferRange,
    rstd: BufferRange,
  ): LaunchSpec =>
    rmsnormBackwardLaunch(choice.row, rows, s.d, s.norms, norm, fresh, [
      input_,
      gain,
      rstd,
      buffer('dh'),
      buffer('dx'),
      buffer('gainPartials'),
    ]);

  const layerBackward = (i: number): LaunchSpec[] => {
    const w = layerNames(i);
    const at = (name: string) => layerRange(name, i);
    const p = (t: readonly [string, number]) => weight('parameters', ...t);
    const g = (t: readonly [string, number]) => weight('gradients', ...t);
    const [dx, dh, dact, dqkv] = [buffer('dx'), buffer('dh'), buffer('dact'), buffer('dqkv')];
    const dW = (
      out: number,
      inner: number,
      a: BufferRange,
      b: BufferRange,
      t: readonly [string, number],
      operands?: 'none',
    ) => matmul({ form: 'TN', m: out, n: inner, k: depth, a, b, c: g(t), twin: true }, operands);
    const dIn = (
      out: number,
      inner: number,
      a: BufferRange,
      t: readonly [string, number],
      into: BufferRange,
    ) => matmul({ form: 'NN', m: rows, n: inner, k: out, a, b: matrix(...t), c: into });
    return [
      ...dW(s.d, s.f, dx, at('act'), w.down),
      ...dIn(s.d, s.f, dx, w.down, dact),
      swigluBackwardLaunch(rows, s.f, [dact, at('gu')]),
      ...dW(2 * s.f, s.d, at('gu'), at('h2'), w.gu),
      ...dIn(2 * s.f, s.d, at('gu'), w.gu, dh),
      normBackward(2 * i + 1, false, at('middle'), p(w.norm2), at('rstd2')),
      ...dW(s.d, s.d, dx, at('attention'), w.out, 'none'),
      ...dIn(s.d, s.d, dx, w.out, dh),
      ...attention('query', [
        at('qkv'),
        at('attention'),
        dh,
        at('lse'),
        buffer('angles'),
        buffer('delta'),
        dqkv,
      ]),
      ...attention('keyValue', [at('qkv'), dh, at('lse'), buffer('angles'), buffer('delta'), dqkv]),
      ...dW(s.ld, s.d, dqkv, at('h1'), w.qkv),
      ...dIn(s.ld, s.d, dqkv, w.qkv, dh),
      normBackward(2 * i, false, x(i), p(w.norm1), at('rstd1')),
    ];
  };

  const micro: LaunchSpec[] = [...forward];
  for (const h of head) micro.push(...h.score, h.loss, ...h.backward);
  micro.push(sumLossLaunch(choice.row, rows, STATS.loss, [buffer('loss'), buffer('stats')]));
  micro.push(normBackward(s.norms - 1, true, finalNorm[0], finalNorm[1], finalNorm[3]));
  for (let i = c.layers - 1; i >= 0; i--) {
    // The shared activations still hold the last layer's when its backward pass begins.
    if (input.recompute && i < c.layers - 1) micro.push(...layerBody(i));
    micro.push(...layerBackward(i));
  }
  micro.push(
    sumColumnsLaunch(Math.ceil(rows / NORM_BLOCK), s.norms * s.d, [
      buffer('gainPartials'),
      buffer('gradients', layout.matrixElements, s.norms * s.d),
    ]),
    ...s.vocabParts.map((part) =>
      embedBackwardLaunch(rows, s.d, part, [
        buffer('tokens'),
        buffer('order'),
        buffer('dx'),
        embedding('gradients', part.first, part.count),
      ]),
    ),
  );

  const update: LaunchSpec[] = [];
  const flat = flatParts(layout.elements, s.flatPart);
  flat.forEach(({ first, elements }, i) =>
    update.push(
      squareSumLaunch(choice.row, elements, i, [
        buffer('gradients', first, elements),
        buffer('normPartials'),
      ]),
    ),
  );
  update.push(
    clipFactorLaunch(choice.row, flat.length * NORM_GROUPS, input.optimizer.clipNorm, [
      buffer('normPartials'),
      buffer('stats'),
    ]),
  );
  for (const { first, elements } of flat) {
    update.push(
      adamwLaunch(first, elements, layout.matrixElements, input.optimizer, [
        buffer('step'),
        buffer('stats'),
        buffer('gradients', first, elements),
        buffer('parameters', first, elements),
        buffer('moment1', first, elements),
        buffer('moment2', first, elements),
      ]),
    );
  }

  const prepare = half
    ? flatParts(layout.matrixElements, s.flatPart).map(({ first, elements }) =>
        toHalfLaunch(elements, [
          buffer('parameters', first, elements),
          buffer('weights', first, elements, 2),
        ]),
      )
    : [];

  return {
    prepare,
    micro,
    update,
    forward,
    evaluate: [
      ...forward,
      ...head.flatMap((h) => [...h.score, h.loss]),
      sumLossLaunch(choice.row, rows, STATS.evaluation, [buffer('loss'), buffer('stats')]),
    ],
    logits: head.map((h) => ({ launches: h.score, first: h.first, rows: h.rows })),
    parts: parts.data,
  };
}

function flatParts(elements: number, part: number): { first: number; elements: number }[] {
  const parts: { first: number; elements: number }[] = [];
  for (let first = 0; first < elements; first += part)
    parts.push({ first, elements: Math.min(part, elements - first) });
  return parts;
}
