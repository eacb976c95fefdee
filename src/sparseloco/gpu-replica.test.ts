/** The GPU replica against the plain TypeScript one: same selection, same roots to the bit. */
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { adapterLine, type Gpu } from '../kernels/gpu.ts';
import { whole } from '../kernels/program.ts';
import { testGpu } from '../kernels/testing.ts';
import { readBack } from '../kernels/testing-buffers.ts';
import { toHex } from '../protocol/bytes.ts';
import type { SparseLoco } from '../protocol/manifest.ts';
import { CpuReplica } from './cpu-replica.ts';
import { GpuReplica } from './gpu-replica.ts';
import {
  randomDelta,
  randomTheta,
  smallConfig,
  smallLayout,
  testHeader,
  testSettings,
  tiedDelta,
} from './testing.ts';
import { NotFiniteError } from './types.ts';
import { dequantise } from './update.ts';
import { decodeSubmission } from './wire.ts';

const layout = smallLayout();
let gpu: Gpu;

beforeAll(async () => {
  gpu = await testGpu();
  expect(adapterLine(gpu.adapter)).toMatch(/[a-z]/i);
});

function parameterBuffer(values: Float32Array): GPUBuffer {
  const buffer = gpu.device.createBuffer({
    size: values.byteLength,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
  });
  gpu.device.queue.writeBuffer(buffer, 0, values as Float32Array<ArrayBuffer>);
  return buffer;
}

const readFloats = (buffer: GPUBuffer): Promise<Float32Array> => readBack(gpu, whole(buffer));

async function pair(settings: SparseLoco, theta: Int32Array) {
  const cpu = new CpuReplica(layout, settings);
  const replica = await GpuReplica.create(gpu, smallConfig, settings);
  await Promise.all([cpu.load(theta), replica.load(theta)]);
  return { cpu, replica };
}

function moved(from: Float32Array, delta: Float32Array): Float32Array {
  return from.map((x, i) => x - delta[i]);
}

test('θ → f32 and the state root equal the CPU, and the root is not that of zeros', async () => {
  const settings = testSettings();
  const { cpu, replica } = await pair(settings, randomTheta(layout, 11));
  const zeros = await new CpuReplica(layout, settings).root();
  const parameters = parameterBuffer(new Float32Array(layout.elements));
  replica.writeParameters(parameters);
  expect(await readFloats(parameters)).toEqual(cpu.parameters());
  expect(toHex(await replica.root())).toBe(toHex(await cpu.root()));
  expect(toHex(await replica.root())).not.toBe(toHex(zeros));
  expect(await replica.read()).toEqual(await cpu.read());
  replica.destroy();
});

describe.each(['sign1', 'sign2', 'tensor4'] as const)('%s', (quantiser) => {
  test.each([8, 64, 512])(
    'compresses like the CPU at top %i, over two rounds of error feedback',
    async (topK) => {
      const settings = testSettings({ quantiser, topK });
      const { cpu, replica } = await pair(settings, randomTheta(layout, 2));
      for (const round of [1, 2]) {
        const after = moved(cpu.parameters(), randomDelta(layout, 20 + round));
        const [a, b] = await Promise.all([
          cpu.compress(after, testHeader(round)),
          replica.compress(parameterBuffer(after), testHeader(round)),
        ]);
        const x = decodeSubmission(a.bytes, layout, settings).update;
        const y = decodeSubmission(b.bytes, layout, settings, testHeader(round)).update;
        expect(y.starts).toEqual(x.starts);
        // The GPU may fuse a multiply with an add, so a value at the threshold may differ by one bit; nearly none do.
        const positions = y.entries.filter((e, i) => (e & 0xfff) === (x.entries[i] & 0xfff));
        expect(positions.length / x.entries.length).toBeGreaterThan(0.999);
        expect(b.sentNorm / a.sentNorm).toBeCloseTo(1, 2);
        expect(b.errorNorm / a.errorNorm).toBeCloseTo(1, 3);
        expect(a.sentNorm).toBeGreaterThan(0.01);
        // What was sent and what is kept add up to a: nothing is lost.
        if (round === 1) {
          const sent = dequantise(y, layout);
          const error = await replica.readError();
          const delta = cpu.parameters().map((t, i) => t - after[i]);
          let worst = 0;
          for (let i = 0; i < sent.length; i++) {
            worst = Math.max(worst, Math.abs(sent[i] + error[i] - delta[i]));
          }
          expect(worst).toBeLessThan(1e-7);
        }
      }
      replica.destroy();
    },
  );
});

test('ties go to the lower position and zeros are never sent', async () => {
  const settings = testSettings({ topK: 16, beta: 0 });
  const { cpu, replica } = await pair(settings, new Int32Array(layout.elements));
  const after = tiedDelta(layout);
  const [a, b] = await Promise.all([
    cpu.compress(after, testHeader()),
    replica.compress(parameterBuffer(after), testHeader()),
  ]);
  expect(b.bytes).toEqual(a.bytes);
  const { starts, entries } = decodeSubmission(b.bytes, layout, settings).update;
  expect(starts[1]).toBe(16);
  expect([...entries.subarray(0, 16)].map((e) => e & 0xfff)).toEqual(
    Array.from({ length: 16 }, (_, i) => 100 + i),
  );
  // The second chunk has five values other than zero, the third none.
  expect(starts[2] - 16).toBe(5);
  expect(starts[3]).toBe(starts[2]);
  replica.destroy();
});

