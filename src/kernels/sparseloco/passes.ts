/**
 * The compute passes of SparseLoCo on one device: pipelines made once, and a small helper that binds, sizes and
 * dispatches. What each pass does is at the top of its .wgsl file.
 */
import accumulate from './accumulate.wgsl?raw';
import checkFinite from './check-finite.wgsl?raw';
import leafHash from './leaf-hash.wgsl?raw';
import scatterAdd from './scatter-add.wgsl?raw';
import select from './select.wgsl?raw';
import subtract from './subtract.wgsl?raw';
import toFloat from './to-float.wgsl?raw';

const SOURCES = { accumulate, checkFinite, leafHash, scatterAdd, select, subtract, toFloat } as const;
export type PassName = keyof typeof SOURCES;

/** WebGPU's guaranteed workgroups per dimension; longer dispatches use y as well. */
const MAX_GROUPS = 65_535;

/** A uniform's fields, each written as the WGSL struct has it. */
export type Field = { readonly u32: number } | { readonly f32: number };
export const u32 = (value: number): Field => ({ u32: value });
export const f32 = (value: number): Field => ({ f32: value });

/** Stands for the grid's width, which only {@link Passes.dispatch} knows. */
export const GRID_X = 'gridX';

/** Compiling takes seconds on a CPU driver, and a device may serve several replicas. */
const compiled = new WeakMap<GPUDevice, Promise<Passes>>();

export class Passes {
  readonly device: GPUDevice;
  private readonly pipelines: Readonly<Record<PassName, GPUComputePipeline>>;

  private constructor(device: GPUDevice, pipelines: Record<PassName, GPUComputePipeline>) {
    this.device = device;
    this.pipelines = pipelines;
  }

  /** The device's passes, compiled on first use. Rejects with the shader compiler's message. */
  static of(device: GPUDevice): Promise<Passes> {
    let passes = compiled.get(device);
    if (passes === undefined) {
      passes = Passes.compile(device);
      compiled.set(device, passes);
    }
    return passes;
  }

  private static async compile(device: GPUDevice): Promise<Passes> {
    const made = await Promise.all(
      (Object.keys(SOURCES) as PassName[]).map(async (name) => {
        const module = device.createShaderModule({ label: `sparseloco ${name}`, code: SOURCES[name] });
        const pipeline = await device.createComputePipelineAsync({
          label: `sparseloco ${name}`,
          layout: 'auto',
          compute: { module, entryPoint: 'main' },
        });
        return [name, pipeline] as const;
      }),
    );
    return new Passes(device, Object.fromEntries(made) as Record<PassName, GPUComputePipeline>);
  }

  /**
   * Records `groups` workgroups of a pass. Binding 0 is the uniform of `fields`, bindings 1.. are `buffers` in order.
   */
  dispatch(
    encoder: GPUCommandEncoder,
    name: PassName,
    groups: number,
    fields: readonly (Field | typeof GRID_X)[],
    buffers: readonly (GPUBuffer | GPUBufferBinding)[],
  ): void {
    if (groups === 0) return;
    const x = Math.min(groups, MAX_GROUPS);
    const y = Math.ceil(groups / x);
    const uniform = this.device.createBuffer({
      size: Math.ceil(fields.length / 4) * 16,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
      mappedAtCreation: true,
    });
    const view = new DataView(uniform.getMappedRange());
    fields.forEach((field, i) => {
      if (field === GRID_X) view.setUint32(4 * i, x, true);
      else if ('u32' in field) view.setUint32(4 * i, field.u32, true);
      else view.setFloat32(4 * i, field.f32, true);
    });
    uniform.unmap();
    const pipeline = this.pipelines[name];
    const resources = [uniform, ...buffers].map((b) => ('buffer' in b ? b : { buffer: b }));
    const bindGroup = this.device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
    const pass = encoder.beginComputePass({ label: `sparseloco ${name}` });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(x, y);
    pass.end();
  }

  /** A storage buffer holding `data` (its length rounded up to whole words, at least 16 bytes). */
  upload(data: ArrayBufferView, label: string): GPUBuffer {
    const size = Math.max(16, Math.ceil(data.byteLength / 4) * 4);
    const buffer = this.device.createBuffer({
      label,
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      mappedAtCreation: true,
    });
    new Uint8Array(buffer.getMappedRange()).set(
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
    buffer.unmap();
    return buffer;
  }

  storage(bytes: number, label: string): GPUBuffer {
    return this.device.createBuffer({
      label,
      size: Math.max(16, bytes),
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
  }

  /** Submits what `encoder` holds and reads back ranges of buffers, in order. */
  async finish(
    encoder: GPUCommandEncoder,
    ranges: readonly { readonly buffer: GPUBuffer; readonly offset?: number; readonly size: number }[],
  ): Promise<ArrayBuffer[]> {
    const total = ranges.reduce((n, r) => n + r.size, 0);
    const staging = this.device.createBuffer({
      label: 'sparseloco read-back',
      size: Math.max(4, total),
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    let at = 0;
    for (const { buffer, offset = 0, size } of ranges) {
      encoder.copyBufferToBuffer(buffer, offset, staging, at, size);
      at += size;
    }
    this.device.queue.submit([encoder.finish()]);
    try {
      await staging.mapAsync(GPUMapMode.READ);
      const all = staging.getMappedRange();
      at = 0;
      return ranges.map(({ size }) => {
        at += size;
        return all.slice(at - size, at);
      });
    } finally {
      staging.destroy();
    }
  }
}
