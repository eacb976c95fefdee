/**
 * Counts what any engine asks of the GPU, by wrapping WebGPU's (and WebGL's) own methods: dispatches, and the bytes of
 * the buffers that live. Works on engines whose insides we cannot see, so that all are counted alike.
 *
 * Install before the engines start. One engine runs at a time; buffers belong to the one that was current when they
 * were made. A buffer that is dropped without `destroy()` counts as held, as it is until the garbage collector comes.
 */

export interface GpuCounts {
  /** Compute dispatches; for WebGL, draw calls. */
  dispatches: number;
  /** Bytes of the WebGPU buffers held now, and the most ever held. */
  bytes: number;
  peakBytes: number;
}

const counts = new Map<string, GpuCounts>();
const owners = new WeakMap<GPUBuffer, GpuCounts>();
let current = countsOf('');

/** The running tally of one engine; live, not a copy. */
export function countsOf(name: string): GpuCounts {
  let found = counts.get(name);
  if (found === undefined) {
    found = { dispatches: 0, bytes: 0, peakBytes: 0 };
    counts.set(name, found);
  }
  return found;
}

/** From here on everything counts for this engine. */
export function countFor(name: string): void {
  current = countsOf(name);
}

/** Wraps what this runtime has; call once. */
export function installGpuCounters(): void {
  const { GPUComputePassEncoder: pass, GPUDevice: device, GPUBuffer: buffer } = globalThis;
  if (pass !== undefined) {
    after(pass.prototype, 'dispatchWorkgroups', () => current.dispatches++);
    after(pass.prototype, 'dispatchWorkgroupsIndirect', () => current.dispatches++);
    after(device.prototype, 'createBuffer', (result) => {
      const made = result as GPUBuffer;
      owners.set(made, current);
      current.bytes += made.size;
      current.peakBytes = Math.max(current.peakBytes, current.bytes);
    });
    after(buffer.prototype, 'destroy', (_, self) => {
      const owner = owners.get(self);
      if (owner === undefined) return;
      owners.delete(self);
      owner.bytes -= self.size;
    });
  }
  const webgl = globalThis.WebGL2RenderingContext;
  if (webgl !== undefined) {
    after(webgl.prototype, 'drawElements', () => current.dispatches++);
    after(webgl.prototype, 'drawArrays', () => current.dispatches++);
  }
}

type Method = (this: object, ...args: unknown[]) => unknown;

/** Calls `seen(result, this)` after each call of a method. */
function after<S extends object>(prototype: S, name: string, seen: (result: unknown, self: S) => void): void {
  const slots = prototype as unknown as Record<string, Method>;
  const original = slots[name];
  if (original === undefined) return;
  slots[name] = function (this: object, ...args: unknown[]): unknown {
    const result = original.apply(this, args);
    seen(result, this as S);
    return result;
  };
}
