/**
 * The seam to WebGPU: opens a device in a tab, a worker, Node (Dawn) or Deno (wgpu), and says which adapter it is.
 *
 * Nothing above this file touches `navigator.gpu`. A software adapter proves correctness, never speed, so every
 * test and every number names the adapter it ran on ({@link AdapterReport}).
 */

/** What a person or a log is told about the device at hand. */
export interface AdapterReport {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** True for CPU drivers: SwiftShader, lavapipe (llvmpipe), WARP. */
  readonly software: boolean;
  readonly shaderF16: boolean;
  readonly subgroups: boolean;
  readonly timestampQuery: boolean;
  /** Smallest and largest subgroup (lanes that run in step); 0 where the adapter does not say. */
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
  /** Bytes of workgroup memory that a kernel may use: 16 KiB everywhere, 32 KiB where the adapter has them. */
  readonly workgroupBytes: number;
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

export interface Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterReport;
}

/** Why no device can be had: the page is not secure, there is no WebGPU, or WebGPU offers no adapter. */
export type GpuLack = 'insecure-page' | 'no-webgpu' | 'no-adapter';

const LACKS: Readonly<Record<GpuLack, string>> = {
  'insecure-page': 'the page is not secure',
  'no-webgpu': 'there is no WebGPU',
  'no-adapter': 'WebGPU offers no adapter',
};

/** No usable WebGPU here. `detail` is for programmers; the page has words for each code. */
export class GpuUnavailableError extends Error {
  static override readonly name = 'GpuUnavailableError';
  override readonly name = 'GpuUnavailableError';
  readonly code: GpuLack;

  constructor(code: GpuLack, detail: string = LACKS[code]) {
    super(detail);
    this.code = code;
  }
}

/** Why there is no WebGPU at all here. */
export function missingGpu(): GpuLack {
  // Outside browsers the property does not exist, whatever its type says.
  const insecure = 'isSecureContext' in globalThis && !globalThis.isSecureContext;
  return insecure ? 'insecure-page' : 'no-webgpu';
}

export interface OpenGpuOptions {
  /** The entry point; default `navigator.gpu`. Node passes Dawn's. */
  readonly gpu?: GPU | undefined;
  /** Storage bytes that one buffer must be able to hold; raises the device's limits up to what the adapter has. */
  readonly bufferBytes?: number;
  /** Ask for shader-f16 / subgroups / timestamp-query where the adapter has them. Default true. */
  readonly features?: boolean;
}

const REQUEST: GPURequestAdapterOptions = { powerPreference: 'high-performance' };

const OPTIONAL_FEATURES = ['shader-f16', 'subgroups', 'timestamp-query'] as const;

/** What the adapter that {@link openGpu} would open allows; null when the browser offers none. Opens nothing. */
export async function offeredLimits(gpu: GPU): Promise<GPUSupportedLimits | null> {
  return (await gpu.requestAdapter(REQUEST))?.limits ?? null;
}

export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const gpu = options.gpu ?? globalThis.navigator?.gpu;
  if (gpu === undefined) {
    throw new GpuUnavailableError(missingGpu());
  }
  const adapter = await gpu.requestAdapter(REQUEST);
  if (adapter === null) {
    throw new GpuUnavailableError('no-adapter');
  }
  const wanted = options.features === false ? [] : OPTIONAL_FEATURES.filter((f) => adapter.features.has(f));
  const limits = adapter.limits;
  const device = await adapter.requestDevice({
    requiredFeatures: wanted,
    requiredLimits: {
      // The defaults are 256 MiB and 128 MiB; a 30 M-parameter model in one buffer already needs 120 MB.
      maxBufferSize: Math.min(limits.maxBufferSize, Math.max(options.bufferBytes ?? 0, 256 * 2 ** 20)),
      maxStorageBufferBindingSize: Math.min(
        limits.maxStorageBufferBindingSize,
        Math.max(options.bufferBytes ?? 0, 128 * 2 ** 20),
      ),
      maxComputeWorkgroupStorageSize: Math.min(limits.maxComputeWorkgroupStorageSize, 32 * 2 ** 10),
      maxStorageBuffersPerShaderStage: Math.min(limits.maxStorageBuffersPerShaderStage, 10),
    },
  });
  return { device, adapter: describe(adapter, device) };
}

/** Whether a processor stands in for a graphics card. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  const words = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  return /swiftshader|llvmpipe|lavapipe|warp|basic render/.test(words);
}

function describe(adapter: GPUAdapter, device: GPUDevice): AdapterReport {
  const info = adapter.info;
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    description: nameOf(info),
    software: isSoftware(info),
    shaderF16: device.features.has('shader-f16'),
    subgroups: device.features.has('subgroups'),
    subgroupMinSize: info.subgroupMinSize ?? 0,
    subgroupMaxSize: info.subgroupMaxSize ?? 0,
    timestampQuery: device.features.has('timestamp-query'),
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    maxBufferSize: device.limits.maxBufferSize,
    maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
  };
}

/** The device's name and driver as far as the runtime tells them; numbers in a name's place say nothing. */
function nameOf({ device, description, architecture, vendor }: GPUAdapterInfo): string {
  const told = [device, description].filter((part) => part !== '' && !/^(0x)?[0-9a-f]+$/i.test(part));
  return told.join(', ') || architecture || vendor || 'unnamed adapter';
}

/** One line for logs and tests, e.g. "google swiftshader (SwiftShader Device (LLVM 16.0.0)), software". */
export function adapterLine(a: AdapterReport): string {
  return `${a.vendor} ${a.architecture} (${a.description})${a.software ? ', software' : ''}`.trim();
}
