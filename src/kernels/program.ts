/**
 * Launches: a shader, the buffers it touches and its grid, made once and replayed every step.
 *
 * Buffers are given by the names that the WGSL declares, and bind group layouts are read off its text. So two swapped
 * buffers cannot pass for each other, and there is only one place that states a buffer's access: a layout that disagrees
 * with the shader is known to give wrong data without an error on some drivers.
 */

// GPUBufferUsage and GPUShaderStage are globals of a browser, not of Node; their values are fixed by the specification.
export const MAP_READ = 0x1;
export const COPY_SRC = 0x4;
export const COPY_DST = 0x8;
export const UNIFORM = 0x40;
export const STORAGE = 0x80;
const SHADER_STAGE_COMPUTE = 0x4;

/** A shader as text; two sources with equal text share a pipeline. `B`: names of the buffers that it declares. */
export interface KernelSource<B extends string = string> {
  readonly label: string;
  readonly code: string;
  /** Never set: it carries the type. {@link Programs} checks the names themselves. */
  readonly names?: B;
}

/** Bytes `[offset, offset + size)` of a buffer; offset a multiple of 256. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** A kernel's buffers, by their names in its WGSL. */
export type Buffers<B extends string = string> = Readonly<Record<B, BufferRange>>;

/** A buffer from its first byte to its last. */
export const whole = (buffer: GPUBuffer): BufferRange => ({ buffer, offset: 0, size: buffer.size });

/** Workgroups in x, y, z. */
export type Grid = readonly [number, number, number];

export interface LaunchSpec {
  readonly kernel: KernelSource;
  /** The same bindings and grid, adding to its output instead of overwriting it: micro-batches after the first. */
  readonly accumulate?: KernelSource | undefined;
  readonly buffers: Buffers;
  readonly grid: Grid;
  /** Floating-point operations, for splitting submissions and for GFLOP/s; 0 where memory decides. */
  readonly flops: number;
  /** Bytes moved, at least. */
  readonly bytes: number;
}

export interface Launch {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly accumulate: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: Grid;
  readonly flops: number;
  readonly bytes: number;
}

/** Puts `const NAME = value;` lines before a shader: sizes known at compile time let the compiler unroll and fold. */
export function withConstants<B extends string>(
  label: string,
  source: string,
  constants: Readonly<Record<string, number | boolean | { readonly f32: number }>>,
): KernelSource<B> {
  let head = '';
  for (const [name, value] of Object.entries(constants)) {
    if (typeof value === 'object') head += `const ${name}: f32 = ${float(value.f32)};\n`;
    else if (typeof value === 'boolean') head += `const ${name}: bool = ${value};\n`;
    else head += `const ${name}: u32 = ${value}u;\n`;
  }
  // `enable` and `requires` must stay first.
  const directives = source.match(/^(?:enable|requires)[^;]*;$/gm) ?? [];
  const body = directives.reduce((text, line) => text.replace(line, ''), source);
  return { label, code: `${directives.join('\n')}\n${head}${body}` };
}

/** A WGSL f32 literal for a finite number. */
export function float(x: number): string {
  const text = String(x);
  return /[.e]/.test(text) ? `${text}f` : `${text}.0f`;
}

/** Puts a launch into an open compute pass; `accumulate` takes the twin that adds to its output. */
export function encode(pass: GPUComputePassEncoder, launch: Launch, accumulate = false): void {
  pass.setPipeline(accumulate ? launch.accumulate : launch.pipeline);
  pass.setBindGroup(0, launch.group);
  pass.dispatchWorkgroups(launch.grid[0], launch.grid[1], launch.grid[2]);
}

interface Binding {
  readonly name: string;
  readonly access: GPUBufferBindingType;
}

/** The bindings of group 0, in order. Throws where the numbers are not 0, 1, 2, … */
function bindingsOf(code: string): Binding[] {
  const found: Binding[] = [];
  for (const m of code.matchAll(
    /@group\(0\)\s*@binding\((\d+)\)\s*var<(uniform|storage(?:\s*,\s*(read|read_write))?)>\s*(\w+)/g,
  )) {
    const access = m[2] === 'uniform' ? 'uniform' : m[3] === 'read_write' ? 'storage' : 'read-only-storage';
    found[Number(m[1])] = { name: m[4], access };
  }
  for (let i = 0; i < found.length; i++)
    if (found[i] === undefined) throw new Error(`binding ${i} is missing`);
  return found;
}

