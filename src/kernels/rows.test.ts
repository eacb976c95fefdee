/** The row kernels against their plain f64 forms, over odd shapes drawn by fast-check. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RowShape } from './reduce.ts';
import {
  adamwReference,
  crossEntropyReference,
  rmsnormBackwardReference,
  rmsnormReference,
  swigluBackwardReference,
  swigluReference,
} from './rows.reference.ts';
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
  squareSumLaunch,
  sumColumnsLaunch,
  sumLossLaunch,
  swigluBackwardLaunch,
  swigluLaunch,
} from './rows.ts';
import { testGpu } from './testing.ts';
import { free, noise, readBack, relativeError, runLaunches, storage } from './testing-buffers.ts';

const gpu = await testGpu();
const close = 3e-6;

/** The forms of a row reduction: a tree in workgroup memory, and one subgroup where the device has them. */
const shapes: RowShape[] = [{ threads: 64, subgroup: false }];
if (gpu.adapter.subgroups && gpu.adapter.subgroupMinSize === gpu.adapter.subgroupMaxSize) {
  shapes.push({ threads: gpu.adapter.subgroupMinSize, subgroup: true });
}

it('the adapter is a named one', () => {
  expect(gpu.adapter.vendor + gpu.adapter.architecture).not.toBe('');
});

describe.each(shapes)('rows over $threads threads (subgroup: $subgroup)', (shape) => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 37 }), fc.constantFrom(64, 192));

  it('RMSNorm forward and backward', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ([rows, d]) => {
        const x = noise(rows * d, rows);
        const gain = noise(d, 2).map((v) => 1 + 0.3 * v);
        const dh = noise(rows * d, 3);
        const before = noise(rows * d, 4);
        const [bx, bg, bh, br] = [
          storage(gpu, x),
          storage(gpu, gain),
          storage(gpu, rows * d),
          storage(gpu, rows),
        ];
        const [bdh, bdx] = [storage(gpu, dh), storage(gpu, before)];
        const blocks = Math.ceil(rows / NORM_BLOCK);
        const [partial, dgain] = [storage(gpu, blocks * d), storage(gpu, d)];
        await runLaunches(gpu, [
          rmsnormLaunch({ shape, rows, d, eps: 1e-5 }, { x: bx, gain: bg, h: bh, rstd: br }),
          rmsnormBackwardLaunch(
            { shape, rows, d, norms: 1, norm: 0, fresh: false },
            { x: bx, gain: bg, rstd: br, dh: bdh, dx: bdx, partial },
          ),
          sumColumnsLaunch({ rows: blocks, columns: d }, { partial, out: dgain }),
        ]);
        const forward = rmsnormReference(x, gain, rows, d, 1e-5);
        const backward = rmsnormBackwardReference(x, gain, forward.rstd, dh, rows, d);
        expect(relativeError(await readBack(gpu, bh), forward.h)).toBeLessThan(close);
        const dx = backward.dx.map((v, i) => v + before[i]);
        expect(relativeError(await readBack(gpu, bdx), dx)).toBeLessThan(close);
        expect(relativeError(await readBack(gpu, dgain), backward.dgain)).toBeLessThan(close);
        free(bx, bg, bh, br, bdh, bdx, partial, dgain);
      }),
      { numRuns: 4, seed: 1 },
    );
  });

  it('cross-entropy in place, with masked targets and a chunk in the middle of the batch', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 20 }), fc.constantFrom(64, 320), async (rows, vocab) => {
        const first = 5;
        const logits = noise((rows + 3) * vocab, rows).map((v) => 6 * v);
        const targets = Int32Array.from({ length: first + rows }, (_, i) =>
          i % 4 === 3 ? -1 : (i * 37) % vocab,
        );
        const mine = targets.subarray(first);
        const count = 11;
        const [bl, bt, loss] = [storage(gpu, logits), storage(gpu, targets), storage(gpu, first + rows)];
        const step = storage(gpu, Float32Array.of(0, 0, 0, 1 / count), true);
        const stats = storage(gpu, 4);
        await runLaunches(gpu, [
          crossEntropyLaunch(
            { shape, first, rows, padded: rows + 3, vocab },
            { step, targets: bt, logits: bl, loss },
          ),
          sumLossLaunch({ shape, rows: first + rows, slot: 0 }, { loss, stats }),
        ]);
        const expected = crossEntropyReference(logits.subarray(0, rows * vocab), mine, vocab, count);
        const gradient = await readBack(gpu, bl);
        expect(relativeError(gradient, [...expected.gradient, ...new Float64Array(3 * vocab)])).toBeLessThan(
          close,
        );
        const total = expected.losses.reduce((a, b) => a + b, 0);
        if (total > 0) expect((await readBack(gpu, stats))[0]).toBeCloseTo(total, 3);
        free(bl, bt, loss, step, stats);
      }),
      { numRuns: 4, seed: 2, examples: [[7, 64]] },
    );
  });

  it('gradient norm, clipping and AdamW in two parts', async () => {
    const settings = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 0.7 };
    const n = 1536;
    const half = 1024;
    const [p, m, v] = [noise(n, 1), noise(n, 2), noise(n, 3).map((x) => x * x)];
    const g = noise(n, 4);
    const rate = 0.01;
    const t = 3;
    const buffers = [g, p, m, v].map((data) => storage(gpu, data));
    const part = (i: number, first: number, elements: number) => ({
      ...buffers[i],
      offset: first * 4,
      size: elements * 4,
    });
    const correction = [1 / (1 - settings.beta1 ** t), 1 / Math.sqrt(1 - settings.beta2 ** t)] as const;
    const step = storage(gpu, Float32Array.of(rate, ...correction, 0), true);
    const [partials, stats] = [storage(gpu, 2 * NORM_GROUPS), storage(gpu, 4)];
    await runLaunches(gpu, [
      ...[half, n - half].map((elements, i) =>
        squareSumLaunch(
          { shape, elements, part: i },
          { values: part(0, i * half, elements), partial: partials },
        ),
      ),
      clipFactorLaunch(
        { shape, partials: 2 * NORM_GROUPS, clipNorm: settings.clipNorm },
        { partial: partials, stats },
      ),
      ...[half, n - half].map((elements, i) => {
        const first = i * half;
        return adamwLaunch({ first, elements, decayed: 1280 }, settings, {
          step,
          stats,
          gradients: part(0, first, elements),
          parameters: part(1, first, elements),
          moment1: part(2, first, elements),
          moment2: part(3, first, elements),
        });
      }),
    ]);
    const expected = Float64Array.from(p);
    const { norm } = adamwReference(
      expected,
      g,
      Float64Array.from(m),
      Float64Array.from(v),
      t,
      rate,
      1280,
      settings,
    );
    expect((await readBack(gpu, stats))[1]).toBeCloseTo(norm, 3);
    const moved = (await readBack(gpu, part(1, 0, n))).map((x, i) => x - p[i]);
    const wanted = expected.map((x, i) => x - p[i]);
    expect(relativeError(moved, wanted)).toBeLessThan(1e-5);
    free(...buffers, step, partials, stats);
  });
});

