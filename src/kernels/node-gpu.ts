/**
 * WebGPU in Node, for a host's helpers, benches and tests: Dawn's `webgpu` package, on a real GPU where there is one and
 * on Chromium's SwiftShader (a CPU driver) where there is none. Never imported by the page.
 *
 * One device a process: opening costs about 0.2 s. The object that `create` returns must outlive every device, or the
 * addon frees memory that its background thread still uses and the process dies of a segmentation fault: hence the
 * module-level variable. Kept so, a process ends by itself with status 0, with or without device.destroy().
 */
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type Gpu, GpuUnavailableError, type OpenGpuOptions, openGpu } from './gpu.ts';

/** Where Linux distributions put the manifest of Chromium's software Vulkan driver. */
const SWIFTSHADER = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];

export interface NodeGpuOptions extends OpenGpuOptions {
  /** Use the machine's own drivers even where SwiftShader is installed. Default: TABSWARM_GPU is "hardware". */
  readonly hardware?: boolean;
  /** Timestamps to the nanosecond and not to 100 µs, for benches. */
  readonly exactTimestamps?: boolean;
}

let entry: GPU | undefined;

/** Dawn's `navigator.gpu` in Node, one a process. Throws {@link GpuUnavailableError} where the package does not load. */
export async function nodeGpuEntry(options: NodeGpuOptions = {}): Promise<GPU> {
  if (entry !== undefined) return entry;
  const hardware = options.hardware ?? process.env['TABSWARM_GPU'] === 'hardware';
  const icd = SWIFTSHADER.find((path) => existsSync(path));
  // The Vulkan loader reads these once, when the addon opens it.
  if (!hardware && icd !== undefined) process.env['VK_ICD_FILENAMES'] ??= icd;
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  try {
    const { create, globals } = await import('webgpu');
    Object.assign(globalThis, globals);
    entry = create(options.exactTimestamps ? ['disable-dawn-features=timestamp_quantization'] : []);
  } catch (error) {
    throw new GpuUnavailableError('no-webgpu', `the "webgpu" package did not load: ${String(error)}`);
  }
  return entry;
}

/** A device of its own, e.g. for a test that destroys it. */
export async function openNodeGpu(options: NodeGpuOptions = {}): Promise<Gpu> {
  return openGpu({ ...options, gpu: await nodeGpuEntry(options) });
}
