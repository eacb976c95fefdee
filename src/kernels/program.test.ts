/** Launches by name: wrong names fail when types are checked and again when a program is bound; swapped ones cannot pass. */
import { describe, expect, it } from 'vitest';
import { type LaunchSpec, Programs, withConstants } from './program.ts';
import { embedLaunch, toHalfLaunch } from './rows.ts';
import { testGpu } from './testing.ts';
import { free, readBack, runLaunches, storage } from './testing-buffers.ts';

const gpu = await testGpu();
// Declared in another order than their numbers, with a comment between: only name and number count.
const DIFFERENCE = `@group(0) @binding(2) var<storage, read_write> out: array<f32>;
// what is taken off
@group(0) @binding(1) var<storage, read> right: array<f32>;
@group(0) @binding(0) var<storage, read> left: array<f32>;
@compute @workgroup_size(1)
fn main(@builtin(workgroup_id) wg: vec3u) { out[wg.x] = left[wg.x] - right[wg.x] * SCALE; }
`;
const difference = withConstants<'left' | 'right' | 'out'>('difference', DIFFERENCE, { SCALE: { f32: 2 } });

it('binds each buffer where the WGSL declares its name, whatever the order they are given in', async () => {
  const [left, right] = [
    storage(gpu, Float32Array.of(5, 7, 9, 11)),
    storage(gpu, Float32Array.of(1, 2, 3, 4)),
  ];
  const out = storage(gpu, 4);
  const spec: LaunchSpec = {
    kernel: difference,
    buffers: { right, out, left },
    grid: [4, 1, 1],
    flops: 0,
    bytes: 0,
  };
  await runLaunches(gpu, [spec]);
  expect([...(await readBack(gpu, out))]).toEqual([3, 3, 3, 3]);
  free(left, right, out);
});

describe('names that the shader does not declare', () => {
  const range = storage(gpu, 4);
  const bind = async (buffers: Record<string, typeof range>) =>
    (await Programs.of(gpu.device).compile<string>(difference)).bind(buffers);

  it('are refused when a program is bound', async () => {
    const [left, right, out] = [range, range, storage(gpu, 4)];
    await expect(bind({ left, right })).rejects.toThrow(
      'the kernel "difference" is not given "out"; its buffers are left, right, out',
    );
    await expect(bind({ left, wrong: right, out })).rejects.toThrow('is not given "right"');
    await expect(bind({ left, right, out, more: left })).rejects.toThrow('declares no "more"');
    const spec = {
      kernel: difference,
      buffers: { left, right },
      grid: [1, 1, 1],
      flops: 0,
      bytes: 0,
    } as const;
    await expect(Programs.of(gpu.device).prepare([spec])).rejects.toThrow('is not given "out"');
  });

  it('are refused by the compiler', () => {
    const sizes = { rows: 1, d: 64, part: { first: 0, count: 1 } };
    // @ts-expect-error x is missing
    expect(embedLaunch(sizes, { tokens: range, table: range }).grid).toEqual([1, 1, 1]);
    // @ts-expect-error the kernel has no dx
    expect(embedLaunch(sizes, { tokens: range, table: range, x: range, dx: range }).grid).toEqual([1, 1, 1]);
    // @ts-expect-error buffers go by name
    expect(toHalfLaunch(256, [range, range]).grid).toEqual([1, 1, 1]);
  });

  it('and a twin must declare the same ones', async () => {
    const twin = withConstants('twin', DIFFERENCE.replaceAll('right', 'other'), { SCALE: { f32: 2 } });
    const buffers = { left: range, right: range, out: range };
    const spec = {
      kernel: difference,
      accumulate: twin,
      buffers,
      grid: [1, 1, 1],
      flops: 0,
      bytes: 0,
    } as const;
    await expect(Programs.of(gpu.device).prepare([spec])).rejects.toThrow('declares other buffers');
  });
});

it('equal shaders are compiled once a device', async () => {
  const programs = Programs.of(gpu.device);
  expect(await programs.compile(difference)).toBe(await programs.compile({ ...difference, label: 'again' }));
  expect(Programs.of(gpu.device)).toBe(programs);
});

it('a shader whose binding numbers have a gap is refused', async () => {
  const gap = { label: 'gap', code: DIFFERENCE.replace('@binding(1)', '@binding(3)') };
  await expect(Programs.of(gpu.device).compile(gap)).rejects.toThrow('binding 1 is missing');
});