it('SwiGLU forward and backward', async () => {
  const [rows, f] = [13, 64];
  const gu = noise(rows * 2 * f, 1).map((v) => 4 * v);
  const dact = noise(rows * f, 2);
  const [bgu, bact, bd] = [storage(gpu, gu), storage(gpu, rows * f), storage(gpu, dact)];
  await runLaunches(gpu, [
    swigluLaunch({ rows, f }, { gu: bgu, act: bact }),
    swigluBackwardLaunch({ rows, f }, { dact: bd, gu: bgu }),
  ]);
  expect(relativeError(await readBack(gpu, bact), swigluReference(gu, rows, f))).toBeLessThan(close);
  const expected = swigluBackwardReference(gu, dact, rows, f);
  expect(relativeError(await readBack(gpu, bgu), expected)).toBeLessThan(close);
  free(bgu, bact, bd);
});

it('embedding in two parts of the vocabulary, and its gradient', async () => {
  const [rows, d, vocab] = [11, 64, 128];
  const table = noise(vocab * d, 1);
  const tokens = Int32Array.from({ length: rows }, (_, i) => (i * 53) % (i < 6 ? 128 : 64));
  const dx = noise(rows * d, 2);
  const sorted = [...tokens.keys()].sort((a, b) => tokens[a] - tokens[b] || a - b);
  const starts = sorted.flatMap((p, i) => (i === 0 || tokens[p] !== tokens[sorted[i - 1]] ? [i] : []));
  const order = new Int32Array(2 * rows + 2);
  order.set([starts.length, ...sorted, ...starts, rows]);
  const [bt, bo, btable, bx, bdx] = [tokens, order, table, rows * d, dx].map((x) => storage(gpu, x)) as [
    ReturnType<typeof storage>,
    ReturnType<typeof storage>,
    ReturnType<typeof storage>,
    ReturnType<typeof storage>,
    ReturnType<typeof storage>,
  ];
  const gradient = storage(gpu, vocab * d);
  const half = (range: typeof bt, part: number) => ({
    ...range,
    offset: part * 64 * d * 4,
    size: 64 * d * 4,
  });
  await runLaunches(
    gpu,
    [0, 1].flatMap((part) => {
      const sizes = { rows, d, part: { first: part * 64, count: 64 } };
      const table = half(gradient, part);
      return [
        embedLaunch(sizes, { tokens: bt, table: half(btable, part), x: bx }),
        embedBackwardLaunch(sizes, { tokens: bt, order: bo, dx: bdx, table }),
      ];
    }),
  );
  const x = await readBack(gpu, bx);
  const dTable = new Float64Array(vocab * d);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < d; i++) {
      const at = tokens[r] * d + i;
      expect(x[r * d + i]).toBe(table[at]);
      dTable[at] = dTable[at] + dx[r * d + i];
    }
  }
  expect(relativeError(await readBack(gpu, gradient), dTable)).toBeLessThan(close);
  free(bt, bo, btable, bx, bdx, gradient);
});
