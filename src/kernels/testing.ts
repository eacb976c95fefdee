/** The WebGPU device that all unit tests of a process share. Never imported by the app. */
import { adapterLine, type Gpu, GpuUnavailableError } from './gpu.ts';
import { openNodeGpu } from './node-gpu.ts';

let shared: Promise<Gpu> | undefined;

/** The process's shared device. Prints the adapter's line once and refuses an adapter without a name (Dawn's null backend). */
export function testGpu(): Promise<Gpu> {
  shared ??= openNodeGpu().then((gpu) => {
    const line = adapterLine(gpu.adapter);
    if (!/[a-z]/i.test(gpu.adapter.vendor + gpu.adapter.architecture)) {
      throw new GpuUnavailableError(
        'no-adapter',
        `nameless adapter "${line}": probably a null backend that computes nothing`,
      );
    }
    console.log(`adapter: ${line}`);
    return gpu;
  });
  return shared;
}
