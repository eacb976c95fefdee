/**
 * SparseLoCo's kernels: their WGSL with the names of their buffers, compiled once a device. What each does is at the top of
 * its .wgsl file. What a replica fixes is in a uniform and not in constants, since compiling takes seconds on a CPU driver
 * and a device may serve several replicas.
 */
import { FOLD, type KernelSource, type Program, Programs, withConstants } from '../program.ts';
import accumulate from './accumulate.wgsl?raw';
import checkFinite from './check-finite.wgsl?raw';
import leafHash from './leaf-hash.wgsl?raw';
import scatterAdd from './scatter-add.wgsl?raw';
import select from './select.wgsl?raw';
import subtract from './subtract.wgsl?raw';
import toFloat from './to-float.wgsl?raw';

const kernel = <B extends string>(name: string, code: string): KernelSource<B | 'settings'> =>
  withConstants(`sparseloco ${name}`, code, { FOLD });

const KERNELS = {
  accumulate: kernel<'theta' | 'parameters' | 'error' | 'firstBad'>('accumulate', accumulate),
  checkFinite: kernel<'parameters' | 'firstBad'>('check finite', checkFinite),
  leafHash: kernel<'theta' | 'places' | 'digests'>('leaf hash', leafHash),
  scatterAdd: kernel<'target_' | 'places' | 'starts' | 'entries' | 'values'>('scatter-add', scatterAdd),
  select: kernel<
    'theta' | 'parameters' | 'error' | 'places' | 'firstBad' | 'kept' | 'keptValues' | 'summary'
  >('select', select),
  subtract: kernel<'theta' | 'places' | 'starts' | 'positions' | 'changes' | 'saturated'>(
    'subtract',
    subtract,
  ),
  toFloat: kernel<'theta' | 'parameters'>('to float', toFloat),
} as const;

type Compiled<K> = { readonly [N in keyof K]: K[N] extends KernelSource<infer B> ? Program<B> : never };
export type SparseLocoPrograms = Compiled<typeof KERNELS>;

/** All of them, compiled on first use. Rejects with the shader compiler's words. */
export async function sparseLocoPrograms(device: GPUDevice): Promise<SparseLocoPrograms> {
  const programs = Programs.of(device);
  const made = await Promise.all(
    Object.entries(KERNELS).map(
      async ([name, source]) => [name, await programs.compile<string>(source)] as const,
    ),
  );
  return Object.fromEntries(made) as unknown as SparseLocoPrograms;
}

/** The contents of a kernel's uniform, its fields by name. Throws where they are not those of the WGSL's struct. */
export function settingsOf(
  kernel: keyof SparseLocoPrograms,
  values: Readonly<Record<string, number>>,
): Uint8Array<ArrayBuffer> {
  const struct = /struct Settings \{([^}]*)\}/.exec(KERNELS[kernel].code)?.[1] ?? '';
  const fields = [...struct.matchAll(/^\s*(\w+): (u32|f32),/gm)];
  const names = fields.map(([, name]) => name);
  if (names.toSorted().join() !== Object.keys(values).sort().join())
    throw new Error(`the settings of "${kernel}" are ${names.join(', ')}`);
  const view = new DataView(new ArrayBuffer(4 * fields.length));
  for (const [i, [, name, type]] of fields.entries()) {
    if (type === 'u32') view.setUint32(4 * i, values[name], true);
    else view.setFloat32(4 * i, values[name], true);
  }
  return new Uint8Array(view.buffer);
}
