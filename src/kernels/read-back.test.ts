/** The read-back ring: contents in order, staging buffers taken again, and what happens when the device goes. */
import { expect, it } from 'vitest';
import { openNodeGpu } from './node-gpu.ts';
import { ReadBack } from './read-back.ts';
import { testGpu } from './testing.ts';
import { free, storage } from './testing-buffers.ts';

const gpu = await testGpu();
const { device } = gpu;

/** The sizes of the buffers that are made while `work` runs. */
async function madeBy(work: () => Promise<unknown>): Promise<number[]> {
  const sizes: number[] = [];
  const real = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    sizes.push(descriptor.size);
    return real(descriptor);
  };
  try {
    await work();
  } finally {
    Reflect.deleteProperty(device, 'createBuffer');
  }
  return sizes;
}

const count = (from: number, n: number) => Float32Array.from({ length: n }, (_, i) => from + i);

it('gives several ranges of several buffers in one read, and what the encoder did before it', async () => {
  const reads = new ReadBack(device);
  const [a, b] = [storage(gpu, count(0, 8)), storage(gpu, count(100, 8))];
  const encoder = device.createCommandEncoder();
  encoder.clearBuffer(b.buffer, 16, 4);
  const parts = await reads.read(
    [
      { ...a, offset: 8, size: 12 },
      { ...b, offset: 12, size: 12 },
    ],
    encoder,
  );
  expect(parts.map((part) => [...new Float32Array(part)])).toEqual([
    [2, 3, 4],
    [103, 0, 105],
  ]);
  reads.destroy();
  free(a, b);
});

it('takes the same small staging buffers again, and reads under way do not disturb each other', async () => {
  const reads = new ReadBack(device);
  const ranges = [0, 10, 20].map((from) => storage(gpu, count(from, 4)));
  const order: number[] = [];
  const all = () =>
    Promise.all(
      ranges.map(async (range, i) => {
        const values = await reads.floats(range);
        order.push(i);
        return values[3];
      }),
    );
  expect(await madeBy(all)).toEqual([16, 16, 16]);
  expect(await madeBy(async () => expect(await all()).toEqual([3, 13, 23]))).toEqual([]);
  expect(order).toEqual([0, 1, 2, 0, 1, 2]);
  reads.destroy();
  free(...ranges);
});

it('begins with a staging buffer that it is given, and keeps no large one', async () => {
  const staging = device.createBuffer({ size: 16, usage: 0x1 | 0x8 });
  const reads = new ReadBack(device, { staging });
  const [small, large] = [storage(gpu, count(0, 4)), storage(gpu, 2 ** 16)];
  expect(await madeBy(() => reads.floats(small))).toEqual([]);
  for (let i = 0; i < 2; i++) expect(await madeBy(() => reads.floats(large))).toEqual([2 ** 18]);
  reads.destroy();
  free(small, large);
});

it('rejects when the device is lost, in the words of its guard', async () => {
  const own = await openNodeGpu();
  const range = storage(own, count(0, 4));
  const plain = new ReadBack(own.device);
  const guarded = new ReadBack(own.device, {
    guard: (work) =>
      work.catch(() => {
        throw new Error('the GPU was lost');
      }),
  });
  await plain.floats(range);
  own.device.destroy();
  await expect(plain.floats(range)).rejects.toThrow();
  await expect(guarded.floats(range)).rejects.toThrow('the GPU was lost');
});
