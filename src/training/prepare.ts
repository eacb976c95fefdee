/** A plan on a device: its buffers allocated, its kernels compiled, its launches ready to be replayed. */
import { ropeTable } from '../kernels/attention-frame.ts';
import type { Gpu } from '../kernels/gpu.ts';
import {
  type BufferRange,
  COPY_DST,
  COPY_SRC,
  type Launch,
  type LaunchSpec,
  MAP_READ,
  Programs,
  STORAGE,
  UNIFORM,
} from '../kernels/program.ts';
import type { ModelPart } from '../model/layout.ts';
import { DoesNotFitError } from './errors.ts';
import { dimensions, type MemoryOptions, planBuffers } from './memory.ts';
import type { PlanInput } from './plan/frame.ts';
import { planStep } from './plan.ts';

export interface PrepareOptions extends Omit<PlanInput, 'dimensions' | 'buffers'> {
  readonly gpu: Gpu;
  /** Default the whole model. */
  readonly part?: ModelPart;
  /** Micro-batches of a step; with one there is no need for accumulating twins. */
  readonly accumulation: number;
}

/** The lists of `PlanSpecs` as launches; a launch in several lists is the same object. */
export interface PreparedPlan {
  readonly buffers: ReadonlyMap<string, GPUBuffer>;
  readonly prepare: readonly Launch[];
  readonly forward: readonly Launch[];
  readonly head: readonly Launch[];
  readonly backward: readonly Launch[];
  readonly loss: readonly Launch[];
  readonly logits: readonly {
    readonly launches: readonly Launch[];
    readonly first: number;
    readonly rows: number;
  }[];
  readonly update: readonly Launch[];
  readonly cleared: BufferRange | undefined;
}

/** Parameters and moments are zero. Rejects with {@link DoesNotFitError} when the device has no room left. */
export async function preparePlan(options: PrepareOptions): Promise<PreparedPlan> {
  const { gpu, config, batch, sequence, part, storage, recompute, forwardOnly } = options;
  const { device } = gpu;
  const maxBinding = gpu.adapter.maxStorageBufferBindingSize;
  const memory: MemoryOptions = { part, storage, recompute, forwardOnly, maxBinding };
  const sizes = dimensions(config, batch, sequence, memory);
  const buffers = await allocate(device, planBuffers(config, batch, sequence, memory), options);
  write(device, buffers, 'angles', ropeTable(sequence, sizes.headDim, config.ropeTheta));
  const specs = planStep({ ...options, dimensions: sizes, buffers }, part);
  write(device, buffers, 'parts', specs.parts);
  const { prepare, forward, head, backward, loss, logits, update, cleared } = specs;
  const scores = logits.map(({ score }) => score);
  const all = [...new Set([prepare, forward, head, backward, loss, ...scores, update].flat())];
  const twins = options.accumulation > 1;
  const made = await Programs.of(device).prepare(
    twins ? all : all.map((spec) => ({ ...spec, accumulate: undefined })),
  );
  const launches = new Map(all.map((spec, i) => [spec, made[i]]));
  const list = (from: readonly LaunchSpec[]) => from.map((spec) => launches.get(spec) as Launch);
  return {
    buffers,
    prepare: list(prepare),
    forward: list(forward),
    head: list(head),
    backward: list(backward),
    loss: list(loss),
    logits: logits.map(({ first, rows, score }) => ({ first, rows, launches: list(score) })),
    update: list(update),
    cleared,
  };
}

async function allocate(
  device: GPUDevice,
  sizes: ReadonlyMap<string, number>,
  { batch, sequence }: Pick<PrepareOptions, 'batch' | 'sequence'>,
): Promise<Map<string, GPUBuffer>> {
  const buffers = new Map<string, GPUBuffer>();
  let total = 0;
  device.pushErrorScope('out-of-memory');
  for (const [label, size] of sizes) {
    const usage =
      label === 'readback'
        ? MAP_READ | COPY_DST
        : label === 'step' || label === 'parts'
          ? UNIFORM | COPY_DST
          : STORAGE | COPY_SRC | COPY_DST;
    buffers.set(label, device.createBuffer({ label, size, usage }));
    total += size;
  }
  if ((await device.popErrorScope()) === null) return buffers;
  for (const buffer of buffers.values()) buffer.destroy();
  // How much is left, WebGPU does not tell.
  const misfit = { of: 'memory', name: '', bytes: total, most: null } as const;
  throw new DoesNotFitError({ misfit, batch, sequence, largest: null });
}

function write(
  device: GPUDevice,
  buffers: ReadonlyMap<string, GPUBuffer>,
  name: string,
  data: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): void {
  device.queue.writeBuffer(buffers.get(name) as GPUBuffer, 0, data);
}
