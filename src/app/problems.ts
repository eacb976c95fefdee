/** Turns whatever went wrong into words for a person: what happened, what to do, whether Tabswarm goes on by itself. */
import { messageOf } from '../protocol/errors.ts';
import { NO_ADAPTER, offeredLimits, unavailableMessage } from '../kernels/gpu.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { misfit } from '../training/fits.ts';
import { BlobError } from './blobs.ts';
import { OutOfSyncError } from './follower.ts';
import { HostError } from './host-client.ts';
import type { Problem } from './state.ts';

/** The host runs another version than this page. */
export class VersionError extends Error {
  static override readonly name = 'VersionError';
  override readonly name = 'VersionError';
}

/** The run's description is broken, unsigned or not for us. */
export class ManifestError extends Error {
  static override readonly name = 'ManifestError';
  override readonly name = 'ManifestError';
}

/** Errors that come from the worker have lost their class but not their name. */
function isNamed(error: unknown, name: string): error is Error {
  return error instanceof Error && error.name === name;
}

export function toProblem(error: unknown): Problem {
  const message = messageOf(error);
  if (error instanceof HostError) {
    const message = error.retry ? `${error.message} Trying again.` : error.message;
    return { code: 'host-unreachable', message, recovering: error.retry };
  }
  if (error instanceof VersionError) return { code: 'protocol-version', message, recovering: false };
  if (error instanceof ManifestError) return { code: 'bad-manifest', message, recovering: false };
  if (error instanceof OutOfSyncError) {
    return {
      code: 'out-of-sync',
      message: `${message} Fetching the certified model again.`,
      recovering: true,
    };
  }
  if (error instanceof BlobError || isNamed(error, 'BlobUnavailableError')) {
    return { code: 'host-unreachable', message: `${message} Trying again.`, recovering: true };
  }
  if (isNamed(error, 'GpuUnavailableError')) return gpuProblem(message);
  if (isNamed(error, 'DoesNotFitError')) return { code: 'adapter-too-small', message, recovering: false };
  if (isNamed(error, 'DeviceLostError')) {
    return {
      code: 'device-lost',
      message: `${message} Starting it again from the certified model.`,
      recovering: true,
    };
  }
  return { code: 'internal', message: `Something unexpected went wrong: ${message}`, recovering: true };
}

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
  if (isFramed()) {
    const message = `Another site shows this page inside its own. Open ${location.origin} in a tab of its own.`;
    return { code: 'framed', message, recovering: false };
  }
  if (globalThis.isSecureContext && globalThis.navigator.gpu !== undefined) return null;
  return gpuProblem(unavailableMessage());
}

/** Asks the browser which graphics card it would offer, without opening it; null when the run fits that one. */
export async function foreseeAdapter(manifest: Manifest): Promise<Problem | null> {
  const limits = await offeredLimits(navigator.gpu);
  if (limits === null) return gpuProblem(NO_ADAPTER);
  const { batch, sequence } = manifest.training;
  const reason = misfit(manifest.model, batch, sequence, limits);
  if (reason === undefined) return null;
  return {
    code: 'adapter-too-small',
    message: `The model does not fit: ${reason}.`,
    recovering: false,
  };
}

function gpuProblem(message: string): Problem {
  if (!globalThis.isSecureContext) return { code: 'insecure-page', message, recovering: false };
  if (globalThis.navigator?.gpu === undefined) return { code: 'no-webgpu', message, recovering: false };
  return { code: 'no-adapter', message, recovering: false };
}
