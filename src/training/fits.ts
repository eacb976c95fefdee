/** Whether a configuration fits a device, said before anything is allocated, with the numbers and with what would fit. */
import { kvSize, type ModelConfig } from '../model/config.ts';
import { PRESET_NAMES, preset } from '../model/presets.ts';
import { DoesNotFitError, type Misfit } from './errors.ts';
import { type MemoryOptions, planBuffers } from './memory.ts';

export interface DeviceLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  /** Bytes the caller grants in all; WebGPU does not tell how much memory there is. */
  readonly budgetBytes?: number | undefined;
}

/** Buffers that are bound in parts or whole only where they are small: their size may pass the binding limit. */
const BOUND_IN_PARTS = new Set(['parameters', 'weights', 'gradients', 'moment1', 'moment2', 'readback']);

/** Why it does not fit, or undefined. Sizes as of createEngine with the same options. */
export function misfit(
  c: ModelConfig,
  batch: number,
  sequence: number,
  limits: DeviceLimits,
  options: Omit<MemoryOptions, 'maxBinding'> = {},
): Misfit | undefined {
  const buffers = planBuffers(c, batch, sequence, {
    ...options,
    maxBinding: limits.maxStorageBufferBindingSize,
  });
  let total = 0;
  for (const [name, bytes] of buffers) {
    total += bytes;
    if (bytes > limits.maxBufferSize) {
      return { of: 'buffer', name, bytes, most: limits.maxBufferSize };
    }
    if (!BOUND_IN_PARTS.has(name) && bytes > limits.maxStorageBufferBindingSize) {
      return { of: 'binding', name, bytes, most: limits.maxStorageBufferBindingSize };
    }
  }
  // The largest matrices of a layer are bound whole.
  const matrix = 4 * c.hiddenSize * Math.max(2 * c.intermediateSize, c.hiddenSize + 2 * kvSize(c));
  if (matrix > limits.maxStorageBufferBindingSize) {
    return { of: 'matrix', name: '', bytes: matrix, most: limits.maxStorageBufferBindingSize };
  }
  if (limits.budgetBytes !== undefined && total > limits.budgetBytes) {
    return { of: 'budget', name: '', bytes: total, most: limits.budgetBytes };
  }
  return undefined;
}

/** Throws {@link DoesNotFitError}, which names the largest preset that fits instead. */
export function assertFits(
  c: ModelConfig,
  batch: number,
  sequence: number,
  limits: DeviceLimits,
  options: Omit<MemoryOptions, 'maxBinding'> = {},
): void {
  const found = misfit(c, batch, sequence, limits, options);
  if (found === undefined) return;
  throw new DoesNotFitError({ misfit: found, batch, sequence, largest: largestPreset(limits) ?? null });
}

/** The largest preset that fits these limits. */
export function largestPreset(limits: DeviceLimits): (typeof PRESET_NAMES)[number] | undefined {
  return PRESET_NAMES.findLast((name) => {
    const { model, training } = preset(name);
    return misfit(model, training.batch, training.sequence, limits) === undefined;
  });
}