/** A compiled shader, to be launched on any buffers. */
export class Program<B extends string = string> {
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly #device: GPUDevice;
  readonly #layout: GPUBindGroupLayout;
  readonly #bindings: readonly Binding[];

  /** Use {@link Programs.compile}. */
  constructor(
    device: GPUDevice,
    label: string,
    pipeline: GPUComputePipeline,
    layout: GPUBindGroupLayout,
    bindings: readonly Binding[],
  ) {
    this.#device = device;
    this.label = label;
    this.pipeline = pipeline;
    this.#layout = layout;
    this.#bindings = bindings;
  }

  /** The buffers' names, in the order of their bindings. */
  get names(): string[] {
    return this.#bindings.map(({ name }) => name);
  }

  /** Binds the buffers. Throws where a name is missing, unknown or too much. */
  bind(buffers: Buffers<B>): GPUBindGroup {
    const given = new Map<string, BufferRange>(Object.entries(buffers));
    const entries = this.#bindings.map(({ name }, binding) => {
      const resource = given.get(name);
      if (resource === undefined) throw this.#mismatch(`is not given "${name}"`);
      given.delete(name);
      return { binding, resource };
    });
    for (const name of given.keys()) throw this.#mismatch(`declares no "${name}"`);
    return this.#device.createBindGroup({ label: this.label, layout: this.#layout, entries });
  }

  /** A launch made at once, outside a plan. */
  launch(buffers: Buffers<B>, grid: Grid): Launch {
    const { label, pipeline } = this;
    return { label, pipeline, accumulate: pipeline, group: this.bind(buffers), grid, flops: 0, bytes: 0 };
  }

  #mismatch(problem: string): Error {
    return new Error(`the kernel "${this.label}" ${problem}; its buffers are ${this.names.join(', ')}`);
  }
}

/** Those of each device: engines and replicas on one device share what they compile. */
const shared = new WeakMap<GPUDevice, Programs>();

/** Compiles each distinct shader once. */
export class Programs {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Promise<Program>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  /** Programs of one's own, for a tuning run, which drops most of them. Else take {@link Programs.of}. */
  constructor(device: GPUDevice) {
    this.#device = device;
  }

  /** The device's programs. */
  static of(device: GPUDevice): Programs {
    let programs = shared.get(device);
    if (programs === undefined) {
      programs = new Programs(device);
      shared.set(device, programs);
    }
    return programs;
  }

  /** Rejects with the compiler's words where the shader is wrong. */
  compile<B extends string>(kernel: KernelSource<B>): Promise<Program<B>> {
    let compiled = this.#compiled.get(kernel.code);
    if (compiled === undefined) {
      compiled = this.#compile(kernel);
      this.#compiled.set(kernel.code, compiled);
    }
    // Equal code declares equal names.
    return compiled;
  }

  /**
   * All launches of a plan; compiles in parallel. Rejects with the compiler's words where a shader is wrong, and where
   * buffers are not those that a shader declares.
   */
  prepare(specs: readonly LaunchSpec[]): Promise<Launch[]> {
    return Promise.all(
      specs.map(async ({ kernel, accumulate, buffers, grid, flops, bytes }) => {
        const [main, twin] = await Promise.all([this.compile(kernel), this.compile(accumulate ?? kernel)]);
        if (main.names.join() !== twin.names.join())
          throw new Error(`the accumulating twin of "${kernel.label}" declares other buffers`);
        return {
          label: kernel.label,
          pipeline: main.pipeline,
          accumulate: twin.pipeline,
          group: main.bind(buffers),
          grid,
          flops,
          bytes,
        };
      }),
    );
  }

  async #compile({ label, code }: KernelSource): Promise<Program> {
    const bindings = bindingsOf(code);
    const key = bindings.map(({ access }) => access).join();
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = this.#device.createBindGroupLayout({
        entries: bindings.map(({ access }, binding) => ({
          binding,
          visibility: SHADER_STAGE_COMPUTE,
          buffer: { type: access },
        })),
      });
      this.#layouts.set(key, layout);
    }
    const pipeline = await this.#device.createComputePipelineAsync({
      label,
      layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.#device.createShaderModule({ label, code }), entryPoint: 'main' },
    });
    return new Program(this.#device, label, pipeline, layout, bindings);
  }
}

/** A 1-D count of workgroups folded into x and y (a side may be at most 65,535); shaders recover it as wg.x + wg.y * FOLD. */
export const FOLD = 32_768;
export function fold(count: number): Grid {
  return count <= FOLD ? [count, 1, 1] : [FOLD, Math.ceil(count / FOLD), 1];
}
