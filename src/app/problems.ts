/** What stands in the way in a browser: before anything is started, and when something failed. */
import { missingGpu, offeredLimits } from '../kernels/gpu.ts';
import type { Trouble } from '../peer/reasons.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { largestPreset, misfit } from '../training/fits.ts';
import type { Problem } from './state.ts';

/** A trouble as the page shows it: a GPU that cannot be had is told by what is lacking. */
export function problemOf(trouble: Trouble): Problem {
  if (trouble.code !== 'gpu-unavailable') return trouble;
  const { lack, recovering } = trouble;
  return lack === 'no-adapter' ? { code: lack, recovering } : { code: lack, recovering: false };
}

/** Of these only the newest is true: what became of the graphics card last. */
export const GPU_CODES = ['device-lost', 'gpu-withdrawn', 'no-adapter', 'no-webgpu'] as const;

/** Told of a stay in the swarm, and over with it unless they stand in the way of the next one. */
export const endsWithStay = ({ code, recovering }: Problem): boolean =>
  code === 'corrupt-data' || (recovering && code !== 'no-validator' && code !== 'no-adapter');

/**
 * Whether another site shows this page in a frame. It could lay its own picture over the page and have a person press
 * Start unknowingly, so nothing starts there. (The host's frame-ancestors header forbids it already.)
 */
export function isFramed(): boolean {
  const top = globalThis.top ?? null;
  if (top === null || top === globalThis.self) return false;
  try {
    return top.location.origin !== location.origin;
  } catch {
    return true;
  }
}

/** What can be said about this browser before anything is started; null when it looks able to train. */
export function foreseeable(): Problem | null {
  if (isFramed()) return { code: 'framed', recovering: false };
  if (globalThis.isSecureContext && globalThis.navigator?.gpu !== undefined) return null;
  return { code: missingGpu(), recovering: false };
}

/** Asks the browser which graphics card it would offer, without opening it; null when the run fits that one. */
export async function foreseeAdapter({ model, task }: Manifest): Promise<Problem | null> {
  const limits = await offeredLimits(navigator.gpu);
  if (limits === null) return { code: 'no-adapter', recovering: false };
  const { batch, sequence } = task.training;
  const found = misfit(model, batch, sequence, limits);
  if (found === undefined) return null;
  const largest = largestPreset(limits) ?? null;
  return { code: 'adapter-too-small', recovering: false, misfit: found, batch, sequence, largest };
}