test('a NaN or infinity is refused with its tensor, and error feedback stays as it was', async () => {
  const settings = testSettings();
  const { cpu, replica } = await pair(settings, randomTheta(layout, 4));
  await replica.compress(parameterBuffer(moved(cpu.parameters(), randomDelta(layout, 5))), testHeader());
  const before = await replica.readError();
  const names = ['model.layers.1.mlp.down_proj.weight', 'model.norm.weight'];
  for (const [i, bad] of [Number.NaN, Number.NEGATIVE_INFINITY].entries()) {
    const name = names[i];
    const after = moved(cpu.parameters(), randomDelta(layout, 6));
    after[(layout.byName.get(name)?.offset ?? 0) + 9] = bad;
    await expect(replica.compress(parameterBuffer(after), testHeader())).rejects.toThrow(NotFiniteError);
    await expect(replica.compress(parameterBuffer(after), testHeader())).rejects.toThrow(name);
    await expect(cpu.compress(after, testHeader())).rejects.toThrow(name);
  }
  expect(await replica.readError()).toEqual(before);
  expect(before.some((x) => x !== 0)).toBe(true);
  replica.destroy();
});

test('restoreError puts back what was sent; clearError forgets all', async () => {
  const settings = testSettings({ quantiser: 'sign2' });
  const { cpu, replica } = await pair(settings, randomTheta(layout, 8));
  const delta = randomDelta(layout, 9);
  const after = moved(cpu.parameters(), delta);
  await replica.compress(parameterBuffer(after), testHeader());
  await replica.restoreError();
  const error = await replica.readError();
  expect(error[5]).toBeCloseTo(cpu.parameters()[5] - after[5], 6);
  expect(error.reduce((n, x, i) => n + Math.abs(x - delta[i]), 0) / error.length).toBeLessThan(1e-7);
  await replica.clearError();
  expect((await replica.readError()).every((x) => x === 0)).toBe(true);
  replica.destroy();
});

async function submissions(settings: SparseLoco, count: number, seed: number) {
  const peer = new CpuReplica(layout, settings);
  const out: { bytes: Uint8Array; weight: number }[] = [];
  for (let i = 0; i < count; i++) {
    await peer.clearError();
    // Different sizes, so that the median-norm clip has something to cut.
    const delta = randomDelta(layout, seed + i).map((x) => -x * (1 + i));
    const { bytes } = await peer.compress(delta, testHeader(1, i + 1));
    out.push({ bytes, weight: 1 + ((seed * 31 + i * 517) % 1024) });
  }
  return out;
}

describe('the outer step', () => {
  test.each([
    ['senders', 'sign1', 24],
    ['senders', 'tensor4', 20],
    ['all', 'sign2', 24],
    ['all', 'sign1', 30],
  ] as const)(
    'average %s of %s at %i fraction bits: GPU and CPU roots are equal',
    async (average, quantiser, fractionBits) => {
      const settings = testSettings({ average, quantiser, fractionBits, topK: 128 });
      const theta = randomTheta(layout, 12, fractionBits);
      const { cpu, replica } = await pair(settings, theta);
      const before = toHex(await cpu.root());
      for (const round of [1, 2]) {
        const accepted = await submissions(settings, 5, 100 * round);
        const a = await cpu.apply(accepted);
        const b = await replica.apply(accepted);
        expect(toHex(b)).toBe(toHex(a));
        expect(toHex(a)).not.toBe(before);
        expect(replica.saturatedCount).toBe(cpu.saturatedCount);
      }
      expect(await replica.read()).toEqual(await cpu.read());
      replica.destroy();
    },
  );

  test('saturation is cut and counted alike', async () => {
    const settings = testSettings({ fractionBits: 30, alpha: 10, average: 'senders' });
    const theta = randomTheta(layout, 12, 24).map((x) =>
      x > 0 ? 2 ** 31 - 1 - (x & 0xff) : -(2 ** 31) + (-x & 0xff),
    );
    const { cpu, replica } = await pair(settings, theta);
    const accepted = await submissions(settings, 3, 7);
    const a = await cpu.apply(accepted);
    expect(toHex(await replica.apply(accepted))).toBe(toHex(a));
    expect(cpu.saturatedCount).toBeGreaterThan(0);
    expect(replica.saturatedCount).toBe(cpu.saturatedCount);
    replica.destroy();
  });

  test('order does not matter', async () => {
    const settings = testSettings();
    const accepted = await submissions(settings, 6, 40);
    const theta = randomTheta(layout, 1);
    const reference = new CpuReplica(layout, settings);
    await reference.load(theta);
    const expected = toHex(await reference.apply(accepted));
    const { replica, cpu } = await pair(settings, theta);
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(accepted, { minLength: 6 }), async (shuffled) => {
        await Promise.all([cpu.load(theta), replica.load(theta)]);
        expect(toHex(await cpu.apply(shuffled))).toBe(expected);
        expect(toHex(await replica.apply(shuffled))).toBe(expected);
      }),
      { numRuns: 8, seed: 1 },
    );
    replica.destroy();
  });
});
