/** Every kind of attention kernel, with the rotary embedding, against the plain f64 form over odd shapes; whole and in parts. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { attentionBackwardReference, attentionReference } from './attention.reference.ts';
import { type AttentionPass, type AttentionShape, ropeTable } from './attention-frame.ts';
import {
  type AttentionBuffers,
  attentionFlops,
  attentionLaunches,
  type AttentionVariant,
  broadcastAttention,
  PART_TABLE_BYTES,
  PartTable,
  plainAttention,
  tiledAttention,
} from './attention-variants.ts';
import { whole } from './program.ts';
import { ropeReference } from './rows.reference.ts';
import { ropeLaunch } from './rows.ts';
import { testGpu } from './testing.ts';
import { free, noise, readBack, relativeError, runLaunches, storage } from './testing-buffers.ts';

const gpu = await testGpu();
const close = 3e-6;
const THETA = 100;

/** `parts`: into how many dispatches each kernel is cut, about. */
async function check(variant: AttentionVariant, s: AttentionShape, parts: number): Promise<void> {
  const { batch, sequence, heads, kvHeads, headDim } = s;
  const rows = batch * sequence;
  const hidden = heads * headDim;
  const ld = hidden + 2 * kvHeads * headDim;
  const raw = noise(rows * ld, sequence).map((v) => 1.5 * v);
  const dout = noise(rows * hidden, 5);
  const [qkv, out, lse] = [storage(gpu, raw), storage(gpu, rows * hidden), storage(gpu, rows * heads)];
  const angles = storage(gpu, ropeTable(sequence, headDim, THETA));
  const [bdout, delta, dqkv] = [storage(gpu, dout), storage(gpu, rows * heads), storage(gpu, rows * ld)];
  const uniform = storage(gpu, new Uint32Array(PART_TABLE_BYTES / 4), true);
  const table = new PartTable(uniform.buffer);
  const pass = <P extends AttentionPass>(name: P, buffers: AttentionBuffers[P]) =>
    attentionLaunches(variant, name, s, buffers, table, attentionFlops(name, s) / parts);
  const launches = [
    ropeLaunch({ rows, sequence, ld, heads: heads + kvHeads, headDim }, { qkv, angles }),
    ...pass('forward', { qkv, out, lse }),
    ...pass('query', { qkv, out, dout: bdout, lse, angles, delta, dqkv }),
    ...pass('keyValue', { qkv, dout: bdout, lse, angles, delta, dqkv }),
  ];
  gpu.device.queue.writeBuffer(uniform.buffer, 0, table.data);
  await runLaunches(gpu, launches);

  const count = heads + kvHeads;
  const rotated = ropeReference(raw, rows, sequence, ld, count, headDim, THETA);
  const expected = attentionReference(s, rotated);
  expect(relativeError(await readBack(gpu, qkv), rotated)).toBeLessThan(close);
  expect(relativeError((await readBack(gpu, out)).subarray(0, rows * hidden), expected.out)).toBeLessThan(
    close,
  );
  const gradient = attentionBackwardReference(s, rotated, dout);
  const backward = ropeReference(gradient, rows, sequence, ld, count, headDim, THETA, -1);
  expect(relativeError((await readBack(gpu, dqkv)).subarray(0, rows * ld), backward)).toBeLessThan(1e-5);
  free(qkv, out, lse, angles, bdout, delta, dqkv, uniform);
}

const { subgroups, subgroupMinSize, subgroupMaxSize } = gpu.adapter;
const kinds: AttentionVariant[] = [plainAttention(16)];
if (subgroups && subgroupMinSize === 4 && subgroupMaxSize === 4) kinds.push(broadcastAttention);

it.each(kinds.map((kind) => [kind.name, kind] as const))('any shape: %s', async (_, variant) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 1, max: 37 }),
      fc.constantFrom([1, 1], [4, 2], [3, 1], [2, 2]),
      fc.constantFrom(2, 4, 8, 12, 32),
      fc.integer({ min: 1, max: 5 }),
      async (batch, sequence, [heads, kvHeads], headDim, parts) => {
        await check(variant, { batch, sequence, heads, kvHeads, headDim }, parts);
      },
    ),
    { numRuns: 6, seed: 3, examples: [[2, 33, [4, 2], 8, 3]] },
  );
});

it('blocks in workgroup memory, heads of 64 and more', async () => {
  // A CPU driver takes long to compile the blocks that GPUs use; these differ in nothing but size.
  const small = tiledAttention(8 * 1024);
  await check(small, { batch: 2, sequence: 29, heads: 2, kvHeads: 1, headDim: 64 }, 3);
  const shape = { batch: 1, sequence: 17, heads: 1, kvHeads: 1 };
  const blockOf = (headDim: number, kib: number) =>
    tiledAttention(kib * 1024).kernel('keyValue', { ...shape, headDim })?.block;
  expect([blockOf(64, 8), blockOf(64, 16), blockOf(64, 32), blockOf(128, 32)]).toEqual([8, 16, 32, 16]);
  expect([blockOf(32, 32), blockOf(96, 32), blockOf(256, 16)]).toEqual([undefined, undefined, undefined]);
});

it('parts cover every workgroup once, are about equal, and stay few however small the limit', () => {
  const s: AttentionShape = { batch: 3, sequence: 100, heads: 6, kvHeads: 2, headDim: 16 };
  for (const pass of ['forward', 'query', 'keyValue'] as const) {
    for (const parts of [1, 7, 1e6]) {
      // The table only remembers the buffer.
      const buffer = storage(gpu, PART_TABLE_BYTES / 4, true).buffer;
      const table = new PartTable(buffer);
      const limit = attentionFlops(pass, s) / parts;
      const none = whole(buffer);
      const [qkv, out, dout, lse, angles, delta, dqkv] = Array.from({ length: 7 }, () => none);
      const buffers = { qkv, out, dout, lse, angles, delta, dqkv };
      const launches = attentionLaunches(plainAttention(16), pass, s, buffers, table, limit);
      const bounds = launches.map(({ buffers: { part } }) => [
        ...table.data.subarray(part.offset / 4, part.offset / 4 + 2),
      ]);
      const workgroups = Math.ceil(100 / 16) * 3 * (pass === 'keyValue' ? 2 : 6);
      expect(bounds[0][0]).toBe(0);
      expect(bounds.at(-1)?.[1]).toBe(workgroups);
      for (let i = 1; i < bounds.length; i++) expect(bounds[i][0]).toBe(bounds[i - 1][1]);
      expect(launches.length).toBeLessThanOrEqual(64);
      if (parts === 7) expect(launches.length).toBeGreaterThanOrEqual(7);
      for (const l of launches) if (parts === 7) expect(l.flops).toBeLessThan(1.5 * limit);
      const flops = launches.reduce((sum, l) => sum + l.flops, 0);
      expect(flops / attentionFlops(pass, s)).toBeCloseTo(1, 1);
      buffer.destroy();
    }
  }
});
