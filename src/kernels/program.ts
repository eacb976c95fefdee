/**
 * Launches: a shader, the buffer ranges it touches and its grid, made once and replayed every step.
 *
 * Bind group layouts are read off the WGSL text itself. A layout whose read/write access disagrees with the shader is
 * known to give wrong data without an error on some drivers, so there is only one place that says it.
 */

// GPUBufferUsage and GPUShaderStage are globals of a browser, not of Node; their values are fixed by the specification.
export const MAP_READ = 0x1;
export const COPY_SRC = 0x4;
export const COPY_DST = 0x8;
export const UNIFORM = 0x40;
export const STORAGE = 0x80;
const SHADER_STAGE_COMPUTE = 0x4;

/** A shader as text; two sources with equal text share a pipeline. */
export interface KernelSource {
  readonly label: string;
  readonly code: string;
}

/** Bytes `[offset, offset + size)` of a buffer; offset a multiple of 256. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Workgroups in x, y, z. */
export type Grid = readonly [number, number, number];

export interface LaunchSpec {
  readonly kernel: KernelSource;
  /** The same bindings and grid, adding to its output instead of overwriting it: micro-batches after the first. */
  readonly accumulate?: KernelSource | undefined;
  readonly ranges: readonly BufferRange[];
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
export function withConstants(
  label: string,
  source: string,
  constants: Readonly<Record<string, number | boolean | { readonly f32: number }>>,
): KernelSource {
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

type Access = GPUBufferBindingType;

/** The access of each binding of group 0, in order. Throws where the numbers are not 0, 1, 2, … */
export function bindingsOf(code: string): Access[] {
  const found: Access[] = [];
  for (const m of code.matchAll(
    /@group\(0\)\s*@binding\((\d+)\)\s*var<(uniform|storage(?:\s*,\s*(read|read_write))?)>/g,
  )) {
    const access: Access =
      m[2] === 'uniform' ? 'uniform' : m[3] === 'read_write' ? 'storage' : 'read-only-storage';
    found[Number(m[1])] = access;
  }
  for (let i = 0; i < found.length; i++)
    if (found[i] === undefined) throw new Error(`binding ${i} is missing`);
  return found;
}

interface Compiled {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Compiles each distinct shader once a device. */
export class Programs {
  readonly #device: GPUDevice;
  readonly #compiled = new Map<string, Promise<Compiled>>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  compile(kernel: KernelSource): Promise<Compiled> {
    let compiled = this.#compiled.get(kernel.code);
    if (compiled === undefined) {
      compiled = this.#compile(kernel);
      this.#compiled.set(kernel.code, compiled);
    }
    return compiled;
  }

  /** All launches of a plan; compiles in parallel. Throws with the compiler's words where a shader is wrong. */
  prepare(specs: readonly LaunchSpec[]): Promise<Launch[]> {
    return Promise.all(
      specs.map(async (spec) => {
        const [main, accumulate] = await Promise.all([
          this.compile(spec.kernel),
          this.compile(spec.accumulate ?? spec.kernel),
        ]);
        return {
          label: spec.kernel.label,
          pipeline: main.pipeline,
          accumulate: accumulate.pipeline,
          group: this.#device.createBindGroup({
            label: spec.kernel.label,
            layout: main.layout,
            entries: spec.ranges.map(({ buffer, offset, size }, binding) => ({
              binding,
              resource: { buffer, offset, size },
            })),
          }),
          grid: spec.grid,
          flops: spec.flops,
          bytes: spec.bytes,
        };
      }),
    );
  }

  async #compile({ label, code }: KernelSource): Promise<Compiled> {
    const accesses = bindingsOf(code);
    const key = accesses.join();
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = this.#device.createBindGroupLayout({
        entries: accesses.map((type, binding) => ({
          binding,
          visibility: SHADER_STAGE_COMPUTE,
          buffer: { type },
        })),
      });
      this.#layouts.set(key, layout);
    }
    const pipeline = await this.#device.createComputePipelineAsync({
      label,
      layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module: this.#device.createShaderModule({ label, code }), entryPoint: 'main' },
    });
    return { pipeline, layout };
  }
}

/** A 1-D count of workgroups folded into x and y (a side may be at most 65,535); shaders recover it as wg.x + wg.y * FOLD. */
export const FOLD = 32_768;
export function fold(count: number): Grid {
  return count <= FOLD ? [count, 1, 1] : [FOLD, Math.ceil(count / FOLD), 1];
}
