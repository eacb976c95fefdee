/** Whether a configuration fits a device, said before anything is allocated, with the numbers and with what would fit. */
import { kvSize, type ModelConfig } from '../model/config.ts';
import { PRESET_NAMES, preset } from '../model/presets.ts';
import { DoesNotFitError } from './errors.ts';
import { type MemoryOptions, planBuffers } from './memory.ts';

export interface DeviceLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  /** Bytes the caller grants in all; WebGPU does not tell how much memory there is. */
  readonly budgetBytes?: number | undefined;
}

const MIB = 2 ** 20;
const mib = (bytes: number): string => `${(bytes / MIB).toFixed(bytes < 100 * MIB ? 1 : 0)} MiB`;

/** Buffers that are bound in parts or whole only where they are small: their size may pass the binding limit. */
const BOUND_IN_PARTS = new Set(['parameters', 'weights', 'gradients', 'moment1', 'moment2', 'readback']);

/** Why it does not fit, or undefined. Sizes as of createEngine with the same options. */
export function misfit(
  c: ModelConfig,
  batch: number,
  sequence: number,
  limits: DeviceLimits,
  options: Omit<MemoryOptions, 'maxBinding'> = {},
): string | undefined {
  const buffers = planBuffers(c, batch, sequence, {
    ...options,
    maxBinding: limits.maxStorageBufferBindingSize,
  });
  let total = 0;
  for (const [name, bytes] of buffers) {
    total += bytes;
    if (bytes > limits.maxBufferSize) {
      return `its buffer "${name}" takes ${mib(bytes)} and this device allows ${mib(limits.maxBufferSize)} a buffer`;
    }
    if (!BOUND_IN_PARTS.has(name) && bytes > limits.maxStorageBufferBindingSize) {
      return `its buffer "${name}" takes ${mib(bytes)} and shaders of this device reach ${mib(limits.maxStorageBufferBindingSize)}; a smaller batch or sequence needs less`;
    }
  }
  // The largest matrices of a layer are bound whole.
  const matrix = 4 * c.hiddenSize * Math.max(2 * c.intermediateSize, c.hiddenSize + 2 * kvSize(c));
  if (matrix > limits.maxStorageBufferBindingSize) {
    return `one of its matrices takes ${mib(matrix)} and shaders of this device reach ${mib(limits.maxStorageBufferBindingSize)}`;
  }
  if (limits.budgetBytes !== undefined && total > limits.budgetBytes) {
    return `it takes ${mib(total)} and ${mib(limits.budgetBytes)} are granted`;
  }
  return undefined;
}

/** Throws {@link DoesNotFitError}, naming the largest preset that fits instead. */
export function assertFits(
  c: ModelConfig,
  batch: number,
  sequence: number,
  limits: DeviceLimits,
  options: Omit<MemoryOptions, 'maxBinding'> = {},
): void {
  const reason = misfit(c, batch, sequence, limits, options);
  if (reason === undefined) return;
  const smaller = largestPreset(limits);
  const advice =
    smaller === undefined ? 'No preset fits this device.' : `The largest preset that fits is "${smaller}".`;
  throw new DoesNotFitError(
    `The model (batch ${batch}, sequence ${sequence}) does not fit: ${reason}. ${advice}`,
  );
}

/** The largest preset that fits these limits. */
export function largestPreset(limits: DeviceLimits): (typeof PRESET_NAMES)[number] | undefined {
  return PRESET_NAMES.findLast((name) => {
    const { model, training } = preset(name);
    return misfit(model, training.batch, training.sequence, limits) === undefined;
  });
}
